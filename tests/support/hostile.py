"""What nobody types in good faith: markup, formulas, characters that hide what they are, too much of anything."""

from __future__ import annotations

# For names, addresses and lists of them.
HOSTILE_TEXTS = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "{{ 7|add:7 }}{% load x %}",
    "=HYPERLINK(1)",
    "a\u202eb",
    "a\x00b",
    "a\x07b\x1b[31m",
    "\ud7ff\uffff",
    "../../etc/passwd",
    "a" * 5_000,
]
# For fields that take one domain, one number or one of some choices.
HOSTILE_VALUES = [
    "<script>alert(1)</script>",
    "a\tb\x07c.example",
    "a\u202eelpmaxe.example",
    "=HYPERLINK(1)",
    "'; DROP TABLE x",
    "x" * 1_000_000,
]
