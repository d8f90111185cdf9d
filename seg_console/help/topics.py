"""Which help pages there are, in reading order, and which view each of them explains.

`views` are view names or beginnings of them, as in the menus (seg_console.ui.navigation); of several that fit a view
the longest holds. The texts stand in docs/help/<language>/<slug>.md.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _


@dataclass(frozen=True, slots=True)
class Topic:
    slug: str
    views: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Chapter:
    title: str | Promise
    topics: tuple[Topic, ...]


CHAPTERS = (
    Chapter(
        _("Start Here"),
        (
            Topic("first-steps"),
            Topic("how-a-message-travels"),
            Topic(
                "signing-in",
                (
                    "accounts:home",
                    "accounts:no-pages",
                    "accounts:set-language",
                    "accounts:sign-",
                    "accounts:submit-again",
                ),
            ),
            Topic("roles"),
            Topic(
                "uncommitted-changes",
                ("configuration:abandon", "configuration:commit", "configuration:uncommitted-changes"),
            ),
        ),
    ),
    Chapter(
        _("Monitor"),
        (
            Topic("overview", ("monitor:overview",)),
            Topic("delivery-status", ("monitor:delivery-status",)),
            Topic("delivery-status-details", ("monitor:delivery-status-details", "monitor:delivery-status-retry")),
            Topic("message-tracking", ("monitor:message-tracking",)),
            Topic("message-details", ("monitor:message-tracking-details",)),
        ),
    ),
    Chapter(
        _("Mail Policies"),
        (
            Topic("incoming-mail-policies", ("policies:",)),
            Topic("edit-policy", ("policies:add", "policies:copy", "policies:edit", "policies:preview")),
            Topic("policy-order", ("policies:order",)),
            Topic("policy-threat-defense-connector", ("tdc:policy-choice", "tdc:change-policies")),
            Topic("address-lists", ("address-lists:",)),
            Topic("mail-policy-settings", ("mail-policy-settings:",)),
            Topic("hat-overview", ("host-access:",)),
            Topic("recipient-access-table", ("recipient-access:",)),
            Topic("destination-controls", ("destination-controls:",)),
        ),
    ),
    Chapter(
        _("Security Services"),
        (
            Topic("services-overview", ("services:",)),
            Topic(
                "threat-defense-connector-settings",
                ("tdc:settings", "tdc:edit-settings", "tdc:test-connection", "tdc:connection-test"),
            ),
        ),
    ),
    Chapter(
        _("Network"),
        (
            Topic("listeners", ("listeners:",)),
            Topic("incoming-relays", ("incoming-relays:",)),
            Topic("certificates", ("certificates:",)),
            Topic("smtp-routes", ("smtp-routes:",)),
            Topic("bounce-profiles", ("bounce-profiles:",)),
            Topic("dns", ("dns:",)),
        ),
    ),
    Chapter(
        _("System Administration"),
        (
            Topic("trace", ("trace:",)),
            Topic("configuration-file", ("configuration:file", "configuration:reset")),
            Topic("configuration-history", ("configuration:history", "configuration:roll-back")),
            Topic("general-settings", ("configuration:general-settings", "configuration:edit-general-settings")),
            Topic(
                "users",
                (
                    "accounts:users",
                    "accounts:add-user",
                    "accounts:delete-user",
                    "accounts:edit-user",
                    "accounts:enforce-passphrase-change",
                    "accounts:lock-user",
                    "accounts:unlock-user",
                ),
            ),
            Topic("account-settings", ("accounts:account-settings", "accounts:edit-account-settings")),
            Topic("network-access", ("accounts:network-access", "accounts:edit-network-access")),
            Topic("audit-log", ("audit-log:",)),
        ),
    ),
    Chapter(
        _("Options"),
        (
            Topic("active-sessions", ("accounts:active-sessions", "accounts:end-session")),
            Topic("change-passphrase", ("accounts:change-passphrase",)),
            Topic("preferences", ("accounts:preferences", "accounts:edit-preferences")),
        ),
    ),
)

TOPICS = tuple(topic for chapter in CHAPTERS for topic in chapter.topics)


def slug_for(view_name: str) -> str:
    """The help page that explains a view; "" where none does."""
    fitting = [(len(start), topic.slug) for topic in TOPICS for start in topic.views if view_name.startswith(start)]
    return max(fitting)[1] if fitting else ""
