"""Why a certificate was refused that older Pythons took: from 3.13 on OpenSSL checks strictly (VERIFY_X509_STRICT).

Private authorities' certificates often leave out what RFC 5280 demands of them.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

REFUSED: Final = "certificate verify failed: "


class StrictFault(StrEnum):
    """What only the strict checks find, in OpenSSL's words (X509_verify_cert_error_string, OpenSSL 3)."""

    NO_AUTHORITY_KEY = "Missing Authority Key Identifier"
    NO_SUBJECT_KEY = "Missing Subject Key Identifier"
    AUTHORITY_KEY_CRITICAL = "Authority Key Identifier marked critical"
    SUBJECT_KEY_CRITICAL = "Subject Key Identifier marked critical"
    CONSTRAINTS_NOT_CRITICAL = "Basic Constraints of CA cert not marked critical"
    NO_KEY_USAGE = "CA cert does not include key usage extension"
    PATH_WITHOUT_KEY_USAGE = "Path length given without key usage keyCertSign"
    SIGNS_WITHOUT_BEING_CA = "Key usage keyCertSign invalid for non-CA cert"
    EMPTY_ALTERNATIVE = "Empty Subject Alternative Name extension"


def strict_fault(text: str) -> StrictFault | None:
    """The fault in the reason of a refused handshake; None for any other reason."""
    reason = text.rpartition(REFUSED)[2].strip()
    return next((fault for fault in StrictFault if REFUSED in text and reason.startswith(fault)), None)
