"""SEG Console: a mail gateway with an administrator's web console."""

from __future__ import annotations

VERSION = "0.1.0"
