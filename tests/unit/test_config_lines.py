"""On which line of a file a path stands."""

from __future__ import annotations

import pytest

from seg_console.config.lines import lines_of

TEXT = """{
  "format": 1,
  "smtp_routes": [
    {"domain": "a.example", "hosts":
      [{"host": "x",
        "port": 0}]},
    {"domain": "b]\\"}.example"}
  ],
  "dns":
    {"timeout": 0}
}"""


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("format", 2),
        ("smtp_routes", 3),
        ("smtp_routes[0]", 4),
        ("smtp_routes[0].hosts", 4),
        ("smtp_routes[0].hosts[0].port", 6),
        ("smtp_routes[1].domain", 7),
        ("dns", 9),
        ("dns.timeout", 10),
    ],
)
def test_a_path_stands_where_its_key_is(path: str, line: int) -> None:
    assert lines_of(TEXT, [path]) == {path: line}


def test_a_key_that_is_missing_has_the_line_of_its_object() -> None:
    assert lines_of(TEXT, ["smtp_routes[1].hosts", "listener.max_recipients"]) == {
        "smtp_routes[1].hosts": 7,
        "listener.max_recipients": 1,
    }


@pytest.mark.parametrize("text", ["", "{", "[1, 2]", "null", '{"a": [1,', "[" * 100_000, "1" * 5_000])
def test_text_of_another_kind_breaks_nothing(text: str) -> None:
    assert set(lines_of(text, ["a[1].b", ""])) <= {"a[1].b"}
