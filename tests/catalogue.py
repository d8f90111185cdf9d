"""The Chinese catalogue: `python -m tests.catalogue` (`make messages`) takes in the words of the source, and compiles.

Extraction is Django's makemessages and needs GNU gettext's programs; reading and compiling are Babel's and need nothing
else. What comes out depends on the source alone: no dates, no line numbers, no path of the machine.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import django
from babel.messages.catalog import Catalog, Message
from babel.messages.mofile import read_mo, write_mo
from babel.messages.pofile import read_po
from django.core.management import call_command
from django.core.management.commands import makemessages
from django.test import override_settings

ROOT = Path(__file__).resolve().parent.parent
LOCALE = "zh_Hans"
SOURCE = ROOT / "seg_console" / "locale" / LOCALE / "LC_MESSAGES" / "django.po"
COMPILED = SOURCE.with_suffix(".mo")
PROGRAMS = ("xgettext", "msguniq", "msgmerge", "msgattrib")
PACKAGE = "gettext"
# Names under which modules use gettext: an import under another one would hide its words from the extraction.
ALIASES = {"gettext": ("_", "_now"), "gettext_lazy": ("_",)}
# Sentences of pure modules, which import no gettext: in English where they are raised, looked up where they are shown.
SENTENCES = ("AddressError",)
NOT_SHOWN = ("tests/*", "docs/*", "var/*", "seg_console/locale/*", "seg_console/bench/*", "screens/*")
_DATE = re.compile(r'^"(?:POT-Creation-Date|PO-Revision-Date|X-Generator):.*\n', re.MULTILINE)


class Extraction(makemessages.Command):
    """Django's, without guesses from similar sentences."""

    xgettext_options = [
        *makemessages.Command.xgettext_options,
        "--sort-output",
        *(f"--keyword={name}" for name in {alias for names in ALIASES.values() for alias in names} - {"_"}),
        *(f"--keyword={name}:1" for name in SENTENCES),
    ]
    msgmerge_options = [*makemessages.Command.msgmerge_options, "--no-fuzzy-matching", "--sort-output"]


def missing_program() -> str:
    """The first of gettext's programs that is not installed; "" if all are."""
    return next((name for name in PROGRAMS if not shutil.which(name)), "")


def extracted(present: str) -> str:
    """The catalogue `present` brought up to date with the source: new sentences empty, those gone left out."""
    with tempfile.TemporaryDirectory(prefix="seg-locale-") as name:
        file = Path(name) / LOCALE / "LC_MESSAGES" / "django.po"
        file.parent.mkdir(parents=True)
        file.write_text(present, encoding="utf-8")
        before = Path.cwd()
        os.chdir(ROOT)
        try:
            with override_settings(LOCALE_PATHS=[name]):
                call_command(
                    Extraction(),
                    locale=[LOCALE],
                    add_location="file",
                    no_wrap=True,
                    no_obsolete=True,
                    ignore_patterns=list(NOT_SHOWN),
                    verbosity=0,
                )
        finally:
            os.chdir(before)
        return _DATE.sub("", file.read_text(encoding="utf-8"))


def catalogue(text: str) -> Catalog:
    return read_po(BytesIO(text.encode()), locale=LOCALE)


def entries(of: Catalog) -> Iterator[Message]:
    """Its sentences, without the header."""
    return (message for message in of if message.id)


def translations(of: Catalog) -> dict[tuple[str | None, Any], Any]:
    """What it translates, by context and sentence; a plural by both its forms. An empty translation is none."""
    return {
        (context(message), forms(message.id)): forms(message.string) for message in entries(of) if translated(message)
    }


def translated(message: Message) -> bool:
    return all(forms(message.string))


def context(message: Message) -> str:
    """What tells apart two uses of one sentence; "" for most."""
    found: str | bytes | None = message.context
    return found.decode() if isinstance(found, bytes) else found or ""  # Babel gives bytes out of a .mo


def forms(text: Any) -> tuple[str, ...]:
    """A sentence or its translation: one text, or one for each plural form."""
    return (text,) if isinstance(text, str) else tuple(text)


def compile_catalogue(text: str) -> None:
    """Write the .mo, if what it holds is not the same already: Babel's header tells the hour and its version."""
    if COMPILED.exists() and translations(read_compiled()) == translations(catalogue(text)):
        return
    with COMPILED.open("wb") as file:
        write_mo(file, catalogue(text))


def read_compiled() -> Catalog:
    with COMPILED.open("rb") as file:
        return read_mo(file)


def main() -> int:
    """Bring the catalogue up to date and compile it. Returns 1, with what to do, when that is not possible."""
    absent = missing_program()
    if absent:
        print(f"{absent} is needed: apt-get install {PACKAGE}", file=sys.stderr)  # noqa: T201 - it is a program's answer
        return 1
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    django.setup()
    text = extracted(SOURCE.read_text(encoding="utf-8"))
    SOURCE.write_text(text, encoding="utf-8")
    compile_catalogue(text)
    empty = sum(1 for message in entries(catalogue(text)) if not translated(message))
    print(f"{SOURCE.relative_to(ROOT)}: {empty} sentences without a translation.")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
