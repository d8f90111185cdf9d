from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from seg_console.ui.choices import choice_field
from tdc.forms.intake_address import checked_intake_address
from tdc.models import Mode


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
