"""Imports run one way only: a module may import its own layer and those below it, never one above."""

from __future__ import annotations

import ast
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOP_LEVEL = ("seg_console", "policies", "tdc")

# Standard library only, and each other; tested without Django, sockets or a clock.
PURE = frozenset(
    {
        "seg_console.proxies",
        "seg_console.mail.values",
        "seg_console.mail.headers",
        "seg_console.mail.charsets",
        "seg_console.mail.addresses",
        "seg_console.mail.lines",
        "seg_console.mail.mime",
        "seg_console.mail.events",
        "seg_console.mail.refusals",
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
        "seg_console.gateway.content",
        "seg_console.gateway.host_access",
        "seg_console.gateway.paths",
        "seg_console.gateway.protocol",
        "seg_console.gateway.spool",
        "seg_console.gateway.proxy_header",
        "seg_console.gateway.relays",
        "seg_console.gateway.xclient",
        "policies.matching",
        "policies.reach",
        "tdc.journal",
    }
)
PURE_MAY_ALSO_IMPORT = {
    "seg_console.mail.addresses": "idna",
    "seg_console.mail.charsets": "webencodings",
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
# The floor of a folder or a module; the longest name that fits counts, and whatever is not here stands with the pages.
FLOORS = {
    # Typed reads of the environment and a log filter, for settings and whatever runs before them; names of what every
    # page may ask for.
    "seg_console.environment": PURE_LAYER,
    "seg_console.privileges": PURE_LAYER,
    "seg_console.quiet": PURE_LAYER,
    # Configurations belong to administrators: who they are and whether they are signed in is as low as what they
    # configure.
    "seg_console.accounts": RECORD,
    "seg_console.audit": RECORD,
    "seg_console.config": RECORD,
    "seg_console.mail": RECORD,
    "seg_console.certificates": CERTIFICATES,
    "seg_console.delivery": ENGINE,
    "policies": APPS,
    "tdc": APPS,
    "seg_console.gateway": WAY_IN,
    **{f"seg_console.{name}": PROJECT for name in ("settings", "celery", "urls", "wsgi")},
    **{f"seg_console.{name}": START for name in ("bench", "lab", "launch", "preflight", "processes", "supervisor")},
    "seg_console.web_server": START,
    **{f"seg_console.cli.management.commands.{name}": START for name in ("up", "demo", "lab")},
}
# What shows an app to people, wherever the app stands.
PAGE_MODULES = frozenset({"views", "forms", "urls", "context", "middleware", "templatetags", "management"})


def layer_of(module: str) -> int:
    """The layer of one of our modules."""
    if module in PURE or module == "seg_console":
        return PURE_LAYER
    parts = module.split(".")
    names = (".".join(parts[:depth]) for depth in range(len(parts), 0, -1))
    floor = next((FLOORS[name] for name in names if name in FLOORS), PAGES)
    return max(floor, PAGES) if PAGE_MODULES & set(parts) else floor


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
    return _imports(module, ast.walk(ast.parse(source)), package=package)


def run_time_imports(module: str, source: str, *, package: bool = False) -> Iterator[tuple[int, str]]:
    """The same without what is imported for type checking only."""
    return _imports(module, _walk_at_run_time(ast.parse(source)), package=package)


def _walk_at_run_time(node: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and isinstance(child.test, ast.Name) and child.test.id == "TYPE_CHECKING":
            continue
        yield child
        yield from _walk_at_run_time(child)


def _imports(module: str, nodes: Iterable[ast.AST], *, package: bool) -> Iterator[tuple[int, str]]:
    for node in nodes:
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


def package_of(module: str) -> str:
    """`seg_console.mail` of `seg_console.mail.events`, `tdc` of `tdc.kind`; "" for a module of the project itself."""
    parts = module.split(".")
    name = ".".join(parts[:2]) if parts[0] == "seg_console" else parts[0]
    found = modules().get(name)
    return name if found and found.name == "__init__.py" and name != "seg_console" else ""


def packages_imported() -> dict[str, set[str]]:
    """The other packages that each package imports at run time."""
    found: dict[str, set[str]] = defaultdict(set)
    for module, path in modules().items():
        for _line, name in run_time_imports(module, path.read_text(), package=path.name == "__init__.py"):
            here, there = package_of(module), package_of(name)
            if here and there and here != there:
                found[here].add(there)
    return found


def rings(imported: Mapping[str, Iterable[str]]) -> set[frozenset[str]]:
    """The largest sets of packages in which each reaches each by imports."""
    reached = {name: _reached(name, imported) for name in imported}
    return {frozenset(other for other in seen if name in reached.get(other, ())) for name, seen in reached.items()} - {
        frozenset()
    }


def _reached(start: str, imported: Mapping[str, Iterable[str]]) -> set[str]:
    seen: set[str] = set()
    waiting = [start]
    while waiting:
        new = set(imported.get(waiting.pop(), ())) - seen
        seen |= new
        waiting += new
    return seen


def test_imports_run_downwards_only() -> None:
    sentences = [
        sentence
        for module, path in modules().items()
        for sentence in broken_rules(module, path.read_text(), package=path.name == "__init__.py")
    ]
    assert not sentences, "\n" + "\n".join(sentences)


def test_no_packages_import_each_other_but_for_type_names() -> None:
    found = [sorted(ring) for ring in rings(packages_imported())]
    assert not found, f"these import each other, directly or in a ring: {found}"


def test_rings_are_found_whole() -> None:
    assert rings({"a": ["b"], "b": ["c"], "c": ["a", "d"], "d": ["e"], "e": []}) == {frozenset("abc")}
    assert rings({"a": ["b"], "b": ["a"], "c": ["d", "a"], "d": ["c"]}) == {frozenset("ab"), frozenset("cd")}


def test_an_import_for_type_names_only_ties_nothing() -> None:
    source = "import re\nif TYPE_CHECKING:\n    import tdc.kind\ndef late():\n    from tdc import rules"
    assert [name for _line, name in run_time_imports("policies.models", source)] == ["re", "tdc.rules"]
    assert [name for _line, name in imports("policies.models", source)] == ["re", "tdc.kind", "tdc.rules"]


def test_every_floor_is_a_folder_or_module_that_exists() -> None:
    assert set(modules()) >= set(FLOORS)


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
