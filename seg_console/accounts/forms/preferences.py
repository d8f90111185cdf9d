from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.http import QueryDict
from django.utils import translation
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from seg_console.accounts.models import ROWS, User
from seg_console.accounts.preferences import TIME_RANGES, language_of, time_range_of, zones
from seg_console.ui.choices import choice_field
from seg_console.ui.navigation import pages_for

FIELDS = ("language", "landing_page", "time_range", "rows", "time_zone")


class PreferencesForm(forms.Form):
    """Preferences of `user` (seg-webui 2.7). Empty values mean: nothing chosen."""

    language = forms.ChoiceField(label=gettext_lazy("Language Display"), required=False)
    landing_page = forms.ChoiceField(
        label=gettext_lazy("Landing Page"),
        required=False,
        help_text=gettext_lazy("What is shown after login, unless another page was asked for."),
    )
    time_range = forms.ChoiceField(
        label=gettext_lazy("Time Range Displayed"),
        choices=[(key, label) for key, (label, _span) in TIME_RANGES.items()],
        help_text=gettext_lazy("What Overview and Message Tracking begin with; for Message Tracking at least a day."),
    )
    rows = forms.TypedChoiceField(
        label=gettext_lazy("Number of Rows Displayed"), choices=[(rows, str(rows)) for rows in ROWS], coerce=int
    )
    time_zone = forms.ChoiceField(
        label=gettext_lazy("Time Zone"),
        required=False,
        help_text=gettext_lazy("For the times that pages show and ask for. Logs keep the gateway's."),
    )

    def __init__(self, data: QueryDict | None = None, *, user: User) -> None:
        # What is no longer to be had (another role, another machine) reads as not chosen.
        kept = {"language": language_of(user), "time_range": time_range_of(user)}
        super().__init__(data, initial={name: getattr(user, name) for name in FIELDS} | kept)
        for name, choices in choices_for(user).items():
            choice_field(self, name).choices = choices


Choices = list[tuple[Any, Any]]


def choices_for(user: User) -> dict[str, Choices]:
    """Value and label of what `user` may choose, by field; pages are grouped by their tab."""
    by_tab: dict[str, tuple[str | Promise, list[tuple[str, str | Promise]]]] = {}
    for tab, page in pages_for(user):
        by_tab.setdefault(str(tab.title), (tab.title, []))[1].append((page.view, page.title))
    return {
        "language": [
            *((code, translation.get_language_info(code)["name_local"]) for code, _name in settings.LANGUAGES),
            ("", gettext_lazy("The browser's choice")),
        ],
        "landing_page": [("", gettext_lazy("The first page of the menus")), *by_tab.values()],
        "time_zone": [("", _("The gateway's (%(zone)s)") % {"zone": settings.TIME_ZONE}), *((z, z) for z in zones())],
    }
