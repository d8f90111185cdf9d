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


class Refusal(models.Model):
    """Somebody or something that the listener turned away: one row for each recipient where there were recipients.

    `sender` and `recipient` are as the client gave them, which may be no address, controls written out; "" where there
    were none. `sender_group` is "" where only the last row of the Host Access Table matched.
    """

    class Kind(models.TextChoices):
        HOST_REJECTED = values.RefusalKind.HOST_REJECTED, _("Host rejected")
        HOST_REFUSED = values.RefusalKind.HOST_REFUSED, _("Host refused without an answer")
        CONNECTION_LIMIT = values.RefusalKind.CONNECTION_LIMIT, _("Too many connections")
        NOT_PROXIED = values.RefusalKind.NOT_PROXIED, _("Not through a proxy")
        MESSAGE_LIMIT = values.RefusalKind.MESSAGE_LIMIT, _("Too many messages in a connection")
        INVALID_SENDER = values.RefusalKind.INVALID_SENDER, _("Invalid sender address")
        TLS_MISSING = values.RefusalKind.TLS_MISSING, _("No TLS where it is required")
        PARAMETER = values.RefusalKind.PARAMETER, _("SMTP parameter not supported")
        RECIPIENT = values.RefusalKind.RECIPIENT, _("Recipient refused")
        INVALID_RECIPIENT = values.RefusalKind.INVALID_RECIPIENT, _("Invalid recipient address")
        THROTTLED = values.RefusalKind.THROTTLED, _("Too many recipients in an hour")
        TOO_MANY = values.RefusalKind.TOO_MANY, _("Too many recipients in a message")
        OVERSIZE = values.RefusalKind.OVERSIZE, _("Message too large")
        LOOP = values.RefusalKind.LOOP, _("Message loop")
        CONTENT = values.RefusalKind.CONTENT, _("Message content refused")
        NO_SPACE = values.RefusalKind.NO_SPACE, _("No space for the message")
        ABORTED = values.RefusalKind.ABORTED, _("Message never finished")

    AT_RCPT = (Kind.PARAMETER, Kind.RECIPIENT, Kind.INVALID_RECIPIENT, Kind.THROTTLED, Kind.TOO_MANY)
    """What befalls a recipient at RCPT."""

    at = models.DateTimeField()
    kind = models.CharField(max_length=24, choices=Kind)
    icid = models.BigIntegerField()
    mid = models.BigIntegerField(null=True)  # None: there was no message yet
    remote_ip = models.CharField(max_length=45)
    reverse_dns = models.CharField(max_length=255)
    reverse_dns_verified = models.BooleanField(default=False)
    helo = models.CharField(max_length=255)
    sender = models.CharField(max_length=320)
    recipient = models.CharField(max_length=320)
    sender_group = models.CharField(max_length=64)
    code = models.SmallIntegerField()  # 0: not a word was said
    reply = models.TextField()  # as sent, without the code, lines parted by LF

    class Meta:
        indexes = [
            models.Index(fields=["at"], name="refusal_by_time"),
            models.Index(fields=["mid"], name="refusal_by_mid"),
            models.Index(fields=["remote_ip", "at"], name="refusal_by_client"),
            models.Index(Lower("sender"), "at", name="refusal_by_sender"),
            models.Index(Lower("recipient"), "at", name="refusal_by_recipient"),
        ]

    def __str__(self) -> str:
        return f"ICID {self.icid} {self.kind}"


class RefusalOverflow(models.Model):
    """How many refusals of one kind a client had in one minute beyond those that were kept as rows.

    `client` is an IPv4 address, the network of an IPv6 address, or "" for all who were too many to be told apart.
    """

    minute = models.DateTimeField()
    client = models.CharField(max_length=49)
    kind = models.CharField(max_length=24, choices=Refusal.Kind)
    more = models.BigIntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["minute", "client", "kind"], name="refusal_overflow_once")]

    def __str__(self) -> str:
        return f"{self.minute:%Y-%m-%d %H:%M} {self.client} {self.kind}"


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
