from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

from seg_console.delivery.models import (
    ALL,
    DEFAULT_PROFILE,
    LONGEST_DOMAIN,
    MOST_CONNECTIONS,
    MOST_MESSAGES_PER_CONNECTION,
    MOST_MINUTES,
    MOST_RECIPIENTS,
    MOST_RECIPIENTS_PER_TRANSACTION,
    ConversionSupport,
    DestinationControl,
    IpSupport,
    TlsSupport,
)
from seg_console.delivery.running import Control
from seg_console.ui.choices import choice_field

USE_DEFAULT, NO_LIMIT, LIMITED = "default", "none", "limited"


def use_default(value: object) -> str:
    """`Default (50)`: a value that is followed, not set."""
    return _now("Default (%(value)s)") % {"value": value}


def recipients_in_words(most: int, minutes: int) -> str:
    if not most:
        return _now("No Limit")
    return _now("%(recipients)s per %(minutes)s min") % {"recipients": most, "minutes": minutes}


def profile_in_words(name: str) -> str:
    """A profile as a destination names it."""
    return _now("Default profile") if name.casefold() == DEFAULT_PROFILE.casefold() else name


class ControlForm(forms.Form):
    """One row of Destination Controls (seg-webui 8.1). `default`: what holds where the row says nothing; for the
    default row itself (`is_default`) the built-in values, and it has nothing else to follow."""

    domain = forms.CharField(
        label=_("Destination"),
        max_length=LONGEST_DOMAIN,
        widget=forms.TextInput(attrs={"size": 44, "autocapitalize": "off", "spellcheck": "false"}),
        help_text=_("corp.example, or .corp.example for every sub-domain."),
    )
    ip_preference = forms.ChoiceField(
        label=_("IP Address Preference"),
        help_text=_("Of hosts that are known by name. Required: the other addresses are never tried."),
    )
    max_connections = forms.IntegerField(
        label=_("Concurrent Connections"), min_value=1, max_value=MOST_CONNECTIONS, required=False
    )
    max_messages_per_connection = forms.IntegerField(
        label=_("Maximum Messages Per Connection"),
        min_value=1,
        max_value=MOST_MESSAGES_PER_CONNECTION,
        required=False,
    )
    max_recipients_per_transaction = forms.IntegerField(
        label=_("Recipients Per Transaction"),
        min_value=1,
        max_value=MOST_RECIPIENTS_PER_TRANSACTION,
        required=False,
    )
    recipients = forms.ChoiceField(label=_("Recipients"), widget=forms.RadioSelect)
    max_recipients = forms.IntegerField(
        label=_("Maximum Recipients"), min_value=1, max_value=MOST_RECIPIENTS, required=False
    )
    recipients_minutes = forms.IntegerField(
        label=_("Minutes"), min_value=1, max_value=MOST_MINUTES, initial=60, required=False
    )
    tls = forms.ChoiceField(label=_("TLS Support"))
    conversion = forms.ChoiceField(
        label=_("Conversion"),
        help_text=_("What becomes of mail with 8-bit content at a server that does not offer 8BITMIME."),
    )
    bounce_profile = forms.ChoiceField(label=_("Bounce Profile"), required=False)

    def __init__(
        self, *args: Any, default: Control, profiles: Sequence[str], is_default: bool = False, **options: Any
    ) -> None:
        super().__init__(*args, **options)
        self.is_default = is_default
        if is_default:
            del self.fields["domain"]
        fields: dict[str, Any] = self.fields
        ip, tls = IpSupport(default.ip_preference), TlsSupport(default.tls)
        limit = recipients_in_words(default.max_recipients, default.recipients_minutes)
        fields["ip_preference"].choices = self._choices(IpSupport.choices, str(ip.label))
        fields["tls"].choices = self._choices(TlsSupport.choices, str(tls.label))
        conversion = ConversionSupport(default.conversion)
        fields["conversion"].choices = self._choices(ConversionSupport.choices, str(conversion.label))
        limits = [(USE_DEFAULT, ""), (NO_LIMIT, _now("No Limit")), (LIMITED, _now("Maximum:"))]
        fields["recipients"].choices = self._choices(limits, limit)
        named = [(DEFAULT_PROFILE, profile_in_words(DEFAULT_PROFILE)), *((name, name) for name in profiles)]
        followed = [] if is_default else [("", use_default(profile_in_words(default.bounce_profile)))]
        fields["bounce_profile"].choices = followed + named
        for name, most in (
            ("max_connections", MOST_CONNECTIONS),
            ("max_messages_per_connection", MOST_MESSAGES_PER_CONNECTION),
            ("max_recipients_per_transaction", MOST_RECIPIENTS_PER_TRANSACTION),
        ):
            self._explain(name, getattr(default, name), most)

    def _choices(self, choices: Sequence[tuple[str, Any]], default: str) -> list[tuple[str, Any]]:
        if self.is_default:
            return [choice for choice in choices if choice[0] != USE_DEFAULT]
        return [(value, use_default(default) if value == USE_DEFAULT else label) for value, label in choices]

    def _explain(self, name: str, default: int, most: int) -> None:
        field = self.fields[name]
        if self.is_default:
            field.required = True
            field.help_text = _now("1 to %(most)s.") % {"most": most}
            return
        followed = use_default(default)
        field.widget.attrs["placeholder"] = followed
        field.help_text = _now("1 to %(most)s. Empty: %(default)s.") % {"most": most, "default": followed}

    def clean(self) -> dict[str, Any]:
        cleaned = self.cleaned_data
        if cleaned.get("recipients") != LIMITED:
            # What stands in the fields of an option that is not chosen means nothing.
            for name in ("max_recipients", "recipients_minutes"):
                self.errors.pop(name, None)
            return cleaned
        for name in ("max_recipients", "recipients_minutes"):
            if cleaned.get(name) is None and name not in self.errors:
                self.add_error(name, _("Enter a number."))
        return cleaned

    def clean_domain(self) -> str:
        domain = str(self.cleaned_data["domain"])
        if domain.upper() == ALL:
            raise forms.ValidationError(_("The default row is in the table already; edit that one."))
        return domain

    def plain(self) -> dict[str, Any]:
        """The row as the configuration document has it. Call it on a valid form."""
        cleaned = self.cleaned_data
        limited = cleaned["recipients"] == LIMITED
        return {
            "domain": ALL if self.is_default else cleaned["domain"],
            "ip_preference": cleaned["ip_preference"],
            "max_connections": cleaned["max_connections"],
            "max_messages_per_connection": cleaned["max_messages_per_connection"],
            "max_recipients_per_transaction": cleaned["max_recipients_per_transaction"],
            "max_recipients": cleaned["max_recipients"]
            if limited
            else 0
            if cleaned["recipients"] == NO_LIMIT
            else None,
            "recipients_minutes": cleaned["recipients_minutes"] if limited else 60,
            "tls": cleaned["tls"],
            "conversion": cleaned["conversion"],
            "bounce_profile": cleaned["bounce_profile"],
        }


