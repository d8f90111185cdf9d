from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from django import forms
from django.core.files.uploadedfile import UploadedFile
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

from seg_console.config.problems import in_words
from seg_console.mail.addresses import AddressError, check_address
from seg_console.ui.choices import choice_field
from tdc.document import LONGEST_PEM, check_certificates
from tdc.models import MOST_MESSAGES_PER_CONNECTION, Mode

# An @ on both sides of a separator.
_SEVERAL = re.compile(r"@[^,;\s]*[,;\s]+[^,;\s]*@")


def checked_intake_address(text: str) -> str:
    """An intake address as it is stored. Syntax only, as the original does. Raises ValidationError with the reason."""
    try:
        return check_address(text.strip())
    except AddressError as error:
        raise forms.ValidationError(_refusal(text, error)) from error


def _refusal(text: str, error: AddressError) -> str:
    if "<" in text or ">" in text:
        return _now("Write the address alone, without a name and angle brackets: id@intake.example.")
    if _SEVERAL.search(text):
        return _now("Give exactly one address: there are several here.")
    return in_words(error)


class FocusOnChosen(forms.RadioSelect):
    """Radio buttons of which the chosen one takes the focus: a form may hold `autofocus` once."""

    def create_option(self, name: str, value: Any, label: Any, selected: bool, *args: Any, **options: Any) -> Any:
        option = super().create_option(name, value, label, selected, *args, **options)
        if selected:
            option["attrs"]["autofocus"] = True
        return option


class ChoiceForm(forms.Form):
    """Where the copies of one policy's clean mail go (seg-webui 3.9). `initial` is the present choice, also of a form
    with data."""

    mode = forms.ChoiceField(label=_("Threat Defense Connector"), choices=Mode.choices, widget=FocusOnChosen)
    address = forms.CharField(
        label=_("Custom Message Intake Address"),
        max_length=320,
        required=False,
        # The placeholder is blank: it lets the style sheet tell a field with something in it from an empty one.
        widget=forms.TextInput(attrs={"size": 44, "autocapitalize": "off", "spellcheck": "false", "placeholder": " "}),
        help_text=_("For Custom: the account that gets this policy's copies. Only the syntax is checked."),
    )

    def __init__(self, *args: Any, is_default_policy: bool, **options: Any) -> None:
        super().__init__(*args, **options)
        # The Default Policy has nothing to inherit.
        choice_field(self, "mode").choices = [
            choice for choice in Mode.choices if not (is_default_policy and choice[0] == Mode.USE_DEFAULT)
        ]

    def clean(self) -> dict[str, Any]:
        cleaned = self.cleaned_data
        if cleaned.get("mode") != Mode.CUSTOM:
            typed = cleaned.get("address", "").strip()
            # The address of the choice that is given up stands there still; it is told that it goes.
            if "mode" in cleaned and typed and typed != self.initial.get("address"):
                self.add_error(
                    "address",
                    _("The address counts only with Custom Message Intake Address: choose that, or empty the field."),
                )
            cleaned["address"] = ""
            return cleaned
        if not cleaned.get("address", "").strip():
            self.add_error("address", _("Enter the message intake address, for example id@intake.example."))
            return cleaned
        try:
            cleaned["address"] = checked_intake_address(cleaned["address"])
        except forms.ValidationError as error:
            self.add_error("address", error)
        return cleaned


class SeveralForm(ChoiceForm):
    """One choice for several policies; `has_default_policy`: the Default Policy is one of them."""

    def __init__(self, *args: Any, has_default_policy: bool = False, **options: Any) -> None:
        super().__init__(*args, is_default_policy=False, **options)
        self._has_default_policy = has_default_policy

    def clean_mode(self) -> str:
        mode = str(self.cleaned_data["mode"])
        if mode == Mode.USE_DEFAULT and self._has_default_policy:
            raise forms.ValidationError(
                _("The Default Policy has nothing to inherit: untick it, or make another choice.")
            )
        return mode


