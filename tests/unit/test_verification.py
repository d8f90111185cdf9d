"""Which refusals of a certificate come from the strict checks of Python 3.13 and newer."""

from __future__ import annotations

import pytest

from seg_console.delivery.verification import StrictFault, strict_fault


@pytest.mark.parametrize("fault", StrictFault)
def test_a_fault_is_known_by_openssls_words(fault: StrictFault) -> None:
    assert strict_fault(f"mx.example (192.0.2.1:25)\ncertificate verify failed: {fault.value}") is fault


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Missing Authority Key Identifier",
        "certificate verify failed: certificate has expired",
        "Connection refused",
    ],
)
def test_anything_else_is_no_such_fault(text: str) -> None:
    assert strict_fault(text) is None
