"""The tables of delivery: the queue with what is known of every destination, and what an administrator sets."""

from __future__ import annotations

from seg_console.delivery.models.configuration import (
    ALL,
    DEFAULT_PROFILE,
    LONGEST_DOMAIN,
    LONGEST_NAME,
    MOST_CONNECTIONS,
    MOST_MESSAGES_PER_CONNECTION,
    MOST_MINUTES,
    MOST_RECIPIENTS,
    MOST_RECIPIENTS_PER_TRANSACTION,
    BounceProfile,
    BounceRules,
    ConversionSupport,
    DestinationControl,
    DestinationControlSettings,
    DnsSettings,
    IpSupport,
    NamedBounceProfile,
    SmtpRoute,
    TlsSupport,
)
from seg_console.delivery.models.queue import Delivery, HostStatus

__all__ = [
    "ALL",
    "DEFAULT_PROFILE",
    "LONGEST_DOMAIN",
    "LONGEST_NAME",
    "MOST_CONNECTIONS",
    "MOST_MESSAGES_PER_CONNECTION",
    "MOST_MINUTES",
    "MOST_RECIPIENTS",
    "MOST_RECIPIENTS_PER_TRANSACTION",
    "BounceProfile",
    "BounceRules",
    "ConversionSupport",
    "Delivery",
    "DestinationControl",
    "DestinationControlSettings",
    "DnsSettings",
    "HostStatus",
    "IpSupport",
    "NamedBounceProfile",
    "SmtpRoute",
    "TlsSupport",
]
