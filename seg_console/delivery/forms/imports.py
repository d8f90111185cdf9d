from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

# 40,000 routes are about 2 MB.
LARGEST_FILE_BYTES = 16 * 1024 * 1024
LONGEST_PASTE = 500_000


class ImportForm(forms.Form):
    """A table as a file, uploaded or pasted."""

    upload = forms.FileField(label=_("From Local Computer"), required=False)
    pasted = forms.CharField(
        label=_("Paste"),
        required=False,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 12, "class": "code", "spellcheck": "false"}),
    )

    def clean(self) -> dict[str, Any]:
        upload, pasted = self.cleaned_data.get("upload"), self.cleaned_data.get("pasted", "")
        if self.errors:
            return self.cleaned_data
        if bool(upload) == bool(pasted.strip()):
            raise forms.ValidationError(_("Choose a file or paste its lines, one of the two."))
        if upload and upload.size > LARGEST_FILE_BYTES:
            self.add_error("upload", _("The file is larger than 16 MB; this table never is."))
        if len(pasted) > LONGEST_PASTE:
            self.add_error("pasted", _("The text is longer than 500,000 characters; import it as a file."))
        return self.cleaned_data

    def text(self) -> str:
        """The file as it was given, undecodable bytes replaced. Call it on a valid form."""
        upload = self.cleaned_data["upload"]
        if upload:
            # NUL is in no table, and not every database keeps it in a text.
            return str(upload.read(), "utf-8-sig", "replace").replace("\0", "\ufffd")
        return str(self.cleaned_data["pasted"]).removeprefix("\ufeff")
