"""The texts of the online help: every screen has one, in every language, and no link of theirs leads nowhere."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest
from django import forms
from django.conf import settings
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils.translation import override

from policies.forms import AddressListForm, ExplainForm, FindPoliciesForm, MemberForm, PolicyForm
from seg_console.accounts.forms.account_settings import AccountSettingsForm
from seg_console.accounts.forms.change_passphrase import ChangePassphraseForm
from seg_console.accounts.forms.network_access import NetworkAccessForm
from seg_console.accounts.forms.preferences import PreferencesForm
from seg_console.accounts.forms.users import AddUserForm
from seg_console.audit.forms.audit_log import AuditForm
from seg_console.certificates.forms import CertificateForm
from seg_console.config.forms import GeneralSettingsForm, LoadForm, TextFileForm
from seg_console.delivery.forms.bounces import BounceForm
from seg_console.delivery.forms.controls import ControlForm, GlobalSettingsForm
from seg_console.delivery.forms.dns import DnsForm
from seg_console.delivery.forms.routes import RouteForm, RouteHostForm
from seg_console.gateway.forms import (
    FindSendersForm,
    IncomingRelayForm,
    IncomingRelaySettingsForm,
    ListenerForm,
    RecipientAccessForm,
    SenderGroupForm,
)
from seg_console.help.library import FOLDER, IMAGES, VIEW, HelpPage, pages, resolve
from seg_console.help.topics import TOPICS, slug_for
from seg_console.monitor.forms.tracking import TrackingForm
from seg_console.trace.forms.trace import TraceForm
from seg_console.ui.navigation import TABS
from tdc.forms import ChoiceForm, SettingsForm

LANGUAGES = [code for code, _name in settings.LANGUAGES]
SLUGS = [topic.slug for topic in TOPICS]
PICTURES = settings.BASE_DIR / "docs" / "images"
# Pages of the help explain themselves.
SELF_EXPLAINING = "help:"
# Fields whose label only programs read aloud; the page explains them by what is written beside them.
UNSEEN = {"sender_operator", "recipient_operator", "subject_operator", "join", "side", "kept"}
# The forms whose every field a help page promises to explain.
EXPLAINED: list[tuple[str, type[forms.Form]]] = [
    ("message-tracking", TrackingForm),
    ("incoming-mail-policies", FindPoliciesForm),
    ("incoming-mail-policies", ExplainForm),
    ("edit-policy", PolicyForm),
    ("edit-policy", MemberForm),
    ("policy-threat-defense-connector", ChoiceForm),
    ("address-lists", AddressListForm),
    ("listeners", ListenerForm),
    ("certificates", CertificateForm),
    ("hat-overview", FindSendersForm),
    ("hat-overview", SenderGroupForm),
    ("hat-overview", TextFileForm),
    ("recipient-access-table", RecipientAccessForm),
    ("recipient-access-table", TextFileForm),
    ("destination-controls", ControlForm),
    ("destination-controls", GlobalSettingsForm),
    ("destination-controls", TextFileForm),
    ("threat-defense-connector-settings", SettingsForm),
    ("smtp-routes", RouteForm),
    ("smtp-routes", RouteHostForm),
    ("incoming-relays", IncomingRelayForm),
    ("incoming-relays", IncomingRelaySettingsForm),
    ("smtp-routes", TextFileForm),
    ("bounce-profiles", BounceForm),
    ("dns", DnsForm),
    ("configuration-file", LoadForm),
    ("general-settings", GeneralSettingsForm),
    ("users", AddUserForm),
    ("account-settings", AccountSettingsForm),
    ("network-access", NetworkAccessForm),
    ("trace", TraceForm),
    ("audit-log", AuditForm),
    ("change-passphrase", ChangePassphraseForm),
    ("preferences", PreferencesForm),
]


def _view_names(patterns: Iterable[URLPattern | URLResolver], prefix: str = "") -> list[str]:
    names = []
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            space = f"{prefix}{pattern.namespace}:" if pattern.namespace else prefix
            names += _view_names(pattern.url_patterns, space)
        else:
            names.append(f"{prefix}{pattern.name}")
    return names


VIEWS = _view_names(get_resolver().url_patterns)


def _words(page: HelpPage) -> str:
    return "\n".join(f"{section.title}\n{section.text}" for section in page.rendered.sections)


def _texts(language: str) -> list[str]:
    return sorted(path.stem for path in Path(FOLDER / language).glob("*.md"))


def test_every_view_has_a_help_page() -> None:
    assert [name for name in VIEWS if not name.startswith(SELF_EXPLAINING) and not slug_for(name)] == []


def test_every_topic_is_about_a_view_that_exists() -> None:
    starts = [start for topic in TOPICS for start in topic.views]
    assert [start for start in starts if not any(name.startswith(start) for name in VIEWS)] == []


def test_the_longest_beginning_decides() -> None:
    assert slug_for("monitor:delivery-status-export") == "delivery-status"
    assert slug_for("monitor:delivery-status-details") == "delivery-status-details"
    assert slug_for("policies:order") == "policy-order"
    assert slug_for("policies:delete") == "incoming-mail-policies"
    assert slug_for("") == ""


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_every_page_and_no_other(language: str) -> None:
    assert _texts(language) == sorted(SLUGS)


@pytest.mark.parametrize("slug", SLUGS)
def test_the_languages_have_the_same_sections_in_the_same_order(slug: str) -> None:
    anchors = {
        language: [(section.level, section.anchor) for section in pages(language)[slug].rendered.sections]
        for language in LANGUAGES
    }
    assert all(found == anchors["en"] for found in anchors.values()), anchors
    assert all(anchor for level, anchor in anchors["en"] if level == 2), "give the heading an anchor: {#name}"


@pytest.mark.parametrize("slug", SLUGS)
def test_the_languages_link_to_the_same_places(slug: str) -> None:
    english = sorted(pages("en")[slug].rendered.links)
    assert all(sorted(pages(language)[slug].rendered.links) == english for language in LANGUAGES)


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_link_leads_nowhere(language: str) -> None:
    library = pages(language)
    broken = [
        f"{page.slug}: {link}" for page in library.values() for link in page.rendered.links if _is_broken(page, link)
    ]
    assert broken == []


def _is_broken(page: HelpPage, link: str) -> bool:
    if link.startswith(VIEW):
        return not resolve(link)
    if link.startswith(IMAGES):
        return not (PICTURES / link.removeprefix(IMAGES)).is_file()
    name, _mark, anchor = link.partition("#")
    slug = name.removesuffix(".md") or page.slug
    if slug not in SLUGS:
        return True
    return bool(anchor) and anchor not in _anchors(slug)


def _anchors(slug: str) -> set[str]:
    return {section.anchor for section in pages("en")[slug].rendered.sections}


@pytest.mark.parametrize("link", ["https://elsewhere.example/", "/users/", "../users.md", "users"])
def test_a_link_of_another_form_is_refused(link: str) -> None:
    with pytest.raises(ValueError, match="links to"):
        resolve(link)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(("slug", "form"), EXPLAINED)
def test_every_field_is_explained_under_its_label(slug: str, form: type[forms.Form], language: str) -> None:
    words = _words(pages(language)[slug])
    with override(language):
        labels = [str(field.label) for name, field in form.base_fields.items() if name not in UNSEEN]
    assert [label for label in labels if label not in words] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_page_of_the_menus_is_explained_under_its_title(language: str) -> None:
    menu = [page for tab in TABS for group in tab.groups for page in group.pages]
    with override(language):
        titles = {slug_for(page.view): str(page.title) for page in menu}
    assert {slug: pages(language)[slug].title for slug in titles} == titles