class SettingsForm(forms.Form):
    """Security Services > Threat Defense Connector Settings (seg-webui 4.2)."""

    enabled = forms.BooleanField(label=_("Enable Threat Defense Connector"), required=False)
    message_intake_address = forms.CharField(
        label=_("Message Intake Address"),
        max_length=320,
        required=False,
        widget=forms.TextInput(attrs={"class": "long", "autocapitalize": "off", "spellcheck": "false"}),
        help_text=_("As the Threat Defense portal shows it, for example 33c48e-27xp9@intake.example."),
    )
    verify_certificate = forms.BooleanField(
        label=_("Verify Intake Certificate"),
        required=False,
        help_text=_(
            "TLS 1.2 or newer is always required. With this on, the certificate must be valid for the host too."
        ),
    )
    ca_certificates = forms.CharField(
        label=_("Own Certificate Authorities (PEM)"),
        required=False,
        max_length=LONGEST_PEM,
        widget=forms.Textarea(attrs={"rows": 6, "class": "code", "spellcheck": "false"}),
        help_text=_("Trusted for the intake besides the system's own. Empty: the system's alone."),
    )
    ca_upload = forms.FileField(
        label=_("Upload Certificate Authorities"),
        required=False,
        help_text=_("A PEM file; it takes the place of the text above."),
    )
    messages_per_connection = forms.IntegerField(
        label=_("Maximum Messages Per Connection"), min_value=1, max_value=MOST_MESSAGES_PER_CONNECTION
    )
    add_sender_ip_header = forms.BooleanField(
        label=_("Add Sender IP Header"),
        required=False,
        help_text=_("Writes X-IronPort-RemoteIP and X-IronPort-MID above each accepted message."),
    )

    def clean_message_intake_address(self) -> str:
        text = self.cleaned_data["message_intake_address"]
        return checked_intake_address(text) if text.strip() else ""

    def clean_ca_certificates(self) -> str:
        try:
            return check_certificates(self.cleaned_data["ca_certificates"])
        except ValueError as error:
            raise forms.ValidationError(in_words(error)) from error

    def clean(self) -> dict[str, Any]:
        cleaned = self.cleaned_data
        upload = cleaned.get("ca_upload")
        if upload:
            cleaned["ca_certificates"] = self._uploaded(upload)
        if cleaned.get("enabled") and not cleaned.get("message_intake_address", "bad"):
            self.add_error("message_intake_address", _("An enabled connector needs a message intake address."))
        return cleaned

    def _uploaded(self, upload: UploadedFile[bytes]) -> str:
        """The certificates of a file, which then stand in the text too."""
        if upload.size is None or upload.size > LONGEST_PEM:
            self.add_error("ca_upload", _("The file is too large: certificates of authorities take a few kilobytes."))
            return ""
        # What was typed above does not count, so neither does what is wrong with it.
        self.errors.pop("ca_certificates", None)
        text = upload.read().decode("ascii", "replace")
        try:
            checked = check_certificates(text)
        except ValueError as error:
            self.add_error("ca_upload", in_words(error))
            return ""
        if not checked:
            self.add_error("ca_upload", _("The file holds no certificate."))
        return checked


class ConnectionTestForm(forms.Form):
    """Which intake to try. `addresses`: those that the settings and the policies name, the default one first."""

    address = forms.ChoiceField(
        label=_("Message Intake Address"),
        error_messages={"invalid_choice": _("Choose one of the addresses that the settings or a policy name.")},
    )
    send_copy = forms.BooleanField(
        label=_("Send a Test Copy"),
        required=False,
        help_text=_("One message that says it is a test arrives at the intake. Without it nothing is sent after RCPT."),
    )

    def __init__(self, *args: Any, addresses: Sequence[str], **options: Any) -> None:
        super().__init__(*args, **options)
        self.has_addresses = bool(addresses)
        choice_field(self, "address").choices = [(address, address) for address in addresses]
