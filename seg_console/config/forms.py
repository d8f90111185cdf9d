from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

# 40,000 routes are about 5 MB.
LARGEST_FILE_BYTES = 32 * 1024 * 1024


class LoadForm(forms.Form):
    """A configuration document, uploaded or pasted."""

    upload = forms.FileField(label=_("From Local Computer"), required=False)
    pasted = forms.CharField(
        label=_("Paste"),
        required=False,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 12, "class": "code", "spellcheck": "false"}),
        help_text=_("One JSON document, as Download gives it."),
    )

    def clean(self) -> dict[str, Any]:
        upload, pasted = self.cleaned_data.get("upload"), self.cleaned_data.get("pasted", "")
        if "upload" in self.errors:
            return self.cleaned_data
        if bool(upload) == bool(pasted.strip()):
            raise forms.ValidationError(_("Choose a file or paste a document, one of the two."))
        if upload and upload.size > LARGEST_FILE_BYTES:
            self.add_error("upload", _("The file is larger than 32 MB."))
        return self.cleaned_data

    def text(self) -> str:
        """The document as it was given, undecodable bytes replaced. Call it on a valid form."""
        upload = self.cleaned_data["upload"]
        if upload:
            return str(upload.read(), "utf-8-sig", "replace")
        return str(self.cleaned_data["pasted"])
