"""Values that nobody is shown: what stands in their place, and the refusal of that in their place.

A model names its fields that hold secrets in `secret_fields`. They are stored and run like any value; pages, diffs,
audit entries and documents that are not asked for secrets hold only the mask.
"""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _

from seg_console.config.models import MASK as MASK
from seg_console.config.registry import Section


def check_no_mask(text: str) -> str:
    """A secret that is one. Raises ValueError with a sentence."""
    if text.strip() == MASK:
        raise ValueError(
            _("this secret is masked, so the file cannot be loaded: download the configuration with its secrets.")
        )
    return text


def masked(section: Section[Any], plain: dict[str, Any]) -> dict[str, Any]:
    """An object of a section as JSON has it, with the mask in place of its secrets."""
    return plain | {name: MASK for name in section.model.secret_fields if plain.get(name)}
