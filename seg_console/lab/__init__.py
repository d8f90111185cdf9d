"""Mail servers to try the gateway against: two intakes and a mailbox, on loopback, and sample mail for them."""

from __future__ import annotations
