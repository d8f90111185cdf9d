"""The menus as data: tabs, their groups, their pages, and the privilege that shows each page.

A page appears here when it exists. `views` are the view names, or prefixes of them, for which its tab is the current
one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from django.urls import Resolver404, ResolverMatch, get_script_prefix, resolve, reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from seg_console.privileges import Privilege

if TYPE_CHECKING:
    from seg_console.accounts.models import User


@dataclass(frozen=True, slots=True)
class Page:
    title: str | Promise
    view: str
    privilege: Privilege
    views: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Group:
    title: str | Promise
    pages: tuple[Page, ...]


@dataclass(frozen=True, slots=True)
class Tab:
    title: str | Promise
    groups: tuple[Group, ...]


TABS = (
    Tab(
        _("Monitor"),
        (
            Group(
                _("Reports"),
                (Page(_("Overview"), "monitor:overview", Privilege.VIEW_STATUS, ("monitor:overview",)),),
            ),
            Group(
                _("Mail Flow"),
                (
                    Page(
                        _("Delivery Status"),
                        "monitor:delivery-status",
                        Privilege.VIEW_STATUS,
                        ("monitor:delivery-status",),
                    ),
                ),
            ),
            Group(
                _("Messages"),
                (
                    Page(
                        _("Message Tracking"),
                        "monitor:message-tracking",
                        Privilege.VIEW_TRACKING,
                        ("monitor:message-tracking",),
                    ),
                ),
            ),
        ),
    ),
    Tab(
        _("Mail Policies"),
        (
            Group(
                _("Email Security Manager"),
                (
                    Page(
                        _("Incoming Mail Policies"),
                        "policies:list",
                        Privilege.VIEW_CONFIGURATION,
                        ("policies:", "tdc:policy-choice", "tdc:change-policies"),
                    ),
                    Page(
                        _("Address Lists"),
                        "address-lists:list",
                        Privilege.VIEW_CONFIGURATION,
                        ("address-lists:",),
                    ),
                    Page(
                        _("Mail Policy Settings"),
                        "mail-policy-settings:view",
                        Privilege.VIEW_CONFIGURATION,
                        ("mail-policy-settings:",),
                    ),
                ),
            ),
            Group(
                _("Host Access"),
                (
                    Page(
                        _("HAT Overview"),
                        "host-access:list",
                        Privilege.VIEW_CONFIGURATION,
                        ("host-access:",),
                    ),
                ),
            ),
            Group(
                _("Recipients"),
                (
                    Page(
                        _("Recipient Access Table (RAT)"),
                        "recipient-access:list",
                        Privilege.VIEW_CONFIGURATION,
                        ("recipient-access:",),
                    ),
                ),
            ),
            Group(
                _("Delivery"),
                (
                    Page(
                        _("Destination Controls"),
                        "destination-controls:list",
                        Privilege.VIEW_CONFIGURATION,
                        ("destination-controls:",),
                    ),
                ),
            ),
        ),
    ),
    Tab(
        _("Security Services"),
        (
            Group(
                _("Overview"),
                (Page(_("Services Overview"), "services:overview", Privilege.VIEW_CONFIGURATION, ("services:",)),),
            ),
            Group(
                _("Connectors"),
                (
                    Page(
                        _("Threat Defense Connector Settings"),
                        "tdc:settings",
                        Privilege.VIEW_CONFIGURATION,
                        ("tdc:settings", "tdc:edit-settings", "tdc:test-connection", "tdc:connection-test"),
                    ),
                ),
            ),
        ),
    ),
    Tab(
        _("Network"),
        (
            Group(
                _("Receiving"),
                (
                    Page(_("Listeners"), "listeners:show", Privilege.VIEW_CONFIGURATION, ("listeners:",)),
                    Page(
                        _("Incoming Relays"),
                        "incoming-relays:list",
                        Privilege.VIEW_CONFIGURATION,
                        ("incoming-relays:",),
                    ),
                    Page(_("Certificates"), "certificates:list", Privilege.VIEW_CONFIGURATION, ("certificates:",)),
                ),
            ),
            Group(
                _("Delivery"),
                (
                    Page(
                        _("SMTP Routes"),
                        "smtp-routes:list",
                        Privilege.VIEW_CONFIGURATION,
                        ("smtp-routes:",),
                    ),
                    Page(
                        _("Bounce Profiles"),
                        "bounce-profiles:list",
                        Privilege.VIEW_CONFIGURATION,
                        ("bounce-profiles:",),
                    ),
                    Page(_("DNS"), "dns:settings", Privilege.VIEW_CONFIGURATION, ("dns:",)),
                ),
            ),
        ),
    ),
    Tab(
        _("System Administration"),
        (
            Group(
                _("Diagnosis"),
                (Page(_("Trace"), "trace:run", Privilege.VIEW_CONFIGURATION, ("trace:",)),),
            ),
            Group(
                _("Configuration"),
                (
                    Page(
                        _("Configuration File"),
                        "configuration:file",
                        Privilege.VIEW_CONFIGURATION_FILE,
                        ("configuration:file", "configuration:reset"),
                    ),
                    Page(
                        _("Configuration History"),
                        "configuration:history",
                        Privilege.VIEW_CONFIGURATION,
                        ("configuration:history", "configuration:roll-back"),
                    ),
                    Page(
                        _("General Settings"),
                        "configuration:general-settings",
                        Privilege.VIEW_CONFIGURATION,
                        ("configuration:general-settings", "configuration:edit-general-settings"),
                    ),
                ),
            ),
            Group(
                _("Users"),
                (
                    Page(
                        _("Users"),
                        "accounts:users",
                        Privilege.VIEW_USERS,
                        ("accounts:users", "accounts:add-user", "accounts:edit-user", "accounts:delete-user"),
                    ),
                    Page(
                        _("Account Settings"),
                        "accounts:account-settings",
                        Privilege.VIEW_CONFIGURATION,
                        ("accounts:account-settings", "accounts:edit-account-settings"),
                    ),
                    Page(
                        _("Network Access"),
                        "accounts:network-access",
                        Privilege.VIEW_CONFIGURATION,
                        ("accounts:network-access", "accounts:edit-network-access"),
                    ),
                ),
            ),
            Group(
                _("Logs"),
                (Page(_("Audit Log"), "audit-log:search", Privilege.VIEW_AUDIT_LOG, ("audit-log:",)),),
            ),
        ),
    ),
)


@dataclass(frozen=True, slots=True)
class Link:
    """An entry of a header menu, for everybody who is signed in."""

    title: str | Promise
    view: str


OPTIONS = (
    Link(_("Active Sessions"), "accounts:active-sessions"),
    Link(_("Change Passphrase"), "accounts:change-passphrase"),
    Link(_("Preferences"), "accounts:preferences"),
)
HELP_AND_SUPPORT = (
    Link(_("Contents"), "help:contents"),
    Link(_("About"), "help:about"),
)

# A drop-down longer than this many lines, headings counted, goes into two columns, and one of twice that into three.
LINES_IN_A_COLUMN = 7
MOST_COLUMNS = 3


@dataclass(frozen=True, slots=True)
class ShownPage:
    title: str | Promise
    url: str
    is_current: bool


@dataclass(frozen=True, slots=True)
class ShownGroup:
    title: str | Promise
    pages: tuple[ShownPage, ...]


@dataclass(frozen=True, slots=True)
class ShownTab:
    title: str | Promise
    groups: tuple[ShownGroup, ...]

    @property
    def is_current(self) -> bool:
        return any(page.is_current for group in self.groups for page in group.pages)

    @property
    def columns(self) -> int:
        lines = sum(1 + len(group.pages) for group in self.groups)
        return min(-(-lines // LINES_IN_A_COLUMN), MOST_COLUMNS, len(self.groups))


def menu_for(user: User, view_name: str) -> tuple[ShownTab, ...]:
    """The tabs, groups and pages that `user` may see, empty ones left out. `view_name`: the page being shown."""
    tabs = (ShownTab(tab.title, _groups_for(tab, user, view_name)) for tab in TABS)
    return tuple(tab for tab in tabs if tab.groups)


def _groups_for(tab: Tab, user: User, view_name: str) -> tuple[ShownGroup, ...]:
    groups = (
        ShownGroup(
            group.title,
            tuple(
                ShownPage(page.title, reverse(page.view), view_name.startswith(page.views))
                for page in group.pages
                if user.may(page.privilege)
            ),
        )
        for group in tab.groups
    )
    return tuple(group for group in groups if group.pages)


def links_of(menu: tuple[Link, ...], view_name: str) -> tuple[ShownPage, ...]:
    """The entries of a header menu."""
    return tuple(ShownPage(link.title, reverse(link.view), view_name.startswith(link.view)) for link in menu)


def pages_for(user: User) -> list[tuple[Tab, Page]]:
    """The pages of the menus that the user may see, in their order."""
    return [(tab, page) for tab in TABS for group in tab.groups for page in group.pages if user.may(page.privilege)]


def landing_page(user: User) -> str:
    """URL of the page that the user chose to begin with; else of the first one of the menus that the user may see."""
    seen = [page.view for _tab, page in pages_for(user)]
    if user.landing_page in seen:
        return reverse(user.landing_page)
    return reverse(seen[0] if seen else "accounts:no-pages")


def match_of(url: str) -> ResolverMatch | None:
    """The view that an address of ours leads to, below whatever path the console is found; None for any other."""
    try:
        return resolve(f"/{urlsplit(url).path.removeprefix(get_script_prefix()).lstrip('/')}")
    except Resolver404:
        return None


def title_of(url: str) -> str | Promise:
    """Title of the page of the menus that an address belongs to; "" if it belongs to none."""
    match = match_of(url)
    if match is None:
        return ""
    view_name = match.view_name
    pages = (page for tab in TABS for group in tab.groups for page in group.pages)
    return next((page.title for page in pages if view_name.startswith(page.views)), "")
