from __future__ import annotations

import json
import re
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _
from pydantic import ValidationError

from seg_console.config.problems import problems_of
from seg_console.delivery.document import Route
from seg_console.delivery.models import LONGEST_DOMAIN

HOSTS_SHOWN = 3
MOST_HOSTS = 100
_HOST_PATH = re.compile(r"route\.hosts\[(\d+)\]\.(\w+)")


class RouteHostForm(forms.Form):
    """One destination host of a route; lower priorities first, equal ones in turn (seg-webui 8.2).

    A row without a host says nothing: emptying it takes the host away.
    """

    priority = forms.IntegerField(label=_("Priority"), min_value=0, max_value=65535, initial=0, required=False)
    host = forms.CharField(
        label=_("Destination"),
        max_length=255,
        required=False,
        widget=forms.TextInput(attrs={"size": 34, "autocapitalize": "off", "spellcheck": "false"}),
    )
    port = forms.IntegerField(label=_("Port"), min_value=1, max_value=65535, initial=25, required=False)

    def plain(self) -> dict[str, Any]:
        cleaned = self.cleaned_data
        port = 25 if cleaned.get("port") is None else cleaned["port"]
        return {"host": cleaned["host"], "port": port, "priority": cleaned.get("priority") or 0}


class RouteForm(forms.Form):
    domain = forms.CharField(
        label=_("Receiving Domain"),
        max_length=LONGEST_DOMAIN,
        widget=forms.TextInput(attrs={"size": 44, "autocapitalize": "off", "spellcheck": "false"}),
        help_text=_("corp.example, .corp.example for every sub-domain, or ALL for everything else."),
    )


def host_forms(*, data: Any = None, initial: list[dict[str, Any]] | None = None) -> forms.BaseFormSet[RouteHostForm]:
    """The hosts as submitted in `data`, or those of `initial` and a few empty rows."""
    kind = forms.formset_factory(
        RouteHostForm, extra=1 if initial else HOSTS_SHOWN, max_num=MOST_HOSTS, absolute_max=MOST_HOSTS
    )
    return kind(data, prefix="host") if data is not None else kind(initial=initial, prefix="host")


def checked_route(form: RouteForm, hosts: forms.BaseFormSet[RouteHostForm]) -> Route | None:
    """The route that both forms describe, under the rules of the configuration document. None: they hold errors now."""
    if not (form.is_valid() & hosts.is_valid()):
        return None
    filled = [host for host in hosts if host.cleaned_data.get("host")]
    plain = {"domain": form.cleaned_data["domain"], "hosts": [host.plain() for host in filled]}
    try:
        return Route.model_validate_json(json.dumps(plain))
    except ValidationError as error:
        for problem in problems_of(error, "route", Route):
            place = _HOST_PATH.fullmatch(problem.path)
            if place:
                filled[int(place[1])].add_error(place[2], problem.message)
            else:
                form.add_error("domain" if problem.path == "route.domain" else None, problem.message)
        return None
