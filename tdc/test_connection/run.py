"""Test Connection: what a worker finds out about the way to a message intake, kept in Redis for a few minutes.

The console asks and looks; a worker of the connector's queue does it, with the code that sends the copies.
"""

from __future__ import annotations

import json
import time
import uuid
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from functools import cache
from typing import Any, Final
from uuid import UUID

from celery import Celery
from django.conf import settings
from django.utils import timezone
from kombu.exceptions import OperationalError
from redis import Redis
from redis.exceptions import RedisError

from seg_console.certificates.pem import outlined_der
from seg_console.config import running
from seg_console.config.models import Configuration
from seg_console.config.pending_set import running_of
from seg_console.config.running import Running, supposing
from seg_console.delivery import cancelling
from seg_console.delivery.broker import TIMEOUT_S, client
from seg_console.delivery.kinds import Claimed, Destination, kind
from seg_console.delivery.nexthop import Resolver
from seg_console.delivery.rehearsal import WHOLE_S, Plan, Rehearsal, Told
from seg_console.delivery.running import dns, routes
from seg_console.delivery.session import Envelope
from seg_console.delivery.tls import TlsMode
from seg_console.mail.addresses import domain_of
from seg_console.mail.headers import read_headers
from seg_console.mail.lines import visible
from tdc.journal import is_eight_bit
from tdc.kind import NAME

MOST_AT_ONCE: Final = 3
KEPT_S: Final = 900
# A worker that has not begun by now is busy or not there.
SILENT_AFTER_S: Final = 5.0
# A test that nobody began by then is not begun any more.
ASKED_FOR_S: Final = 60
TASK: Final = "tdc.tasks.test_connection"
MOST_CERTIFICATES: Final = 10
LONGEST_TEXT: Final = 2_000
MARK: Final = "X-SEG-Console-Test: connection"


class Unavailable(RuntimeError):
    """Redis does not answer, so no worker can be asked."""


class TooMany(RuntimeError):
    """As many tests run as may at once."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """One certificate of the chain that the intake sent; times as ISO 8601."""

    subject: str
    issuer: str
    valid_until: str
    is_valid: bool
    names_issuer_key: bool = True


@dataclass(frozen=True, slots=True)
class Report:
    """What is known so far. `checked`: whether the settings ask for the certificate to be verified.

    `ended` is False while more may come; `error` is what kept the worker from trying at all.
    """

    address: str
    sends_copy: bool
    checked: bool
    asked_at: float
    begun: bool = False
    ended: bool = False
    error: str = ""
    steps: tuple[dict[str, Any], ...] = ()
    certificates: tuple[Certificate, ...] = ()

    @property
    def succeeded(self) -> bool:
        return self.ended and not self.error and all(step["ok"] for step in self.steps)

    def is_silent(self, now: float) -> bool:
        """Whether no worker has begun for so long that it should be said. `now` in seconds since the epoch."""
        return not self.begun and now - self.asked_at > SILENT_AFTER_S

    def is_lost(self, now: float) -> bool:
        """Whether nothing will come any more."""
        return not self.ended and now - self.asked_at > ASKED_FOR_S + WHOLE_S


def ask(address: str, *, configuration: Configuration, sends_copy: bool) -> UUID:
    """Have a worker test the way to an address as `configuration` would have it. Raises Unavailable and TooMany."""
    key = uuid.uuid4()
    is_committed = configuration.number is not None
    checked = _running(None if is_committed else configuration.pk)
    with supposing(checked):
        terms = kind(NAME).terms(domain_of(address))
    report = Report(
        address=address,
        sends_copy=sends_copy,
        checked=terms.tls.mode is TlsMode.REQUIRED_VERIFY,
        asked_at=time.time(),
    )
    redis = client()
    try:
        _take_place(redis, key)
        keep(redis, key, report)
        _publisher().send_task(
            TASK, [str(key), None if is_committed else configuration.pk], queue=NAME, expires=ASKED_FOR_S, retry=False
        )
    except (RedisError, OperationalError, OSError) as error:
        raise Unavailable from error
    finally:
        redis.close()
    return key


def found(key: UUID) -> Report | None:
    """None for a test that nobody asked for or whose time is over. Raises Unavailable."""
    redis = client()
    try:
        return _read(redis, key)
    except (RedisError, OSError) as error:
        raise Unavailable from error
    finally:
        redis.close()


def run(key: UUID, configuration: int | None) -> None:
    """The worker's part: try, and keep each step as it ends. `configuration`: a pending set, None for the committed."""
    redis = client()
    try:
        report = _read(redis, key)
        if report is None or report.begun:
            return
        writer = _Writer(redis, key, replace(report, begun=True))
        try:
            _try(writer, _running(configuration))
        except Exception as error:
            writer.put(error=f"{type(error).__name__}: {error}"[:LONGEST_TEXT])
            raise
        finally:
            writer.put(ended=True)
            redis.zrem(_PLACES, str(key))
    finally:
        redis.close()


