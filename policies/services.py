"""Services of a policy: what may be done about its mail, each a package of its own and a column of the policies table.

A service registers when its app is ready. The table and the other pages of policies, the configuration document and
acceptance go through this registry; none of them knows a service by name.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol
from uuid import UUID

from django.urls import reverse
from django.utils.functional import Promise

from policies.matching import DEFAULT_POLICY_UID, Part
from seg_console.config import registry
from seg_console.config.document import Document
from seg_console.config.models import Configuration, ConfigurationObject
from seg_console.config.registry import Extension, Section
from seg_console.delivery.enqueue import DeliverySpec


@dataclass(frozen=True, slots=True)
class Cell:
    """What one service says of one policy: one click target, marked by its state (seg-webui 3.3).

    `state`: on, off, inherited or unavailable. `detail`: the line under the text, "" for none. `url`: where a click
    leads, "" for nowhere; with `opens_in_place` that page answers htmx with a form for the cell. `label`: what it is a
    cell of, for who hears the table.
    """

    service: str
    policy_uid: UUID
    label: str
    state: str
    text: str
    detail: str
    url: str
    opens_in_place: bool
    is_pending: bool

    @property
    def shows_address(self) -> bool:
        return "@" in self.detail


@dataclass(frozen=True, slots=True)
class Piece:
    """One MID that goes on: the whole message, or the splinter of it that falls to one policy. `recipients`: index is
    the RID; `size` in octets."""

    mid: int
    part: Part
    recipients: tuple[str, ...]
    size: int
    deliveries: tuple[DeliverySpec, ...]

    @property
    def intake_address(self) -> str | None:
        """Where its copy goes, None for a piece that is not copied."""
        return next((delivery.address for delivery in self.deliveries if delivery.address), None)


class Rule(Protocol):
    """What a service does about mail under one running configuration; frozen, made once for it.

    `adds_sender_ip_header`: whether it wants X-IronPort-RemoteIP and X-IronPort-MID above whatever is accepted.
    """

    @property
    def adds_sender_ip_header(self) -> bool: ...

    def decide(self, piece: Piece) -> Piece:
        """The piece as it goes on to the next service. It comes as the services before have left it. No I/O: the way in
        waits for the answer."""
        ...


class PolicyService(ABC):
    """One service.

    - `name`: its key in each policy of the document, and part of the ids of its cells
    - `place`: orders the columns of the table, and the services as a message meets them
    - `urls`: the module of its URLs, from the root. `page` is a view of theirs that takes a policy's uid and changes
      what the policy has of the service; `page_for_several`, where there is one, takes the uids that were ticked in the
      table as `policy` of a POST with `choose`, and `several_label` is the words of its button
    - `sections`, `keys`: its own sections of the document, and what it adds to the sections of policies
    """

    name: str
    title: str | Promise
    place: int
    urls: str
    page: str
    page_for_several: str = ""
    several_label: str | Promise = ""
    sections: Sequence[Section[Any]] = ()
    keys: Sequence[Extension[Any]]

    @abstractmethod
    def cells(
        self, policies: Mapping[UUID, str], shown: Configuration, began: Configuration | None, *, may_change: bool
    ) -> Mapping[UUID, Cell]:
        """A cell for each of these policies, names by uid. `began`: what the shown set began from, None where nothing
        is pending. The number of queries may not depend on the policies."""

    @abstractmethod
    def copied(self, configuration: Configuration, *, source: UUID, target: UUID) -> list[ConfigurationObject]:
        """The unsaved rows by which the policy `target` has of the service what `source` has."""

    @abstractmethod
    def rule(self, configuration: Document) -> Rule: ...

    def page_for(self, policy_uid: UUID) -> str:
        """The URL of the page of one policy."""
        return _page_pattern(self.page).replace(DEFAULT_POLICY_UID, str(policy_uid))


_services: dict[str, PolicyService] = {}


def register(service: PolicyService) -> None:
    """Make a service and its part of the document known; called once, when its app is ready."""
    _services[service.name] = service
    for section in service.sections:
        registry.register(section)
    for key in service.keys:
        registry.extend(key)


def services() -> tuple[PolicyService, ...]:
    """In the order of the table, which is that in which a message meets them."""
    return tuple(sorted(_services.values(), key=lambda service: service.place))


@cache
def _page_pattern(view: str) -> str:
    """The URL of the Default Policy's page: to ask for each of a long table's anew takes its better part."""
    return reverse(view, args=[DEFAULT_POLICY_UID])
