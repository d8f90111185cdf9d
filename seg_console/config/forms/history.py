from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

# What the database's type for it holds.
MOST_NUMBER = 2_147_483_647


class CompareForm(forms.Form):
    """Two numbers of the history. Named as in the URL: `?from=3&to=7`."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["from"] = forms.IntegerField(label=_("From"), min_value=1, max_value=MOST_NUMBER)
        self.fields["to"] = forms.IntegerField(label=_("To"), min_value=1, max_value=MOST_NUMBER)
