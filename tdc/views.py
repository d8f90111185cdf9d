"""The connector in the browser: its settings, and each policy's choice as a cell, a form in the cell and a page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.text import get_text_list
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_safe

from policies.matching import DEFAULT_POLICY_UID
from policies.models import IncomingMailPolicy, PolicyMember, RecipientMatch
from seg_console.accounts.roles import Privilege
from seg_console.config import pending
from seg_console.config.models import Configuration
from seg_console.delivery.models import HostStatus
from seg_console.delivery.status import details
from seg_console.mail.addresses import readable
from seg_console.ui.access import requires
from seg_console.ui.partials import wants_partial
from seg_console.ui.requests import ConsoleRequest
from seg_console.ui.submitting import editing, submitted
from tdc.certificates import from_pem
from tdc.document import CONNECTOR
from tdc.forms import ChoiceForm, SettingsForm, SeveralForm
from tdc.kind import QUEUE_NAME
from tdc.models import ConnectorSettings, Mode, PolicyChoice

DEFAULT_UID = UUID(DEFAULT_POLICY_UID)
SETTINGS_FIELDS = (
    "enabled",
    "message_intake_address",
    "verify_certificate",
    "ca_certificates",
    "messages_per_connection",
    "add_sender_ip_header",
)


@dataclass(frozen=True, slots=True)
class Choices:
    """What a set says of the connector: its settings, and the choice of each policy that has one."""

    settings: ConnectorSettings
    by_policy: Mapping[UUID, PolicyChoice]

    @classmethod
    def of(cls, configuration: Configuration) -> Choices:
        """Two queries."""
        rows = PolicyChoice.objects.filter(configuration=configuration)
        return cls(connector_settings(configuration), {row.policy_uid: row for row in rows})

    def said(self, policy_uid: UUID) -> tuple[str, str]:
        """Mode and address of a policy; one without a row inherits."""
        row = self.by_policy.get(policy_uid)
        if row is None:
            return (Mode.NO_SCAN if policy_uid == DEFAULT_UID else Mode.USE_DEFAULT), ""
        return row.mode, row.address


@dataclass(frozen=True, slots=True)
class ChoiceCell:
    """One policy's cell: one click target in one of four states (seg-webui 3.3), plus whether it is pending."""

    uid: UUID
    policy_name: str
    state: str
    text: str
    detail: str
    url: str
    opens_in_place: bool
    is_pending: bool

    @property
    def label(self) -> str:
        return _("Threat Defense Connector of %(name)s") % {"name": self.policy_name}

    @property
    def shows_address(self) -> bool:
        return "@" in self.detail


def connector_settings(configuration: Configuration) -> ConnectorSettings:
    found = ConnectorSettings.objects.filter(configuration=configuration).first()
    return found or ConnectorSettings(uid=CONNECTOR.fixed_uid)


def choice_cell(
    policy_uid: UUID, policy_name: str, shown: Choices, committed: Choices | None, *, may_change: bool
) -> ChoiceCell:
    """`committed`: what the shown set began from, None where nothing is pending."""
    mode, address = shown.said(policy_uid)
    available = shown.settings.enabled
    state, text, detail = _words(mode, address) if available else ("unavailable", _("Not Available"), "")
    form_url = _choice_url_pattern().replace(DEFAULT_POLICY_UID, str(policy_uid)) if may_change else ""
    return ChoiceCell(
        uid=policy_uid,
        policy_name=policy_name,
        state=state,
        text=text,
        detail=detail,
        url=form_url if available else reverse("tdc:settings"),
        opens_in_place=bool(available and form_url),
        is_pending=committed is not None and committed.said(policy_uid) != (mode, address),
    )


@cache
def _choice_url_pattern() -> str:
    """The URL of the Default Policy's choice, of which those of a long table's cells are made."""
    return reverse("tdc:policy-choice", args=[DEFAULT_UID])


