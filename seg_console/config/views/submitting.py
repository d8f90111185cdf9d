"""Submit a form's objects into the user's pending set, and say in the form what was refused.

A form says everything of its objects, also what nobody touched in it. So it carries their state from when it was
opened, and is refused once if they have another by then: it would silently undo what somebody changed meanwhile.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable

from django.contrib import messages
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.forms import BaseForm
from django.utils.translation import gettext as _

from seg_console.config import pending
from seg_console.config.models import ConfigurationObject
from seg_console.ui.requests import ConsoleRequest

# Of the field that carries the state.
OPENED_ON = "opened_on"


def editing(request: ConsoleRequest, *objects: ConfigurationObject | None) -> None:
    """Say which objects of the set shown the page's form changes, in their order where that counts; call it before
    `submitted`. None stands for an object that is not there yet."""
    request.edited_state = state_of(*objects)
    request.opened_on = request.POST.get(OPENED_ON, "") or request.edited_state


def state_of(*objects: ConfigurationObject | None) -> str:
    """A text that is another one when an object has other values. Not for its position: rows are moved by others."""
    told = [
        [row._meta.label, str(row.uid), [getattr(row, name) for name in row.value_fields() if name != "position"]]
        for row in objects
        if row is not None
    ]
    return hashlib.sha256(json.dumps(told, default=str).encode()).hexdigest()


def submitted(
    request: ConsoleRequest,
    form: BaseForm,
    *objects: ConfigurationObject,
    remove: Iterable[ConfigurationObject] = (),
    success: str,
) -> bool:
    """Whether the objects are pending now. If not, `form` holds the reasons, beside its fields where they have one."""
    if _is_stale(request):
        form.add_error(
            None,
            _(
                "This has changed since you opened the page, in another tab of yours or by somebody’s commit. What you "
                "typed is still here and nothing was submitted. Look at the present values in another tab; if you "
                "submit again, yours replace them."
            ),
        )
        return False
    try:
        pending.submit(request.user, *objects, remove=remove)
    except ValidationError as error:
        _put(error, form)
        return False
    tell_submitted(request, success)
    return True


def _is_stale(request: ConsoleRequest) -> bool:
    """Whether the objects have changed under the form. It is told once: what is sent from the page that tells it is
    meant."""
    present = getattr(request, "edited_state", "")
    if getattr(request, "opened_on", "") == present:
        return False
    request.opened_on = present
    return True


def tell_submitted(request: ConsoleRequest, success: str) -> None:
    messages.success(request, _("%(done)s This takes effect when you commit.") % {"done": success})


def _put(error: ValidationError, form: BaseForm) -> None:
    if not hasattr(error, "error_dict"):
        form.add_error(None, error)
        return
    for name, errors in error.error_dict.items():
        known = name in form.fields and name != NON_FIELD_ERRORS
        form.add_error(name if known else None, errors)
