from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from uuid import UUID

from policies.document import DEFAULT_POLICY, INCOMING_MAIL_POLICIES
from policies.services import Cell, Piece, PolicyService
from seg_console.config.document import Document
from seg_console.config.models import Configuration, ConfigurationObject
from seg_console.config.registry import Extension, MendedAt, Plain, Shape
from seg_console.config.rows import Rows
from tests.drop_box.models import PolicySwitch


class Switch(Shape):
    on: bool = False


class PolicyKey(Extension[Switch]):
    key = "drop_box"
    shape = Switch
    model = PolicySwitch
    mended_at = MendedAt("policies:list", "drop-box:switch")

    def __init__(self, section: str) -> None:
        self.section = section

    def dump(self, rows: Rows) -> Mapping[UUID, Plain]:
        return {row.policy_uid: {"on": row.on} for row in rows.of(PolicySwitch)}

    def load(self, values: Sequence[tuple[UUID, Switch]], known: Rows) -> list[ConfigurationObject]:
        return [PolicySwitch.build(uid, on=True) for uid, value in values if value.on]


OF_POLICY, OF_DEFAULT_POLICY = PolicyKey(INCOMING_MAIL_POLICIES.key), PolicyKey(DEFAULT_POLICY.key)


@dataclass(frozen=True, slots=True)
class DropRule:
    policies: Set[str]
    adds_sender_ip_header: bool = False

    def decide(self, piece: Piece) -> Piece:
        return replace(piece, deliveries=()) if piece.part.policy.uid in self.policies else piece


class DropBox(PolicyService):
    name = "drop_box"
    title = "Drop Box"
    place = 10
    urls = "tests.drop_box.urls"
    page = "drop-box:switch"
    keys = (OF_POLICY, OF_DEFAULT_POLICY)

    def cells(
        self, policies: Mapping[UUID, str], shown: Configuration, began: Configuration | None, *, may_change: bool
    ) -> Mapping[UUID, Cell]:
        on, before = switched_on(shown), switched_on(began or shown)
        return {
            uid: Cell(
                service=self.name,
                policy_uid=uid,
                label=f"Drop Box of {policy_name}",
                state="on" if uid in on else "off",
                text="Dropped" if uid in on else "Passed on",
                detail="",
                url=self.page_for(uid) if may_change else "",
                opens_in_place=False,
                is_pending=(uid in on) != (uid in before),
            )
            for uid, policy_name in policies.items()
        }

    def copied(self, configuration: Configuration, *, source: UUID, target: UUID) -> list[ConfigurationObject]:
        return [PolicySwitch.build(target, on=True)] if source in switched_on(configuration) else []

    def rule(self, configuration: Document) -> DropRule:
        uids = configuration.uids(INCOMING_MAIL_POLICIES.key)
        policies = configuration[INCOMING_MAIL_POLICIES]
        return DropRule({uid for uid, policy in zip(uids, policies, strict=True) if OF_POLICY.of(policy).on})


def switched_on(configuration: Configuration) -> set[UUID]:
    rows = PolicySwitch._default_manager.filter(configuration=configuration, on=True)
    return set(rows.values_list("policy_uid", flat=True))


DROP_BOX = DropBox()
