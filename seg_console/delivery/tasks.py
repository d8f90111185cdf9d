"""The doorways for Celery: each checks nothing, decides nothing and calls one function."""

from __future__ import annotations

from datetime import timedelta

from celery import Task, shared_task
from django.utils import timezone

from seg_console.accounts import sessions
from seg_console.audit import retention as audit_retention
from seg_console.delivery import heartbeat, places, queue, stopping
from seg_console.delivery.drain import run_drain
from seg_console.delivery.nudge import pass_on
from seg_console.delivery.ordinary import OrdinaryKind
from seg_console.mail import retention, space

KEEP_ENDED = timedelta(days=3)


@shared_task(name="seg_console.delivery.tasks.drain", ignore_result=True, bind=True)
def drain(self: Task[..., None], queue_name: str) -> None:
    """Deliver what is announced for this queue. No limit of time: slow hosts may keep a drain, which goes on taking
    work, and against a hang of ours it has its own watchdog."""
    with places.one_of(self.request.hostname or queue_name) as has_place:
        if has_place:
            run_drain(queue_name, stopping=stopping.asked)
    if has_place and not stopping.asked():
        pass_on(queue_name)


@shared_task(name="seg_console.delivery.tasks.sweep", ignore_result=True, time_limit=120)
def sweep() -> None:
    """Find what nudges and dead workers left behind, and leave a sign of life."""
    queue.sweep(timezone.now())
    heartbeat.seen(OrdinaryKind.queue, timezone.now())


@shared_task(name="seg_console.delivery.tasks.housekeeping", ignore_result=True, time_limit=600)
def housekeeping() -> None:
    """Remove what is no longer needed: bodies once all is sent, deliveries that ended days ago, old tracking,
    entries of the audit log after a year, and sessions of the console whose time is over; and give its space back."""
    now = timezone.now()
    retention.drop_bodies()
    queue.forget(now - KEEP_ENDED)
    retention.drop_old(now)
    audit_retention.drop_old(now)
    sessions.tidy(now)
    space.give_back()
