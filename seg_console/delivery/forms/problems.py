from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, TypeVar

from django import forms
from pydantic import ValidationError

from seg_console.config.problems import as_sentence, problems_of
from seg_console.config.registry import Shape

Checked = TypeVar("Checked", bound=Shape)


def checked(form: forms.Form, shape: type[Checked], plain: Mapping[str, Any]) -> Checked | None:
    """What the form describes, under the rules of the configuration document. None: it holds the errors now, beside
    the field of the same name where it has one."""
    try:
        return shape.model_validate_json(json.dumps(plain))
    except ValidationError as error:
        for problem in problems_of(error, "form", shape):
            name = problem.path.removeprefix("form.").split("[")[0]
            form.add_error(name if name in form.fields else None, as_sentence(problem.message))
        return None