class _Writer:
    """The report as it grows."""

    def __init__(self, redis: Redis, key: UUID, report: Report) -> None:
        self._redis, self._key = redis, key
        self.report = report
        self.put()

    def put(self, **changes: Any) -> None:
        self.report = replace(self.report, **changes)
        keep(self._redis, self._key, self.report)

    def told(self, told: Told) -> None:
        step = {
            "step": told.step.value,
            "ok": told.ok,
            "seconds": round(told.seconds, 3),
            "text": "\n".join(visible(line) for line in told.text[:LONGEST_TEXT].splitlines()),
            "ran_out": told.ran_out,
        }
        self.put(steps=(*self.report.steps, step))


def _try(writer: _Writer, configuration: Running) -> None:
    address, domain = writer.report.address, domain_of(writer.report.address)
    now = timezone.now()
    of_kind = kind(NAME)
    with supposing(configuration):
        claimed = _claimed(address, now)
        content = of_kind.content(claimed, now)
        plan = Plan(
            domain=domain,
            terms=of_kind.terms(domain),
            timeouts=of_kind.timeouts,
            hostname=settings.SEG_HOSTNAME,
            envelope=Envelope(of_kind.sender(claimed), (address,), content, is_eight_bit(content)),
            sends=writer.report.sends_copy,
        )
    lookup = configuration.value(dns)
    resolver = Resolver(lookup.servers, timeout_s=lookup.timeout_s, hostname=settings.SEG_HOSTNAME)
    rehearsal = Rehearsal(plan, writer.told)
    cancelling.run(rehearsal.run(resolver, configuration.value(routes)))
    writer.put(certificates=_certificates(rehearsal.chain, now))


def _certificates(chain: tuple[bytes, ...], now: datetime) -> tuple[Certificate, ...]:
    read = [outlined_der(data) for data in chain[:MOST_CERTIFICATES]]
    return tuple(
        Certificate(one.subject, one.issuer, one.valid_until.isoformat(), one.is_valid(now), one.names_issuer_key)
        for one in read
        if one
    )


def _claimed(address: str, now: datetime) -> Claimed:
    """The copy of a message that nobody sent, marked in its subject and in a header of its own."""
    sender = f"postmaster@{settings.SEG_HOSTNAME}"
    original = (
        f"From: SEG Console <{sender}>\r\nTo: {sender}\r\nSubject: Connection test of the Threat Defense Connector\r\n"
        f"Date: {now:%a, %d %b %Y %H:%M:%S +0000}\r\nMessage-ID: <{uuid.uuid4()}@{settings.SEG_HOSTNAME}>\r\n"
        f"{MARK}\r\n\r\nThis is a test. Nobody sent this message, and nobody received it.\r\n"
    ).encode("ascii")
    headers = read_headers(original)
    return Claimed(
        id=0,
        mid=0,
        destination=Destination(NAME, domain_of(address)),
        address=address,
        attempt=1,
        recipients=((0, address),),
        size=len(original),
        enqueued_at=now,
        expires_at=now,
        envelope_sender=sender,
        subject=headers.subject,
        message_id=headers.message_id or "",
        icid=0,
        content=original,
        envelope=(sender,),
    )


def _running(configuration: int | None) -> Running:
    if configuration is None:
        return running.current()
    return running_of(Configuration.objects.get(pk=configuration))


# --- Redis

_PLACES: Final = "seg:connection-tests"
# A place that its test did not give back, because its worker died.
_PLACE_S: Final = ASKED_FOR_S + WHOLE_S


def _take_place(redis: Redis, key: UUID) -> None:
    """Raises TooMany."""
    now = time.time()
    redis.zremrangebyscore(_PLACES, "-inf", now - _PLACE_S)
    redis.zadd(_PLACES, {str(key): now})
    rank = redis.zrank(_PLACES, str(key))
    if isinstance(rank, int) and rank >= MOST_AT_ONCE:
        redis.zrem(_PLACES, str(key))
        raise TooMany
    redis.expire(_PLACES, KEPT_S)


def keep(redis: Redis, key: UUID, report: Report) -> None:
    """Store what is known so far, for KEPT_S from now. Raises RedisError."""
    redis.set(_name(key), json.dumps(asdict(report)), ex=KEPT_S)


def _read(redis: Redis, key: UUID) -> Report | None:
    text = redis.get(_name(key))
    if not isinstance(text, bytes):
        return None
    values = json.loads(text)
    return Report(
        **values
        | {
            "steps": tuple(values["steps"]),
            "certificates": tuple(Certificate(**one) for one in values["certificates"]),
        }
    )


def _name(key: UUID) -> str:
    return f"seg:connection-test:{key}"


@cache
def _publisher() -> Celery:
    """Publishes only, and gives up soon: whoever asks is waiting for a page."""
    return Celery(
        "seg_console",
        broker=settings.SEG_REDIS_URL.replace("unix://", "redis+socket://", 1),
        set_as_current=False,
        broker_transport_options={"socket_timeout": TIMEOUT_S * 4, "socket_connect_timeout": TIMEOUT_S},
        broker_connection_retry=False,
        task_ignore_result=True,
    )
