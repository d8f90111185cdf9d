from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from seg_console.config.checks import LONGEST_COMMENT, check_comment
from seg_console.config.problems import in_words

COMMENT_REQUIRED = _("Say why: General Settings ask for a comment with every commit.")


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
