from __future__ import annotations

from uuid import UUID

from django import forms
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from seg_console.config import pending
from seg_console.config.views.submitting import editing, submitted
from seg_console.privileges import Privilege
from seg_console.ui.access import requires
from seg_console.ui.requests import ConsoleRequest
from tests.drop_box.models import PolicySwitch
from tests.drop_box.service import switched_on


class SwitchForm(forms.Form):
    on = forms.BooleanField(label="Drop the mail of this policy", required=False)


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Privilege.CHANGE_CONFIGURATION)
def switch(request: ConsoleRequest, uid: UUID) -> HttpResponse:
    present = uid in switched_on(pending.shown_to(request.user))
    editing(request, PolicySwitch.build(uid, on=present))
    form = SwitchForm(request.POST or None, initial={"on": present})
    if form.is_valid():
        row = PolicySwitch.build(uid, on=form.cleaned_data["on"])
        if submitted(request, form, row, success="The Drop Box was changed."):
            return redirect("policies:list")
    context = {"title": "Mail Policies: Drop Box", "form": form, "cancel_url": reverse("policies:list")}
    return render(request, "includes/simple_form.html", context)
