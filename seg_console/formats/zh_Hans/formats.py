"""Simplified Chinese: 1,234,567, as Chinese consoles and Cisco's material write it; Django's data has no separator."""

from __future__ import annotations

THOUSAND_SEPARATOR = ","
NUMBER_GROUPING = 3
