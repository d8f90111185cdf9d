"""docs/configuration.md holds every key, every default and every variable of the environment."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

from django.conf import settings
from pydantic import BaseModel

from seg_console import environment
from seg_console.config import document, registry

PAGE = (settings.BASE_DIR / "docs" / "configuration.md").read_text()
READS = re.compile(r"environment\.(?:[a-z_]+)\(\s*\"(\w+)\"")


def shapes(annotation: Any) -> Iterator[type[BaseModel]]:
    """Every shape inside a type."""
    if isinstance(annotation, type) and not get_args(annotation) and issubclass(annotation, BaseModel):
        yield annotation
        for field in annotation.model_fields.values():
            yield from shapes(field.annotation)
    for part in get_args(annotation):
        yield from shapes(part)


def section_of_page(key: str) -> str:
    return PAGE.split(f"### `{key}`")[1].split("\n## ")[0].split("\n### ")[0]


def test_every_section_and_key_is_documented() -> None:
    for section in registry.sections():
        text = section_of_page(section.key)
        for shape in shapes(registry.annotation(section.key)):
            for name, field in shape.model_fields.items():
                assert f"`{field.alias or name}`" in text, (section.key, name)


def test_every_simple_default_is_the_documented_one() -> None:
    for section in registry.sections():
        rows = re.findall(r"^\| `(\w+)` \| `(.*?)` \|", section_of_page(section.key), re.MULTILINE)
        documented = dict(rows)
        for shape in shapes(registry.annotation(section.key)):
            for name, field in shape.model_fields.items():
                if name in documented and isinstance(field.default, str | int | bool):
                    assert json.loads(documented[name]) == field.default, (section.key, name)


def test_the_example_can_be_loaded() -> None:
    (example,) = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    assert document.validate(document.read(example)) == []


def test_every_variable_of_the_environment_is_documented() -> None:
    folder: Path = settings.BASE_DIR / "seg_console"
    read = {name for path in folder.rglob("*.py") for name in READS.findall(path.read_text())}
    table = PAGE.split("## Environment")[1]
    documented = set(re.findall(r"^\| `(\w+)`", table, re.MULTILINE))
    # Read before any other, by the module that reads the others.
    assert documented == read | {environment.SECRETS_FILE}
