"""TLS towards other servers: what a destination demands, who we say we are, and one context per process for each."""

from __future__ import annotations

import logging
import ssl
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache

from seg_console.certificates.contexts import load_pair

logger = logging.getLogger(__name__)


class TlsMode(StrEnum):
    """Destination Controls' choices for delivery (TDC reference 7.2)."""

    NONE = "none"
    PREFERRED = "preferred"  # clear text if it is not to be had before the 220 reply, never after
    REQUIRED = "required"
    REQUIRED_VERIFY = "required_verify"


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    """What a server that asks for a certificate is shown, as PEM texts; the chain begins with our own certificate."""

    chain: str
    key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class TlsDemand:
    """`ca_certificates`: PEM text of authorities trusted besides the system's. `shows`: None for no certificate."""

    mode: TlsMode
    ca_certificates: str = ""
    shows: ClientCertificate | None = field(default=None, repr=False)

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
    if demand.shows:
        _show(demand.shows, context)
    return context


def _show(shown: ClientCertificate, context: ssl.SSLContext) -> None:
    """A pair is tried before it is committed. Should another OpenSSL refuse it one day, mail goes on without it: few
    servers ask for a certificate."""
    try:
        load_pair(context, chain=shown.chain, key=shown.key)
    except ssl.SSLError as error:
        logger.error("deliveries show no certificate, OpenSSL refuses the one chosen: %s", error.reason or error)


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
