"""Submit a form's objects into the user's pending set, and say in the form what was refused."""

from __future__ import annotations

from collections.abc import Iterable

from django.contrib import messages
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.forms import BaseForm
from django.utils.translation import gettext as _

from seg_console.config import pending
from seg_console.config.models import ConfigurationObject
from seg_console.ui.requests import ConsoleRequest


def submitted(
    request: ConsoleRequest,
    form: BaseForm,
    *objects: ConfigurationObject,
    remove: Iterable[ConfigurationObject] = (),
    success: str,
) -> bool:
    """Whether the objects are pending now. If not, `form` holds the reasons, beside its fields where they have one."""
    try:
        pending.submit(request.user, *objects, remove=remove)
    except ValidationError as error:
        _put(error, form)
        return False
    tell_submitted(request, success)
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
