from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _

from seg_console.config.forms import TextFileForm


class ImportForm(TextFileForm):
    """A table as a text file, uploaded or pasted."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["pasted"].help_text = _("The lines of such a file, as Export gives them.")
