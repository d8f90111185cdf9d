"""The delivery queue as rows, and what is known of every destination. The database is the queue of record; the moves
between states are in queue.py and nowhere else (docs/states.md)."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from seg_console.delivery import states
from seg_console.mail.models import Message

_OPEN = Q(state__in=sorted(states.OPEN))


class Delivery(models.Model):
    """One message to one destination: the original to one recipient domain, or a copy to its intake."""

    class State(models.TextChoices):
        QUEUED = states.State.QUEUED, _("Queued")
        DELIVERING = states.State.DELIVERING, _("Delivering")
        HELD = states.State.HELD, _("Held")
        DELIVERED = states.State.DELIVERED, _("Delivered")
        BOUNCED = states.State.BOUNCED, _("Hard Bounced")
        EXPIRED = states.State.EXPIRED, _("Expired")
        DELETED = states.State.DELETED, _("Deleted")

    message = models.ForeignKey(Message, on_delete=models.CASCADE, related_name="deliveries")
    kind = models.CharField(max_length=16)
    destination = models.CharField(max_length=255)  # the name Delivery Status shows
    domain = models.CharField(max_length=255)  # the name that is looked up
    address = models.CharField(max_length=320)  # a copy's intake address, else ""
    recipients = models.JSONField()  # [[RID, address], ...] still to be delivered
    recipient_count = models.IntegerField()
    size = models.BigIntegerField()  # octets of the stored body
    state = models.CharField(max_length=16, choices=State, default=State.QUEUED)
    attempt = models.IntegerField(default=0)  # attempts begun
    enqueued_at = models.DateTimeField()
    due_at = models.DateTimeField()
    expires_at = models.DateTimeField()  # no attempt begins after this
    lease_until = models.DateTimeField(null=True)  # while delivering: the worker's claim ends unless renewed
    ended_at = models.DateTimeField(null=True)
    last_status = models.CharField(max_length=16, blank=True)  # of the last failure: enhanced status, reply, text
    last_code = models.CharField(max_length=3, blank=True)
    last_text = models.TextField(blank=True)
    unanswered = models.BooleanField(default=False)  # some attempt sent the content and got no answer: it may be there

    class Meta:
        indexes = [
            # queue.claim: the next rows of one destination that are due.
            models.Index(
                fields=["kind", "domain", "due_at", "id"], name="delivery_to_claim", condition=Q(state="queued")
            ),
            # queue.leases_over: what a dead worker held.
            models.Index(fields=["lease_until"], name="delivery_leases", condition=Q(state="delivering")),
            # queue.expire: what has grown too old.
            models.Index(fields=["expires_at"], name="delivery_to_expire", condition=Q(state="queued")),
            # status.destinations: recipients waiting, by destination.
            models.Index(fields=["destination", "recipient_count"], name="delivery_active", condition=_OPEN),
            # status.details: what an administrator has to decide on.
            models.Index(fields=["destination"], name="delivery_held", condition=Q(state="held")),
            # queue.forget: what ended long ago.
            models.Index(fields=["ended_at"], name="delivery_ended", condition=Q(ended_at__isnull=False)),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(state__in=sorted(states.State)), name="delivery_state_known"),
            models.CheckConstraint(
                condition=Q(state="delivering", lease_until__isnull=False)
                | (~Q(state="delivering") & Q(lease_until__isnull=True)),
                name="delivery_lease_while_delivering",
            ),
            models.CheckConstraint(
                condition=(_OPEN & Q(ended_at__isnull=True)) | (~_OPEN & Q(ended_at__isnull=False)),
                name="delivery_ended_when_not_open",
            ),
            models.CheckConstraint(condition=Q(attempt__gte=0), name="delivery_attempt_not_negative"),
        ]

    def __str__(self) -> str:
        return f"Delivery {self.pk} of MID {self.message_id} to {self.destination}"


class HostStatus(models.Model):
    """Health and counters of one destination's hosts since they were first seen (TDC reference 8.2).

    Soft bounces count events, everything else recipients. Identities: hard bounced = dns + 5xx + filter + expired +
    other; completed = hard bounced + delivered + deleted. `unconfirmed` are those of the hard bounced that may have
    arrived, counted for copies alone.
    """

    class Status(models.TextChoices):
        UNKNOWN = "unknown", _("unknown")
        UP = "up", _("up")
        DOWN = "down", _("down")

    kind = models.CharField(max_length=16)
    domain = models.CharField(max_length=255)
    destination = models.CharField(max_length=255)
    status = models.CharField(max_length=8, choices=Status, default=Status.UNKNOWN)
    delivered = models.BigIntegerField(default=0)
    soft_bounced = models.BigIntegerField(default=0)
    dns_hard_bounced = models.BigIntegerField(default=0)
    reply_hard_bounced = models.BigIntegerField(default=0)  # 5XX Hard Bounces
    filter_hard_bounced = models.BigIntegerField(default=0)
    expired_hard_bounced = models.BigIntegerField(default=0)
    other_hard_bounced = models.BigIntegerField(default=0)
    unconfirmed = models.BigIntegerField(default=0)
    deleted = models.BigIntegerField(default=0)
    active_at = models.DateTimeField(null=True)  # last time anything happened here
    last_attempt_at = models.DateTimeField(null=True)
    next_probe_at = models.DateTimeField(null=True)  # while down: nothing is tried before this
    probe_wait_s = models.IntegerField(default=0)
    last_5xx_at = models.DateTimeField(null=True)
    last_5xx_text = models.TextField(blank=True)
    last_tls_at = models.DateTimeField(null=True)
    last_tls_text = models.TextField(blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["kind", "domain"], name="host_status_once")]
        indexes = [models.Index(fields=["destination"], name="host_status_by_destination")]

    def __str__(self) -> str:
        return f"{self.destination} ({self.domain}): {self.status}"

    @property
    def hard_bounced(self) -> int:
        return (
            self.dns_hard_bounced
            + self.reply_hard_bounced
            + self.filter_hard_bounced
            + self.expired_hard_bounced
            + self.other_hard_bounced
        )

    @property
    def completed(self) -> int:
        return self.hard_bounced + self.delivered + self.deleted
