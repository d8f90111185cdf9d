from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.core.files.uploadedfile import UploadedFile
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from seg_console.config.checks import NotUtf8, utf8_text

MEGABYTE = 1024 * 1024
# More than a text area takes without trouble, and less than the server takes in a field.
LONGEST_PASTE = 500_000


class TextFileForm(forms.Form):
    """A text file, uploaded or pasted: a table in the format of its own export, or a configuration."""

    largest_bytes: ClassVar[int] = 16 * MEGABYTE

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
            raise forms.ValidationError(_("Choose a file or paste its text, one of the two."))
        if len(pasted) > LONGEST_PASTE:
            self.add_error("pasted", _("The text is longer than 500,000 characters; give it as a file."))
        self._text = self._uploaded(upload) if upload else str(pasted).removeprefix("\ufeff")
        return self.cleaned_data

    def text(self) -> str:
        """The text as it was given, without a byte order mark. Call it on a valid form."""
        return self._text

    def _uploaded(self, upload: UploadedFile[Any]) -> str:
        if (upload.size or 0) > self.largest_bytes:
            words = gettext("The file is larger than %(megabytes)s MB.")
            self.add_error("upload", words % {"megabytes": self.largest_bytes // MEGABYTE})
            return ""
        try:
            return utf8_text(upload.read())
        except NotUtf8 as error:
            self.add_error("upload", gettext("The file is not UTF-8 text (line %(line)s).") % {"line": error.line})
            return ""


class LoadForm(TextFileForm):
    """A configuration document, uploaded or pasted."""

    # 40,000 routes are about 5 MB.
    largest_bytes = 32 * MEGABYTE

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["pasted"].help_text = _("One JSON document, as Download gives it.")
