"""An intake address as it is typed."""

from __future__ import annotations

import re

from django import forms
from django.utils.translation import gettext as _now

from seg_console.config.problems import in_words
from seg_console.mail.addresses import AddressError, check_address

# An @ on both sides of a separator.
_SEVERAL = re.compile(r"@[^,;\s]*[,;\s]+[^,;\s]*@")


def checked_intake_address(text: str) -> str:
    """An intake address as it is stored. Syntax only, as the original does. Raises ValidationError with the reason."""
    try:
        return check_address(text.strip())
    except AddressError as error:
        raise forms.ValidationError(_refusal(text, error)) from error


def _refusal(text: str, error: AddressError) -> str:
    if "<" in text or ">" in text:
        return _now("Write the address alone, without a name and angle brackets: id@intake.example.")
    if _SEVERAL.search(text):
        return _now("Give exactly one address: there are several here.")
    return in_words(error)