def _words(mode: str, address: str) -> tuple[str, str, str]:
    if mode == Mode.USE_DEFAULT:
        return "inherited", _("(use default)"), ""
    if mode == Mode.NO_SCAN:
        return "off", _("Disabled"), ""
    return "on", _("Enabled"), address if mode == Mode.CUSTOM else _("Default address")


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Privilege.CHANGE_CONFIGURATION)
def policy_choice(request: ConsoleRequest, uid: UUID) -> HttpResponse:
    """The choice of one policy: as a page, or for htmx in the table's cell."""
    shown = pending.shown_to(request.user)
    name = _policy_name(shown, uid)
    choices = Choices.of(shown)
    if wants_partial(request) and "cancel" in request.GET:
        return _cell(request, uid, name, "tdc/cell.html")
    mode, address = choices.said(uid)
    editing(request, PolicyChoice.build(uid, mode=mode, address=address))
    form = _choice_form(request, uid, choices)
    if request.method != "POST":
        return _choice_page(request, form, uid=uid, name=name, choices=choices)
    if not form.is_valid():
        return _choice_page(request, form, uid=uid, name=name, choices=choices, status=422)
    mode, address = form.cleaned_data["mode"], form.cleaned_data["address"]
    success = _("The Threat Defense Connector of policy “%(name)s” was changed.") % {"name": name}
    if not submitted(request, form, PolicyChoice.build(uid, mode=mode, address=address), success=success):
        return _choice_page(request, form, uid=uid, name=name, choices=choices, status=422)
    if mode == Mode.CUSTOM and matches_every_recipient(shown, uid):
        messages.warning(request, _warning([name], address))
    given_up = choices.said(uid)[1]
    if given_up and not address:
        sentence = _("The custom address %(address)s went with the choice that it belonged to.")
        messages.info(request, sentence % {"address": readable(given_up)})
    if wants_partial(request):
        return _cell(request, uid, name, "tdc/cell_saved.html")
    return redirect("policies:list")


def matches_every_recipient(configuration: Configuration, uid: UUID) -> bool:
    return bool(every_recipient(configuration, [uid]))


def every_recipient(configuration: Configuration, uids: Sequence[UUID]) -> list[UUID]:
    """Those policies of which some row of users takes any recipient; the Default Policy always does. One query."""
    members = PolicyMember.objects.filter(
        configuration=configuration, recipient_match=RecipientMatch.ANY, recipient_except=[]
    )
    found = {DEFAULT_UID, *members.values_list("policy_uid", flat=True)}
    return [uid for uid in uids if uid in found]


def _warning(names: Sequence[str], address: str) -> str:
    sentence = ngettext(
        "Policy %(names)s matches every recipient: its copies go to %(address)s whatever the domain. "
        "Check that its conditions catch the domains that belong to that account.",
        "Policies %(names)s match every recipient: their copies go to %(address)s whatever the domain. "
        "Check that their conditions catch the domains that belong to that account.",
        len(names),
    )
    quoted = [_("“%(name)s”") % {"name": name} for name in names]
    return sentence % {"names": get_text_list(quoted, _("and")), "address": readable(address)}


@dataclass(frozen=True, slots=True)
class Tickable:
    """One policy on the page that changes several: what it has now, and whether it is ticked."""

    uid: UUID
    name: str
    text: str
    detail: str
    is_ticked: bool


@dataclass(frozen=True, slots=True)
class Previewed:
    """What the change of several policies makes of one of them."""

    name: str
    old: str
    new: str
    is_changed: bool


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Privilege.CHANGE_CONFIGURATION)
def change_policies(request: ConsoleRequest) -> HttpResponse:
    """One choice for several policies: tick them, choose, look at what changes, submit it all at once."""
    shown = pending.shown_to(request.user)
    names = _policy_names(shown)
    choices = Choices.of(shown)
    ticked = [uid for uid in names if str(uid) in set(request.POST.getlist("policy"))]
    if request.method != "POST":
        return _tick_page(request, SeveralForm(), names, choices, ticked)
    if "choose" in request.POST:  # from the policies table, with ticks and nothing chosen yet
        form = SeveralForm()
        if ticked:
            return _tick_page(request, form, names, choices, ticked)
        return _tick_page(request, form, names, choices, ticked, refusal=_nothing_ticked(), status=422)
    form = SeveralForm(request.POST, has_default_policy=DEFAULT_UID in ticked)
    if not form.is_valid() or not ticked:
        refusal = "" if ticked else _nothing_ticked()
        return _tick_page(request, form, names, choices, ticked, refusal=refusal, status=422)
    if "change" in request.POST:
        return _tick_page(request, form, names, choices, ticked)
    mode, address = form.cleaned_data["mode"], form.cleaned_data["address"]
    changed = [uid for uid in ticked if choices.said(uid) != (mode, address)]
    if "submit" not in request.POST:
        return _preview_page(request, form, names, choices, ticked)
    if not changed:
        messages.info(request, _("The ticked policies have this choice already; nothing was changed."))
        return redirect("policies:list")
    success = ngettext(
        "The Threat Defense Connector of %(n)d policy was changed.",
        "The Threat Defense Connector of %(n)d policies was changed.",
        len(changed),
    )
    rows = [PolicyChoice.build(uid, mode=mode, address=address) for uid in changed]
    if not submitted(request, form, *rows, success=success % {"n": len(changed)}):
        return _tick_page(request, form, names, choices, ticked, status=422)
    wide = [names[uid] for uid in every_recipient(shown, changed)] if mode == Mode.CUSTOM else []
    if wide:
        messages.warning(request, _warning(wide, address))
    return redirect("policies:list")


