from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from django import forms
from django.utils.translation import gettext_lazy as _

from seg_console.config.problems import in_words
from seg_console.gateway.document import check_recipient, check_reply_code, check_reply_text
from seg_console.gateway.models import LONGEST_RECIPIENT, LONGEST_RESPONSE, Action

Value = TypeVar("Value", str, int)


def _checked(check: Callable[[Value], Value], value: Value) -> Value:
    """Raises forms.ValidationError with the sentence of the check."""
    try:
        return check(value)
    except ValueError as error:
        raise forms.ValidationError(in_words(error)) from error


class RecipientAccessForm(forms.Form):
    """One row of the recipient access table (seg-webui 8.5). `places`: the last place it may take."""

    order = forms.IntegerField(label=_("Order"))
    recipient = forms.CharField(
        label=_("Recipient Address"),
        max_length=LONGEST_RECIPIENT,
        widget=forms.TextInput(attrs={"size": 44, "autocapitalize": "off", "spellcheck": "false"}),
        help_text=_("corp.example, .corp.example for every sub-domain, user@corp.example, or user@ at any domain."),
    )
    action = forms.ChoiceField(
        label=_("Action"), choices=Action.choices, initial=Action.ACCEPT, widget=forms.RadioSelect
    )
    response_code = forms.IntegerField(
        label=_("Custom SMTP Response Code"),
        required=False,
        localize=False,
        help_text=_("Empty: the usual response. 200 to 299 to accept, 400 to 599 to reject."),
    )
    response_text = forms.CharField(
        label=_("Custom SMTP Response Text"),
        required=False,
        max_length=LONGEST_RESPONSE,
        widget=forms.TextInput(attrs={"class": "long"}),
    )

    def __init__(self, *args: Any, places: int, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["order"] = forms.IntegerField(label=_("Order"), min_value=1, max_value=places, initial=places)

    def clean_recipient(self) -> str:
        return _checked(check_recipient, str(self.cleaned_data["recipient"]))

    def clean_response_code(self) -> int | None:
        code = self.cleaned_data["response_code"]
        return None if code is None else _checked(check_reply_code, code)

    def clean_response_text(self) -> str:
        text = self.cleaned_data["response_text"]
        return _checked(check_reply_text, text) if text else ""

    def clean(self) -> dict[str, Any]:
        cleaned = self.cleaned_data
        if "response_code" in self.errors or "response_text" in self.errors:
            return cleaned
        code, text = cleaned["response_code"], cleaned["response_text"]
        if text and code is None:
            self.add_error("response_code", _("Give the code that goes with the text."))
        elif code is not None and not text:
            self.add_error("response_text", _("Give the text that goes with the code."))
        elif code is not None and code not in self._codes():
            self.add_error("response_code", _("Give a code from 200 to 299 to accept, from 400 to 599 to reject."))
        return cleaned

    def _codes(self) -> range:
        return range(200, 300) if self.cleaned_data.get("action") == Action.ACCEPT else range(400, 600)
