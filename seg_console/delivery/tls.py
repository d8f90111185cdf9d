"""TLS towards other servers: what a destination demands, and one context per process for each such demand."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache


class TlsMode(StrEnum):
    """Destination Controls' choices for delivery (TDC reference 7.2)."""

    NONE = "none"
    PREFERRED = "preferred"  # clear text if it is not to be had before the 220 reply, never after
    REQUIRED = "required"
    REQUIRED_VERIFY = "required_verify"


@dataclass(frozen=True, slots=True)
class TlsDemand:
    """`ca_certificates`: PEM text of authorities trusted besides the system's."""

    mode: TlsMode
    ca_certificates: str = ""

    @property
    def required(self) -> bool:
        return self.mode in {TlsMode.REQUIRED, TlsMode.REQUIRED_VERIFY}


@lru_cache(maxsize=32)
def context_for(demand: TlsDemand) -> ssl.SSLContext:
    """The context for a demand, TLS 1.2 or newer. Kept, because building one costs more than a handshake.

    Raises ssl.SSLError when the PEM text holds no certificate that can be read.
    """
    context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if demand.mode is not TlsMode.REQUIRED_VERIFY:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if demand.ca_certificates.strip():
        context.load_verify_locations(cadata=demand.ca_certificates)
    return context


def chain_of(secured: ssl.SSLObject) -> tuple[bytes, ...]:
    """The certificates that the other side sent, in DER, its own first; whether they hold is another question."""
    # Before Python 3.13 only the object underneath can tell the whole chain.
    tell = getattr(secured, "get_unverified_chain", None) or getattr(
        getattr(secured, "_sslobj", None), "get_unverified_chain", None
    )
    found = tell() if tell else None
    if not found:
        own = secured.getpeercert(binary_form=True)
        return (own,) if own else ()
    return tuple(one if isinstance(one, bytes) else ssl.PEM_cert_to_DER_cert(one.public_bytes()) for one in found)
