from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.core.files.uploadedfile import UploadedFile
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from seg_console.config.checks import LONGEST_COMMENT, NotUtf8, check_comment, utf8_text
from seg_console.config.problems import in_words

MEGABYTE = 1024 * 1024
COMMENT_REQUIRED = _("Say why: General Settings ask for a comment with every commit.")
# What the database's type for it holds.
MOST_NUMBER = 2_147_483_647
# More than a text area takes without trouble, and less than the server takes in a field.
LONGEST_PASTE = 500_000


class CommitForm(forms.Form):
    """What an administrator says of the changes that go live (seg-webui 2.5)."""

    # The attribute is a courtesy of the browser, which counts a line end as one; the check below is the limit.
    comment = forms.CharField(widget=forms.Textarea(attrs={"rows": 3, "maxlength": LONGEST_COMMENT}))

    def __init__(self, *args: Any, comment_required: bool, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["comment"].label = _("Comment") if comment_required else _("Comment (optional)")
        self.fields["comment"].required = comment_required
        self.fields["comment"].error_messages["required"] = COMMENT_REQUIRED

    def clean_comment(self) -> str:
        try:
            return check_comment(self.cleaned_data["comment"])
        except ValueError as error:
            raise forms.ValidationError(in_words(error)) from error

    def refuse_empty_comment(self) -> None:
        self.add_error("comment", COMMENT_REQUIRED)


class GeneralSettingsForm(forms.Form):
    """System Administration > General Settings."""

    comment_required = forms.BooleanField(
        label=_("Comment Required"),
        required=False,
        help_text=_("Nobody commits without saying why, in the browser or with loadconfig."),
    )


class CompareForm(forms.Form):
    """Two numbers of the history. Named as in the URL: `?from=3&to=7`."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["from"] = forms.IntegerField(label=_("From"), min_value=1, max_value=MOST_NUMBER)
        self.fields["to"] = forms.IntegerField(label=_("To"), min_value=1, max_value=MOST_NUMBER)


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
