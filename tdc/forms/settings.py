from __future__ import annotations

from typing import Any

from django import forms
from django.core.files.uploadedfile import UploadedFile
from django.utils.translation import gettext_lazy as _

from seg_console.certificates.pem import LONGEST_AUTHORITIES, check_authorities
from seg_console.config.problems import in_words
from tdc.forms.intake_address import checked_intake_address
from tdc.models import MOST_MESSAGES_PER_CONNECTION


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
        max_length=LONGEST_AUTHORITIES,
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
            return check_authorities(self.cleaned_data["ca_certificates"])
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
        if upload.size is None or upload.size > LONGEST_AUTHORITIES:
            self.add_error("ca_upload", _("The file is too large: certificates of authorities take a few kilobytes."))
            return ""
        # What was typed above does not count, so neither does what is wrong with it.
        self.errors.pop("ca_certificates", None)
        text = upload.read().decode("ascii", "replace")
        try:
            checked = check_authorities(text)
        except ValueError as error:
            self.add_error("ca_upload", in_words(error))
            return ""
        if not checked:
            self.add_error("ca_upload", _("The file holds no certificate."))
        return checked