@require_safe
@requires(Privilege.VIEW_CONFIGURATION)
def settings_page(request: ConsoleRequest) -> HttpResponse:
    shown = pending.shown_to(request.user)
    choices = Choices.of(shown)
    usage = [_use(choices, uid, name) for uid, name in _policy_names(shown).items()]
    now = timezone.now()
    context = {
        "connector": choices.settings,
        "authorities": [(one, one.is_valid(now)) for one in from_pem(choices.settings.ca_certificates)],
        "usage": usage,
        "counts": Counter(use.goes for use in usage),
        "queue": queue_line(),
    }
    return render(request, "tdc/settings.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Privilege.CHANGE_CONFIGURATION)
def edit_settings(request: ConsoleRequest) -> HttpResponse:
    present = connector_settings(pending.shown_to(request.user))
    editing(request, present)
    if request.method != "POST":
        initial = {name: getattr(present, name) for name in SETTINGS_FIELDS}
        # Whoever comes by “Enable…” means to enable it.
        initial["enabled"] = present.enabled or "enable" in request.GET
        return render(request, "tdc/edit_settings.html", {"form": SettingsForm(initial=initial)})
    form = SettingsForm(request.POST, request.FILES)
    if form.is_valid():
        row = ConnectorSettings(uid=CONNECTOR.fixed_uid, **{name: form.cleaned_data[name] for name in SETTINGS_FIELDS})
        if submitted(request, form, row, success=_("The Threat Defense Connector settings were changed.")):
            return redirect("tdc:settings")
    return render(request, "tdc/edit_settings.html", {"form": form}, status=422)


def _nothing_ticked() -> str:
    return _("No policy is ticked. Tick those to change, then go on.")


def _tick_page(
    request: ConsoleRequest,
    form: SeveralForm,
    names: Mapping[UUID, str],
    choices: Choices,
    ticked: Sequence[UUID],
    *,
    refusal: str = "",
    status: int = 200,
) -> HttpResponse:
    rows = []
    for uid, name in names.items():
        _state, text, detail = _words(*choices.said(uid))
        rows.append(Tickable(uid, name, text, detail, uid in ticked))
    context = _of_service(choices) | {"form": form, "rows": rows, "refusal": refusal}
    return render(request, "tdc/change_policies.html", context, status=status)


def _preview_page(
    request: ConsoleRequest, form: SeveralForm, names: Mapping[UUID, str], choices: Choices, ticked: Sequence[UUID]
) -> HttpResponse:
    new = (form.cleaned_data["mode"], form.cleaned_data["address"])
    rows = [
        Previewed(names[uid], _sentence(choices.said(uid)), _sentence(new), choices.said(uid) != new) for uid in ticked
    ]
    context = {
        "form": form,
        "rows": rows,
        "ticked": ticked,
        "count": sum(row.is_changed for row in rows),
    }
    return render(request, "tdc/change_policies_preview.html", context)


def _sentence(said: tuple[str, str]) -> str:
    """A choice on one line: `Enabled, id@intake.example`."""
    _state, text, detail = _words(*said)
    return f"{text}, {readable(detail)}" if detail else text


def _policy_names(configuration: Configuration) -> dict[UUID, str]:
    """All policies in their order, the Default Policy last. One query."""
    rows = IncomingMailPolicy.objects.filter(configuration=configuration).order_by("position", "uid")
    return dict(rows.values_list("uid", "name")) | {DEFAULT_UID: _("Default Policy")}


def _of_service(choices: Choices) -> dict[str, Any]:
    """What a page with a choice says of the service itself."""
    return {
        "service_enabled": choices.settings.enabled,
        "default_address": choices.settings.message_intake_address,
        "inherited": _sentence(choices.said(DEFAULT_UID)),
    }


def _policy_name(configuration: Configuration, uid: UUID) -> str:
    if uid == DEFAULT_UID:
        return _("Default Policy")
    found = IncomingMailPolicy.objects.filter(configuration=configuration, uid=uid).values_list("name", flat=True)
    name = found.first()
    if name is None:
        raise Http404
    return name


def _choice_form(request: ConsoleRequest, uid: UUID, choices: Choices) -> ChoiceForm:
    mode, address = choices.said(uid)
    # Several cells may be open at once: their controls need ids of their own.
    auto_id = f"id_{uid}_%s"
    data = request.POST if request.method == "POST" else None
    present = {"mode": mode, "address": address}
    return ChoiceForm(data, initial=present, auto_id=auto_id, is_default_policy=uid == DEFAULT_UID)


def _choice_page(
    request: ConsoleRequest, form: ChoiceForm, *, uid: UUID, name: str, choices: Choices, status: int = 200
) -> HttpResponse:
    context: dict[str, Any] = {
        "form": form,
        "uid": uid,
        "policy_name": name,
        "form_url": reverse("tdc:policy-choice", args=[uid]),
        "copies_to": _use(choices, uid, name).address,
        **_of_service(choices),
    }
    template = "tdc/policy_choice.html"
    response = render(request, f"{template}#cell-form" if wants_partial(request) else template, context, status=status)
    response["Vary"] = "HX-Request"
    return response


def _cell(request: ConsoleRequest, uid: UUID, name: str, template: str) -> HttpResponse:
    shown = pending.shown_to(request.user)
    began = Choices.of(shown.based_on) if shown.number is None and shown.based_on else None
    cell = choice_cell(uid, name, Choices.of(shown), began, may_change=True)
    return render(request, template, {"choice": cell, "take_focus": True})


@dataclass(frozen=True, slots=True)
class Use:
    """Where the copies of one policy's mail go while the service is on, and why. `goes`: default, custom, none."""

    policy_name: str
    goes: str
    address: str
    inherits: bool


def _use(choices: Choices, uid: UUID, name: str) -> Use:
    mode, address = choices.said(uid)
    inherits = mode == Mode.USE_DEFAULT
    if inherits:
        mode, address = choices.said(DEFAULT_UID)
    if not choices.settings.enabled or mode == Mode.NO_SCAN:
        return Use(name, "none", "", inherits)
    if mode == Mode.CUSTOM:
        return Use(name, "custom", address, inherits)
    return Use(name, "default", choices.settings.message_intake_address, inherits)


@dataclass(frozen=True, slots=True)
class QueueLine:
    """The copies' queue as Delivery Status has it: its state as the last attempt found it, and how much waits and
    went. `unconfirmed` copies were given up and may have arrived; `dropped` are the others."""

    name: str
    state_class: str
    state_word: str
    last_attempt_at: datetime | None
    waiting: int
    delivered: int
    dropped: int
    unconfirmed: int


def queue_line() -> QueueLine:
    """Two queries."""
    found = details(QUEUE_NAME)
    assert found is not None, "the connector's queue is always listed"
    words = {
        HostStatus.Status.UP: ("good", _("Up")),
        HostStatus.Status.DOWN: ("bad", _("Down")),
        HostStatus.Status.UNKNOWN: ("idle", _("Unknown")),
    }
    state_class, word = words[found.row.status]
    return QueueLine(
        name=QUEUE_NAME,
        state_class=state_class,
        state_word=word,
        last_attempt_at=max((host.last_attempt_at for host in found.hosts if host.last_attempt_at), default=None),
        waiting=found.row.active_recipients,
        delivered=found.row.delivered_recipients,
        dropped=found.row.hard_bounced_recipients - found.row.unconfirmed_recipients,
        unconfirmed=found.row.unconfirmed_recipients,
    )
