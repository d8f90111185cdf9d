from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django import forms
from django.core.files.uploadedfile import UploadedFile
from django.core.validators import RegexValidator
from django.utils.translation import gettext_lazy as _

from seg_console.certificates import pem
from seg_console.certificates.models import CERTIFICATE_NAME_PATTERN, CERTIFICATE_NAME_RULE, LONGEST_CERTIFICATE_NAME
from seg_console.config.problems import in_words


class PemField(forms.FileField):
    """A PEM file; cleans to its text. Files only: what is typed or pasted would be shown again in a refused form."""

    def clean(self, data: Any, initial: Any = None) -> str:
        found = super().clean(data, initial)
        if not isinstance(found, UploadedFile):
            return ""
        if (found.size or 0) > pem.LONGEST_PEM:
            raise forms.ValidationError(_("The file is larger than 200 KB; no such file is."))
        return str(found.read(), "utf-8-sig", "replace").replace("\r\n", "\n")


class ReplaceCertificateForm(forms.Form):
    """A chain and its key, from files. `now` is a time with its zone."""

    certificate = PemField(
        label=_("Certificate Chain (PEM)"),
        help_text=_("The server's certificate first, then those of the authorities between it and the root."),
    )
    private_key = PemField(
        label=_("Private Key (PEM)"),
        required=False,
        help_text=_("Without a passphrase. May be left out where the first file holds it too."),
    )

    def __init__(self, *args: Any, now: datetime, **options: Any) -> None:
        super().__init__(*args, **options)
        self._now = now

    def clean(self) -> dict[str, Any]:
        cleaned = self.cleaned_data
        if self.errors:
            return cleaned
        if not cleaned["private_key"] and "PRIVATE KEY-----" in cleaned["certificate"]:
            cleaned["private_key"] = cleaned["certificate"]
        if not cleaned["private_key"]:
            self.add_error("private_key", _("Choose the file with the private key."))
            return cleaned
        try:
            cleaned["certificate"] = pem.certificates_alone(cleaned["certificate"])
            pem.check_dates(cleaned["certificate"], self._now)
        except ValueError as error:
            self.add_error("certificate", in_words(error))
            return cleaned
        try:
            cleaned["private_key"] = pem.key_alone(cleaned["private_key"])
            pem.check_pair(cleaned["certificate"], cleaned["private_key"])
        except ValueError as error:
            self.add_error("private_key", in_words(error))
            return cleaned
        try:
            pem.check_taken(cleaned["certificate"], cleaned["private_key"])
        except ValueError as error:
            self.add_error("certificate", in_words(error))
        return cleaned


class CertificateForm(ReplaceCertificateForm):
    """`others`: names of the certificates there are."""

    name = forms.CharField(
        label=_("Certificate Name"),
        max_length=LONGEST_CERTIFICATE_NAME,
        validators=[RegexValidator(rf"\A{CERTIFICATE_NAME_PATTERN}\Z", CERTIFICATE_NAME_RULE)],
        widget=forms.TextInput(attrs={"size": 34}),
    )
    field_order = ("name", "certificate", "private_key")

    def __init__(self, *args: Any, others: Sequence[str], **options: Any) -> None:
        super().__init__(*args, **options)
        self._taken = {name.casefold() for name in others}

    def clean_name(self) -> str:
        name = str(self.cleaned_data["name"])
        if name.casefold() in self._taken:
            raise forms.ValidationError(_("A certificate of this name exists already."))
        return name
