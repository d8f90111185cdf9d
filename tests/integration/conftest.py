"""What every test with a database needs."""

from __future__ import annotations

import pytest

from seg_console.config import running


@pytest.fixture(autouse=True)
def _nothing_held() -> None:
    """The running configuration of the test before is not this one's."""
    running.forget()
