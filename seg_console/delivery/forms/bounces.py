from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from seg_console.delivery.models import LONGEST_NAME


class BounceForm(forms.Form):
    """One bounce profile; the Default one has no name to give."""

    name = forms.CharField(label=_("Profile Name"), max_length=LONGEST_NAME, widget=forms.TextInput(attrs={"size": 34}))
    max_retries = forms.IntegerField(
        label=_("Maximum number of retries"), min_value=0, max_value=10_000, help_text=_("0 to 10,000.")
    )
    max_queue_time = forms.IntegerField(
        label=_("Maximum time in queue (seconds)"),
        min_value=1,
        max_value=3_000_000,
        help_text=_("1 to 3,000,000; 259,200 are three days. Holds for mail that is queued from then on."),
    )
    initial_retry = forms.IntegerField(
        label=_("Initial time to wait per message (seconds)"),
        min_value=1,
        max_value=86_400,
        help_text=_("Before the first retry; each further wait is twice as long."),
    )
    max_retry = forms.IntegerField(
        label=_("Maximum time to wait per message (seconds)"),
        min_value=1,
        max_value=86_400,
        help_text=_("The longest wait between two attempts."),
    )

    def __init__(self, *args: Any, is_default: bool = False, **options: Any) -> None:
        super().__init__(*args, **options)
        if is_default:
            del self.fields["name"]

    def clean(self) -> dict[str, Any]:
        first, longest = self.cleaned_data.get("initial_retry"), self.cleaned_data.get("max_retry")
        if first is not None and longest is not None and longest < first:
            self.add_error("max_retry", _("The maximum time to wait cannot be less than the initial one."))
        return self.cleaned_data
