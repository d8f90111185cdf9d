"""Benchmarks against a private Postfix, on loopback only: `python -m seg_console.bench`."""

from __future__ import annotations
