"""Every word that a page shows goes through gettext: templates as Django's lexer reads them, modules by their syntax.

What is looked for is literal text where only a translated one may stand. Text that comes from data is not seen here,
but by the test that reads the Chinese pages (tests/integration/test_pages_in_chinese.py).
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from django.template.base import Lexer, TokenType

from tests.catalogue import ALIASES, ROOT

TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))
# What speaks on a terminal, in English.
NO_PAGES = {"migrations", "management", "lab", "bench", "cli", "processes", "apps"}
MODULES = sorted(
    path
    for top in ("seg_console", "policies", "tdc")
    for path in (ROOT / top).rglob("*.py")
    if not NO_PAGES & set(path.relative_to(ROOT).with_suffix("").parts)
)
# Attributes that are read to people or shown to them.
SPOKEN = {"alt", "aria-description", "aria-label", "aria-roledescription", "label", "placeholder", "title"}
NOT_SHOWN = {"script", "style", "svg"}
# The product's own name, what the protocol and the original call things, and what a person types as it stands.
ALLOWED = [
    "SEG Console",
    "the.tdc.queue",
    "user@example.com",
    "list:",
    "MAIL FROM",
    "RCPT TO",
    "CLI",
    "GUI",
    "Python",
    "Django",
]
WORD = re.compile(r"[A-Za-z]{2,}")
SENTENCE = re.compile(r"[A-Z][a-z]+(?: [A-Za-z]+)+|[A-Z][a-z]+[.!?:…]$")
SCRIPTS = sorted((ROOT / "static" / "js").glob("*.js"))

GETTEXT = {"gettext", "gettext_lazy", "gettext_noop", "ngettext", "ngettext_lazy", "npgettext", "pgettext"} | {
    alias for names in ALIASES.values() for alias in names
}
# Keyword arguments, by name, that hold what is shown.
SHOWN_KEYWORDS = {"empty_label", "help_text", "label", "title", "verbose_name", "verbose_name_plural"} | {
    "violation_error_message"
}
# Calls and the positions of their arguments that hold what is shown.
SHOWN_ARGUMENTS = {
    "ValidationError": 0,
    "PermissionDenied": 0,
    "add_error": 1,
    **{f"messages.{kind}": 1 for kind in ("debug", "info", "success", "warning", "error")},
    **dict.fromkeys(("Group", "Page", "Tab"), 0),
    "Problem": 1,
}


class _Words(HTMLParser):
    """Collects the words that a reader, or a program reading aloud, would meet."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []
        self._silent = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._silent += tag in NOT_SHOWN
        self.found += [value for name, value in attrs if name in SPOKEN and value]
        values = dict(attrs)
        if tag == "input" and values.get("type") in {"submit", "button", "reset"}:
            self.found.append(values.get("value") or "")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        self._silent -= tag in NOT_SHOWN and self._silent > 0

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.found.append(data)


def words_of_template(source: str) -> list[str]:
    """Literal words outside trans and blocktrans, each with what stands around it."""
    text = []
    until = ""
    for token in Lexer(source).tokenize():
        name = token.contents.split()[0] if token.token_type is TokenType.BLOCK and token.contents else ""
        if until:
            until = "" if name == until else until
        elif name in {"blocktrans", "blocktranslate", "comment", "verbatim"}:
            until = f"end{name}"
        elif token.token_type is TokenType.TEXT:
            text.append(token.contents)
        else:
            text.append(" ")
    reader = _Words()
    reader.feed("".join(text))
    reader.close()
    return [" ".join(part.split()) for part in reader.found if WORD.search(_without_allowed(part))]


def _without_allowed(text: str) -> str:
    for allowed in ALLOWED:
        text = text.replace(allowed, "")
    return text


def words_of_module(source: str) -> list[str]:
    """Literal text where a translated one belongs, and calls of gettext that the extraction cannot see."""
    return [f"line {line}: {fault}" for line, fault in _faults(ast.parse(source))]


