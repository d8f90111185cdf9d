"""Headers as real senders write them, each with what a mail client reads in it.

`real_headers.jsonl` has one on each line: `what` it shows, the `header` (its characters are the octets), and the fields
of `Headers` that must be read. They were made for this test; the readings are the texts that went in.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from seg_console.mail.headers import read_headers

CORPUS = Path(__file__).with_name("real_headers.jsonl").read_text(encoding="utf-8").splitlines()
ENTRIES: list[dict[str, Any]] = [json.loads(line) for line in CORPUS]


def test_no_header_stands_twice_in_the_corpus() -> None:
    assert len({entry["header"] for entry in ENTRIES}) == len(ENTRIES) >= 300


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry["what"])
def test_headers_of_real_senders_are_read_as_mail_clients_read_them(entry: dict[str, Any]) -> None:
    wanted = {name: value for name, value in entry.items() if name not in ("what", "header")}
    headers = read_headers(entry["header"].encode("latin-1") + b"\r\nSubject: body\r\n")._asdict()
    assert {name: headers[name] for name in wanted} == wanted
