"""The result of a Test Connection that nobody ran, for pages that show one."""

from __future__ import annotations

import time
import uuid
from uuid import UUID

from django.utils import timezone

from seg_console.delivery.broker import client
from tdc.test_connection import run

STEPS = (
    {"step": "resolve", "ok": True, "seconds": 0.012, "text": "mx.intake.example (192.0.2.25:25)", "ran_out": False},
    {
        "step": "connect",
        "ok": True,
        "seconds": 0.034,
        "text": "mx.intake.example (192.0.2.25:25) from 10.0.0.5",
        "ran_out": False,
    },
    {
        "step": "starttls",
        "ok": False,
        "seconds": 0.2,
        "text": "certificate verify failed: certificate has expired",
        "ran_out": False,
    },
)


def ended() -> UUID:
    """The key of a test that failed at the certificate, kept as a worker keeps it."""
    until = timezone.now().isoformat()
    certificate = run.Certificate("CN=mx.intake.example", "CN=Some Authority,O=Somebody", until, is_valid=False)
    report = run.Report(
        address="id@intake.example",
        sends_copy=False,
        checked=True,
        asked_at=time.time(),
        begun=True,
        ended=True,
        steps=STEPS,
        certificates=(certificate,),
    )
    key = uuid.uuid4()
    redis = client()
    run.keep(redis, key, report)
    redis.close()
    return key
