"""Imports run one way only: a module may import its own layer and those below it, never one above."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOP_LEVEL = ("seg_console", "policies", "tdc")

# Standard library only, and each other; tested without Django, sockets or a clock.
PURE = frozenset(
    {
        "seg_console.mail.values",
        "seg_console.mail.headers",
        "seg_console.mail.addresses",
        "seg_console.mail.lines",
        "seg_console.mail.mime",
        "seg_console.mail.events",
        "seg_console.mail.maillog_text",
        "seg_console.mail.sentences",
        "seg_console.certificates.contexts",
        "seg_console.delivery.outcome",
        "seg_console.delivery.rules",
        "seg_console.delivery.shelf",
        "seg_console.delivery.states",
        "seg_console.delivery.kinds",
        "seg_console.delivery.connections",
        "seg_console.delivery.tls",
        "seg_console.delivery.bounces",
        "seg_console.gateway.host_access",
        "seg_console.gateway.protocol",
        "policies.matching",
        "policies.reach",
        "tdc.journal",
    }
)
PURE_MAY_ALSO_IMPORT = {
    "seg_console.mail.addresses": "idna",
    # Its sentences are read on pages, in the reader's language.
    "seg_console.mail.sentences": "django.utils.translation",
}

# Packages that register a service of policies; each knows policies, and pages of policies know none of them.
SERVICES = frozenset({"tdc"})

PURE_LAYER, RECORD, CERTIFICATES, ENGINE, APPS, WAY_IN, PAGES, PROJECT, START = range(1, 10)
LAYER_NAMES = {
    PURE_LAYER: "pure modules",
    RECORD: "configuration, mail record and audit log",
    CERTIFICATES: "certificates",
    ENGINE: "delivery engine",
    APPS: "policies and their services",
    WAY_IN: "gateway",
    PAGES: "pages, API, command line, management commands",
    PROJECT: "settings, celery, urls, wsgi",
    START: "what starts the processes, the lab, benchmarks",
}
LAYER_OF_PACKAGE = {
    "seg_console.audit": RECORD,
    "seg_console.config": RECORD,
    "seg_console.mail": RECORD,
    "seg_console.certificates": CERTIFICATES,
    "seg_console.delivery": ENGINE,
    "policies": APPS,
    "tdc": APPS,
    "seg_console.gateway": WAY_IN,
}
# Configurations belong to administrators: who they are, what they may do and whether they are signed in is as low as
# the configuration itself.
PEOPLE = frozenset(f"seg_console.accounts.{name}" for name in ("models", "roles", "document", "sessions"))
PROJECT_MODULES = frozenset(f"seg_console.{name}" for name in ("settings", "celery", "urls", "wsgi", "asgi"))
START_PACKAGES = frozenset(
    f"seg_console.{name}" for name in ("bench", "lab", "launch", "preflight", "processes", "supervisor", "web_server")
)
START_COMMANDS = frozenset(f"seg_console.cli.management.commands.{name}" for name in ("up", "demo", "lab"))
# Typed reads of the environment and a log filter, for settings and whatever runs before them; names of what every page
# may ask for.
FOUNDATION = frozenset(f"seg_console{name}" for name in ("", ".environment", ".privileges", ".quiet"))
# What shows an app to people, wherever the app stands.
PAGE_MODULES = frozenset({"views", "forms", "urls", "context", "templatetags", "management"})


def layer_of(module: str) -> int:
    """The layer of one of our modules; whatever is not placed otherwise stands with the pages."""
    if module in PURE:
        return PURE_LAYER
    if module in FOUNDATION:
        return PURE_LAYER
    if module in PEOPLE:
        return RECORD
    if module in PROJECT_MODULES:
        return PROJECT
    if module in START_COMMANDS or ".".join(module.split(".")[:2]) in START_PACKAGES:
        return START
    if PAGE_MODULES & set(module.split(".")):
        return PAGES
    for package, layer in LAYER_OF_PACKAGE.items():
        if module == package or module.startswith(f"{package}."):
            return layer
    return PAGES


def broken_rules(module: str, source: str, *, package: bool = False) -> list[str]:
    """One sentence for each import of the module that goes the wrong way."""
    sentences = []
    for line, imported in imports(module, source, package=package):
        rule = broken_rule(module, imported)
        if rule:
            sentences.append(f"{module} (line {line}) imports {imported}: {rule}")
    return sentences


def broken_rule(module: str, imported: str) -> str:
    """The rule that an import breaks, or ""."""
    ours = imported.split(".")[0] in TOP_LEVEL
    if module in PURE:
        if imported in PURE or imported == PURE_MAY_ALSO_IMPORT.get(module):
            return ""
        if imported.split(".")[0] in sys.stdlib_module_names:
            return ""
        return "a pure module imports the standard library and other pure modules only."
    if not ours:
        return ""
    if module.split(".")[0] == "policies" and any(f"{imported}.".startswith(f"{each}.") for each in SERVICES):
        return "policies knows no service of a policy by name."
    mine, theirs = layer_of(module), layer_of(imported)
    if theirs > mine:
        return (
            f"layer {mine} ({LAYER_NAMES[mine]}) must not import layer {theirs} ({LAYER_NAMES[theirs]}); "
            "imports run downwards only."
        )
    return ""


def imports(module: str, source: str, *, package: bool = False) -> Iterator[tuple[int, str]]:
    """Line and full name of everything imported, also inside functions and for type checking only."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(module, node, package=package)
            for alias in node.names:
                name = f"{base}.{alias.name}"
                yield node.lineno, name if name in modules() else base


