"""What the running configuration says of certificates, as frozen values."""

from __future__ import annotations

from dataclasses import dataclass, field

from seg_console.certificates.document import CERTIFICATES, of_name
from seg_console.config.document import Document


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate chain and its key, as PEM texts; the chain begins with the certificate that the key belongs to."""

    name: str
    chain: str
    key: str = field(repr=False)


def named(configuration: Document, name: str) -> Pair | None:
    """The certificate of that name, whatever its case; None for "", and for one that is not there."""
    # From the plain JSON: what was right when it was committed is used, whatever rules have come since.
    found = of_name(name, configuration.plain(CERTIFICATES)) if name else None
    return Pair(found["name"], found["certificate"], found["private_key"]) if found else None
