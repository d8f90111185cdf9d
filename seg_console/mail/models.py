"""What the gateway keeps of a message: the envelope and summary, the body once, and a row for everything that
happened to it. Rows are kept after delivery: tracking is the product, and age alone removes them."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _

from seg_console.mail import values


class Sequence(models.Model):
    """The next unused MID, ICID or DCID; handed out in blocks (ids.take)."""

    name = models.CharField(max_length=4, primary_key=True)
    next = models.BigIntegerField(default=1)

    def __str__(self) -> str:
        return f"{self.name} {self.next}"


class Body(models.Model):
    """One accepted message as it goes on: gateway headers, then the message byte for byte but for fields named like
    them, CRLF line ends.

    Splinters share it, and so does the connector's copy, which is built around it when sent.
    """

    mid = models.BigIntegerField(primary_key=True)  # of the message that came in
    content = models.BinaryField()

    def __str__(self) -> str:
        return f"Body of MID {self.mid}"


class Message(models.Model):
    """One MID. The parts of a split message point to the MID that came in by `root_mid`."""

    class Direction(models.TextChoices):
        INCOMING = values.Direction.INCOMING, _("Incoming")
        OUTGOING = values.Direction.OUTGOING, _("Outgoing")

    class State(models.TextChoices):
        QUEUED = values.MessageState.QUEUED, _("Queued for Delivery")
        DELIVERED = values.MessageState.DELIVERED, _("Delivered")
        BOUNCED = values.MessageState.BOUNCED, _("Hard Bounced")
        DELETED = values.MessageState.DELETED, _("Deleted")
        SPLIT = values.MessageState.SPLIT, _("Split")
        ABORTED = values.MessageState.ABORTED, _("Aborted")

    mid = models.BigIntegerField(primary_key=True)
    root_mid = models.BigIntegerField()
    parent_mid = models.BigIntegerField(null=True)
    icid = models.BigIntegerField()  # 0: made by the gateway itself
    direction = models.CharField(max_length=8, choices=Direction)
    received_at = models.DateTimeField()
    interface = models.CharField(max_length=64)
    interface_ip = models.CharField(max_length=45)
    remote_ip = models.CharField(max_length=45)
    reverse_dns = models.CharField(max_length=255)
    reverse_dns_verified = models.BooleanField(default=False)
    envelope_sender = models.CharField(max_length=320)  # least quoted, as it is searched for
    sender_as_given = models.CharField(max_length=320, default="")  # "": as envelope_sender
    subject = models.TextField(null=True)  # None: no such header
    message_id_header = models.CharField(max_length=998)
    size = models.BigIntegerField()  # octets of the body as it goes on
    policy_name = models.CharField(max_length=255)
    verdict = models.CharField(max_length=16, default=values.Verdict.CLEAN)
    state = models.CharField(max_length=16, choices=State, default=State.QUEUED)
    outstanding = models.IntegerField(default=0)  # deliveries, original and copy, that have not ended
    finished_at = models.DateTimeField(null=True)
    body = models.ForeignKey(Body, null=True, on_delete=models.SET_NULL, related_name="messages")

    class Meta:
        indexes = [
            # Message Tracking walks newest first within a time range.
            models.Index(fields=["received_at", "root_mid"], name="message_by_time"),
            # All parts of what came in as one message.
            models.Index(fields=["root_mid"], name="message_by_root"),
            models.Index(Lower("message_id_header"), name="message_by_id"),
            models.Index(Lower("envelope_sender"), name="message_by_sender"),
        ]
        constraints = [
            models.CheckConstraint(condition=models.Q(outstanding__gte=0), name="message_outstanding_not_negative"),
        ]

    def __str__(self) -> str:
        return f"MID {self.mid}"


class Recipient(models.Model):
    """One RCPT TO of one MID; `rid` counts from 0 within it. `address` is least quoted, as it is searched for; its
    delivery has it as it was given."""

    class State(models.TextChoices):
        QUEUED = values.RecipientState.QUEUED, _("Queued for Delivery")
        DELIVERED = values.RecipientState.DELIVERED, _("Delivered")
        BOUNCED = values.RecipientState.BOUNCED, _("Hard Bounced")
        DELETED = values.RecipientState.DELETED, _("Deleted")

    message = models.ForeignKey(Message, on_delete=models.CASCADE, related_name="recipients")
    rid = models.IntegerField()
    address = models.CharField(max_length=320)
    state = models.CharField(max_length=16, choices=State, default=State.QUEUED)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["message", "rid"], name="recipient_rid_once")]
        indexes = [models.Index(Lower("address"), name="recipient_by_address")]

    def __str__(self) -> str:
        return f"MID {self.message_id} RID {self.rid}"


class TrackingEvent(models.Model):
    """One event of one message (events.MessageEvent), kept as it happened."""

    message = models.ForeignKey(Message, on_delete=models.CASCADE, related_name="events")
    at = models.DateTimeField()
    kind = models.CharField(max_length=32)
    data = models.JSONField()

    def __str__(self) -> str:
        return f"MID {self.message_id} {self.kind}"


class MailCounter(models.Model):
    """Counters of one hour. Several rows an hour, one per `shard`, so that processes do not wait for each other's
    row; a reader adds them up."""

    hour = models.DateTimeField()
    shard = models.IntegerField()
    received_messages = models.BigIntegerField(default=0)
    received_recipients = models.BigIntegerField(default=0)
    received_bytes = models.BigIntegerField(default=0)
    refused_recipients = models.BigIntegerField(default=0)
    aborted_messages = models.BigIntegerField(default=0)
    generated_bounces = models.BigIntegerField(default=0)
    delivered_recipients = models.BigIntegerField(default=0)
    soft_bounced_events = models.BigIntegerField(default=0)
    hard_bounced_recipients = models.BigIntegerField(default=0)
    deleted_recipients = models.BigIntegerField(default=0)
    copies_queued = models.BigIntegerField(default=0)
    copies_delivered = models.BigIntegerField(default=0)
    copies_delayed = models.BigIntegerField(default=0)
    copies_failed = models.BigIntegerField(default=0)
    copies_unconfirmed = models.BigIntegerField(default=0)  # given up, but may have arrived; not among the failed

    class Meta:
        constraints = [models.UniqueConstraint(fields=["hour", "shard"], name="mail_counter_once")]

    def __str__(self) -> str:
        return f"{self.hour:%Y-%m-%d %H} #{self.shard}"