def _faults(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            inside = [call for call in ast.walk(node) if isinstance(call, ast.Call) and _name(call.func) in GETTEXT]
            if inside:
                yield node.lineno, "gettext within an f-string is not extracted"
        elif isinstance(node, ast.Call):
            if _name(node.func).endswith("ValidationError") and node.args and _is_bare_error(node.args[0]):
                yield node.lineno, "an error of a check is shown by config.problems.in_words, which translates it"
            for shown in _shown_by(node):
                yield from ((shown.lineno, text) for text in _literal(shown))
        elif isinstance(node, ast.ClassDef):
            yield from _class_faults(node)
        elif isinstance(node, ast.ImportFrom) and node.module == "django.utils.translation":
            yield from _hidden_names(node)


def _is_bare_error(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and _name(node.func) == "str"


def _shown_by(call: ast.Call) -> Iterator[ast.expr]:
    yield from (keyword.value for keyword in call.keywords if keyword.arg in SHOWN_KEYWORDS)
    for keyword in call.keywords:
        if keyword.arg == "error_messages" and isinstance(keyword.value, ast.Dict):
            yield from keyword.value.values
    position = SHOWN_ARGUMENTS.get(_name(call.func), SHOWN_ARGUMENTS.get(_name(call.func).rpartition(".")[2]))
    if position is not None and len(call.args) > position:
        yield call.args[position]
    # A model field's first argument is what it is called.
    if _name(call.func).startswith("models.") and _name(call.func).endswith("Field") and call.args:
        yield call.args[0]


def _class_faults(node: ast.ClassDef) -> Iterator[tuple[int, str]]:
    bases = {_name(base) for base in node.bases}
    for statement in node.body:
        if not isinstance(statement, ast.Assign):
            continue
        target = _name(statement.targets[0])
        if target in SHOWN_KEYWORDS:
            yield from ((statement.lineno, text) for text in _literal(statement.value))
        # NAME = "value", _("Label")
        if bases & {"models.TextChoices", "models.IntegerChoices"} and not target.startswith("__"):
            value = statement.value
            if not isinstance(value, ast.Tuple) or len(value.elts) != 2:
                yield statement.lineno, f"{node.name}.{target} has no label"
            else:
                yield from ((statement.lineno, text) for text in _literal(value.elts[1]))


def _hidden_names(node: ast.ImportFrom) -> Iterator[tuple[int, str]]:
    for alias in node.names:
        if alias.asname and alias.asname not in ALIASES.get(alias.name, ()):
            yield node.lineno, f"{alias.name} as {alias.asname}: tests/catalogue.py does not know this name"


def _literal(node: ast.expr) -> Iterator[str]:
    """Untranslated words that the expression gives: a plain text, an f-string's own words, sides of + % and if."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and WORD.search(_without_allowed(node.value)):
        yield node.value
    elif isinstance(node, ast.JoinedStr):
        for part in node.values:
            yield from _literal(part)
    elif isinstance(node, ast.BinOp):
        yield from _literal(node.left)
        if isinstance(node.op, ast.Add):
            yield from _literal(node.right)
    elif isinstance(node, ast.IfExp):
        yield from _literal(node.body)
        yield from _literal(node.orelse)
    elif isinstance(node, ast.List | ast.Tuple):
        for element in node.elts:
            yield from _literal(element)
    elif isinstance(node, ast.Dict):
        for value in node.values:
            yield from _literal(value)


def _name(node: ast.expr) -> str:
    return ast.unparse(node) if isinstance(node, ast.Name | ast.Attribute) else ""


def words_of_script(source: str) -> list[str]:
    """Texts in quotation marks that read like words for people. Words stand in the page, where they are translated."""
    return [text for text in re.findall(r"""["'`]([^"'`\n]*)["'`]""", source) if SENTENCE.match(text)]


def _id(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", TEMPLATES, ids=_id)
def test_a_template_says_nothing_outside_gettext(path: Path) -> None:
    assert words_of_template(path.read_text()) == []


@pytest.mark.parametrize("path", MODULES, ids=_id)
def test_a_module_shows_nothing_outside_gettext(path: Path) -> None:
    assert words_of_module(path.read_text()) == []


@pytest.mark.parametrize("path", SCRIPTS, ids=_id)
def test_a_script_says_nothing_of_its_own(path: Path) -> None:
    assert words_of_script(path.read_text()) == []


def test_the_reader_of_scripts_itself() -> None:
    source = """said.textContent = "Row moved up."; all("details.menu > a"); key === "ArrowUp"; use('Done.')"""
    assert words_of_script(source) == ["Row moved up.", "Done."]


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("<p>{% trans 'Fine' %}: {{ value }} <b>·</b></p>", []),
        ("<p>{% blocktrans with n=1 %}Fine {{ n }}{% endblocktrans %}</p>", []),
        ("{% comment %}Context: form.{% endcomment %}{# aside #}<svg><title>no</title></svg>", []),
        ("<button class='button' name='go'>Go on</button>", ["Go on"]),
        (
            "<a href='/x' title='Look here'{% if a %} aria-label=\"{% trans 'A' %}\"{% endif %}>{{ b }}</a>",
            ["Look here"],
        ),
        ("<input type='submit' value='Send'><input type='hidden' value='send'>", ["Send"]),
        ("{{ count }} of {{ all }}", ["of"]),
        ("SEG Console&nbsp;&mdash; the.tdc.queue", []),
    ],
)
def test_the_reader_of_templates_itself(source: str, words: list[str]) -> None:
    assert words_of_template(source) == words


@pytest.mark.parametrize(
    ("source", "faults"),
    [
        ('messages.success(request, _("Done."))', 0),
        ('messages.success(request, "Done.")', 1),
        ('messages.success(request, f"{success} done")', 1),
        ('messages.success(request, "%(n)d done" % {"n": 1})', 1),
        ('raise forms.ValidationError(_("No %(x)s.") % {"x": "yes"})', 0),
        ('raise ValidationError({"name": "Wrong name"})', 1),
        ('forms.CharField(label="Name", help_text=_("Short."))', 1),
        ('forms.CharField(error_messages={"required": "Enter it."})', 1),
        ('models.CharField("name", max_length=3)', 1),
        ('models.CharField(_("name"), max_length=3)', 0),
        ('class A(models.TextChoices):\n    B = "b", _("B side")', 0),
        ('class A(models.TextChoices):\n    B = "b", "B side"', 1),
        ('class A(models.TextChoices):\n    B = "b"', 1),
        ('class Meta:\n    verbose_name = "thing"', 1),
        ("raise forms.ValidationError(str(error)) from error", 1),
        ("raise forms.ValidationError(in_words(error)) from error", 0),
        ("title = f\"{_('Hidden')}\"", 1),
        ("from django.utils.translation import gettext as translate", 1),
        ("from django.utils.translation import gettext as _, ngettext", 0),
    ],
)
def test_the_reader_of_modules_itself(source: str, faults: int) -> None:
    assert len(words_of_module(source)) == faults