def _absolute(module: str, node: ast.ImportFrom, *, package: bool) -> str:
    if not node.level:
        return node.module or ""
    parts = module.split(".")
    parts = parts[: len(parts) - node.level + package]
    return ".".join([*parts, node.module] if node.module else parts)


@cache
def modules() -> dict[str, Path]:
    """Our modules by full name."""
    found = {}
    for top in TOP_LEVEL:
        for path in sorted((ROOT / top).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def test_imports_run_downwards_only() -> None:
    sentences = [
        sentence
        for module, path in modules().items()
        for sentence in broken_rules(module, path.read_text(), package=path.name == "__init__.py")
    ]
    assert not sentences, "\n" + "\n".join(sentences)


@pytest.mark.parametrize(
    ("package", "above"),
    [
        ("seg_console.certificates", ("seg_console.delivery", "policies", "tdc", "seg_console.gateway")),
        ("seg_console.delivery", ("seg_console.gateway",)),
    ],
)
def test_pages_too_import_no_package_above_their_own(package: str, above: tuple[str, ...]) -> None:
    found = {
        imported
        for module, path in modules().items()
        if f"{module}.".startswith(f"{package}.")
        for _line, imported in imports(module, path.read_text(), package=path.name == "__init__.py")
    }
    assert any(f"{each}.".startswith("seg_console.config.") for each in found)
    assert [each for each in found if any(f"{each}.".startswith(f"{one}.") for one in above)] == []


def test_the_pure_modules_exist() -> None:
    assert set(modules()) >= PURE


def test_packages_of_pure_modules_import_the_standard_library_only() -> None:
    for module in PURE:
        parts = module.split(".")
        for depth in range(1, len(parts)):
            package = ".".join(parts[:depth])
            imported = {name for _, name in imports(package, modules()[package].read_text(), package=True)}
            assert {name.split(".")[0] for name in imported} <= sys.stdlib_module_names, (
                f"{package}/__init__.py imports {sorted(imported)}, and with it every pure module in it would."
            )


@pytest.mark.parametrize(
    ("module", "line", "rule"),
    [
        ("seg_console.mail.record", "from seg_console.delivery import queue", "layer 2"),
        ("seg_console.delivery.queue", "from tdc.models import ConnectorSettings", "layer 4"),
        ("seg_console.certificates.document", "from seg_console.delivery.document import DNS", "layer 3"),
        ("seg_console.delivery.running", "from seg_console.certificates.document import CERTIFICATES", ""),
        ("seg_console.delivery.queue", "from tdc import journal", ""),
        ("policies.models", "from tdc.models import PolicyChoice", "no service"),
        ("tdc.models", "from policies.models import IncomingMailPolicy", ""),
        ("policies.views.listing", "from tdc.choices import Choices", "no service"),
        ("tdc.views.choice", "from policies.table import policy_name", ""),
        ("policies.models", "from policies.views import policies_table", "layer 5"),
        ("seg_console.gateway.accept", "import policies.running, tdc.running", ""),
        ("seg_console.gateway.accept", "from seg_console.ui.access import requires", "layer 6"),
        ("seg_console.gateway.accept", "def f():\n    from ..monitor.views import overview", "layer 6"),
        ("seg_console.monitor.views.overview", "from seg_console.settings import SEG_HOSTNAME", "layer 7"),
        ("seg_console.monitor.views.overview", "from seg_console.launch import launch", "layer 7"),
        ("seg_console.cli.management.commands.up", "from seg_console.launch import launch", ""),
        ("seg_console.config.pending", "from seg_console.accounts.models import User", ""),
        ("seg_console.config.pending", "from seg_console.accounts.views import sign_in", "layer 2"),
        ("seg_console.mail.sentences", "from django.utils.translation import gettext", ""),
        ("seg_console.mail.headers", "import re, email.utils", ""),
        ("seg_console.mail.headers", "from seg_console.mail import lines", ""),
        ("seg_console.mail.headers", "from django.utils import timezone", "pure module"),
        ("seg_console.mail.headers", "import idna", "pure module"),
        ("seg_console.mail.addresses", "import idna", ""),
        ("seg_console.mail.headers", "from seg_console.mail.models import Message", "pure module"),
        ("seg_console.mail.record", "if TYPE_CHECKING:\n    from seg_console.gateway import accept", "layer 2"),
    ],
)
def test_the_rules_themselves(module: str, line: str, rule: str) -> None:
    sentences = broken_rules(module, line)
    assert bool(sentences) is bool(rule)
    assert all(module in sentence and rule in sentence for sentence in sentences)
