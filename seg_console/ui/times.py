"""Times as the pages write them, in the reader's language (seg-webui 11.1, point 16), always in the gateway's own zone.

The command line writes them alike: it runs without translations, and so in English.
"""

from __future__ import annotations

from datetime import datetime

from django.utils import timezone
from django.utils.dateformat import format as date_format
from django.utils.translation import pgettext


def tracking_time(at: datetime) -> str:
    """`16 Feb 2024 21:19:22 (GMT -06:00)`: tracking results and processing details."""
    local = timezone.localtime(at)
    offset = f"{local:%z}"
    written = date_format(local, pgettext("date format, as of Django's date filter: tracking", "d M Y H:i:s"))
    return f"{written} (GMT {offset[:3]}:{offset[3:5]})"


def status_time(at: datetime) -> str:
    """`Thu Aug 13 14:29:42 2020 EDT`: Delivery Status and the command line."""
    local = timezone.localtime(at)
    return date_format(local, pgettext("date format, as of Django's date filter: status", "D M d H:i:s Y T"))
