"""Times as the pages and the command line write them (seg-webui 11.1, point 16). Always in the gateway's own zone."""

from __future__ import annotations

from datetime import datetime

from django.utils import timezone


def tracking_time(at: datetime) -> str:
    """`16 Feb 2024 21:19:22 (GMT -06:00)`: tracking results and processing details."""
    local = timezone.localtime(at)
    offset = f"{local:%z}"
    return f"{local:%d %b %Y %H:%M:%S} (GMT {offset[:3]}:{offset[3:5]})"


def status_time(at: datetime) -> str:
    """`Thu Aug 13 14:29:42 2020 EDT`: Delivery Status and the command line."""
    return f"{timezone.localtime(at):%a %b %d %H:%M:%S %Y %Z}"
