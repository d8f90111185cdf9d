from __future__ import annotations

from django import forms
from django.utils.translation import gettext_lazy as _


class GeneralSettingsForm(forms.Form):
    """System Administration > General Settings."""

    comment_required = forms.BooleanField(
        label=_("Comment Required"),
        required=False,
        help_text=_("Nobody commits without saying why, in the browser or with loadconfig."),
    )
