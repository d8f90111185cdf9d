from __future__ import annotations

from django import forms
from django.utils.translation import gettext_lazy

from seg_console.accounts.models import LONGEST_TIMEOUT, SHORTEST_TIMEOUT


class NetworkAccessForm(forms.Form):
    web_ui_inactivity_timeout = forms.IntegerField(
        label=gettext_lazy("Web UI Inactivity Timeout (minutes)"),
        min_value=SHORTEST_TIMEOUT,
        max_value=LONGEST_TIMEOUT,
        help_text=gettext_lazy(
            "5 to 1440. A session without activity for this long ends, for every user. Pages that refresh themselves "
            "are no activity."
        ),
    )