def initial_of(row: DestinationControl | None) -> dict[str, Any]:
    """The form's first values; without a row those of a new one."""
    if row is None:
        return {"recipients": USE_DEFAULT, "recipients_minutes": 60}
    limit = USE_DEFAULT if row.max_recipients is None else LIMITED if row.max_recipients else NO_LIMIT
    return {
        "domain": row.domain,
        "ip_preference": row.ip_preference,
        "max_connections": row.max_connections,
        "max_messages_per_connection": row.max_messages_per_connection,
        "max_recipients_per_transaction": row.max_recipients_per_transaction,
        "recipients": limit,
        "max_recipients": row.max_recipients or None,
        "recipients_minutes": row.recipients_minutes,
        "tls": row.tls,
        "conversion": row.conversion,
        "bounce_profile": row.bounce_profile,
    }


class GlobalSettingsForm(forms.Form):
    """What holds for all deliveries (seg-webui 8.1). `certificates`: the names there are to choose from."""

    certificate = forms.ChoiceField(
        label=_("Certificate"),
        required=False,
        help_text=_(
            "For every delivery over TLS, the connector's copies too: shown to servers that ask for a certificate."
        ),
    )

    def __init__(self, *args: Any, certificates: Sequence[str], **options: Any) -> None:
        super().__init__(*args, **options)
        choices = [("", _("None")), *((name, name) for name in certificates)]
        choice_field(self, "certificate").choices = choices


def initial_of_default(present: Control) -> dict[str, Any]:
    """The default row says what holds, also where it leaves something to the built-in values."""
    return {
        "ip_preference": str(present.ip_preference),
        "max_connections": present.max_connections,
        "max_messages_per_connection": present.max_messages_per_connection,
        "max_recipients_per_transaction": present.max_recipients_per_transaction,
        "recipients": LIMITED if present.max_recipients else NO_LIMIT,
        "max_recipients": present.max_recipients or None,
        "recipients_minutes": present.recipients_minutes,
        "tls": str(present.tls.value),
        "conversion": str(present.conversion),
        "bounce_profile": present.bounce_profile,
    }
