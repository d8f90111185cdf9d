"""Programs that some tests need beside Python."""

from __future__ import annotations

import os
import shutil
from typing import NoReturn
from urllib.parse import quote

import pytest
from django.db import connection


def require_program(name: str, package: str, *, instead: str = "") -> str:
    """The program's path, or that of `instead`, which will do. Without either the test is skipped with what to install;
    in CI, which installs all, it fails."""
    for wanted in filter(None, (name, instead)):
        found = shutil.which(wanted) or shutil.which(wanted, path="/usr/sbin:/usr/local/sbin:/sbin")
        if found:
            return found
    missing(name, f"apt-get install {package}")


def missing(what: str, remedy: str) -> NoReturn:
    """Skips the test with the command that brings it; in CI, which installs all, fails it."""
    sentence = f"{what} is needed: {remedy}"
    if os.environ.get("CI") == "true":
        pytest.fail(sentence, pytrace=False)
    pytest.skip(sentence)


def database_url() -> str:
    """The test database, for another process."""
    values = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{values['NAME']}"
    return f"postgresql://{values['USER']}@/{values['NAME']}?host={quote(values['HOST'])}"
