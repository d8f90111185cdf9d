from __future__ import annotations

from django import forms
from django.utils.translation import gettext_lazy as _

from seg_console.config.forms import LoadForm


class ImportForm(LoadForm):
    """A table as a text file, uploaded or pasted."""

    pasted = forms.CharField(
        label=_("Paste"),
        required=False,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 12, "class": "code", "spellcheck": "false"}),
        help_text=_("The lines of such a file, as Export gives them."),
    )
