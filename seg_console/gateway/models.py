"""What an administrator sets about the way in: who may connect, who may receive, the listener's limits, and who relays
mail to it."""

from __future__ import annotations

import uuid

from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _

from seg_console.certificates.models import LONGEST_CERTIFICATE_NAME
from seg_console.config.models import ConfigurationObject
from seg_console.gateway.host_access import ALL, LONGEST_ENTRY

LONGEST_GROUP_NAME = 64
LONGEST_COMMENT = 200
# The name stands in a line of the mail log, between words.
GROUP_NAME_PATTERN = r"[A-Za-z0-9_-]+"
GROUP_NAME_RULE = _("Use the letters A to Z, digits, hyphens and underscores.")
# The last row of the Host Access Table has no entries and is in every set, though perhaps not as a row.
ALL_UID = uuid.uuid5(uuid.NAMESPACE_OID, "host_access:ALL")
LAST_POSITION = 2_147_483_647
LONGEST_RECIPIENT = 320
# Of an IPv6 address whose last part is written as IPv4.
LONGEST_IP_ADDRESS = 45
LONGEST_RESPONSE = 400
LONGEST_DEFAULT_DOMAIN = 253
# All that ASCII has beside letters and digits.
MOST_REJECT_CHARACTERS = 32
REJECT_CHARACTERS = "%!@"
LONGEST_HEADER_NAME = 64
MOST_HOPS = 50


def _between(least: int, most: int) -> list[MinValueValidator | MaxValueValidator]:
    return [MinValueValidator(least), MaxValueValidator(most)]


class Action(models.TextChoices):
    ACCEPT = "accept", _("Accept")
    REJECT = "reject", _("Reject")


class RecipientAccess(ConfigurationObject):
    """A row of the Recipient Access Table (seg-webui 8.5); the first match decides, and no match is refused.

    `recipient`: `example.com`, `.example.com` (sub-domains), `user@example.com` or `user@`. `position` is sparse (see
    config.order). `response_code` None: the ordinary answer.
    """

    identity = "recipient"

    recipient = models.CharField(_("Recipient Address"), max_length=LONGEST_RECIPIENT)
    position = models.IntegerField(_("Order"))
    action = models.CharField(_("Action"), max_length=10, choices=Action, default=Action.ACCEPT)
    response_code = models.PositiveIntegerField(_("Response code"), null=True, blank=True)
    response_text = models.CharField(_("Response text"), max_length=LONGEST_RESPONSE, blank=True)

    class Meta:
        verbose_name = _("Recipient Access")
        verbose_name_plural = _("Recipient Access Table")
        constraints = [
            *ConfigurationObject.Meta.constraints,
            models.UniqueConstraint(
                "configuration",
                Lower("recipient"),
                name="gateway_recipientaccess_recipient",
                violation_error_message=_("That recipient is in the table already."),
            ),
            models.CheckConstraint(condition=Q(action__in=Action.values), name="gateway_recipientaccess_action"),
            models.CheckConstraint(
                condition=Q(response_code__isnull=True, response_text="")
                | Q(action=Action.ACCEPT, response_code__gte=200, response_code__lte=299)
                | Q(action=Action.REJECT, response_code__gte=400, response_code__lte=599),
                name="gateway_recipientaccess_response",
                violation_error_message=_("Give a code from 200 to 299 to accept, from 400 to 599 to reject."),
            ),
        ]


class HostAction(models.TextChoices):
    ACCEPT = "accept", _("Accept")
    REJECT = "reject", _("Reject")
    REFUSE = "refuse", _("TCP Refuse")


class ClientTls(models.TextChoices):
    NONE = "none", _("No")
    PREFERRED = "preferred", _("Preferred")
    REQUIRED = "required", _("Required")


class SenderGroup(ConfigurationObject):
    """A row of the Host Access Table (seg-webui 8.4); the first group with an entry for the host decides.

    `entries` are as `host_access.check_entry` returns them. `response` "": the ordinary refusal. A limit of None is the
    listener's own, where it has one. `position` is sparse (see config.order); that of the row ALL is the last.
    """

    identity = "name"

    name = models.CharField(
        _("Sender Group"),
        max_length=LONGEST_GROUP_NAME,
        validators=[RegexValidator(rf"\A{GROUP_NAME_PATTERN}\Z", GROUP_NAME_RULE)],
    )
    position = models.IntegerField(_("Order"))
    comment = models.CharField(_("Comment"), max_length=LONGEST_COMMENT, blank=True)
    entries = models.JSONField(_("Senders"), default=list, blank=True)
    action = models.CharField(_("Action"), max_length=10, choices=HostAction, default=HostAction.ACCEPT)
    response = models.CharField(_("Response text"), max_length=LONGEST_RESPONSE, blank=True)
    max_connections_per_client = models.PositiveIntegerField(
        _("Maximum concurrent connections from one client"), null=True, blank=True, validators=_between(1, 10_000)
    )
    max_messages_per_connection = models.PositiveIntegerField(
        _("Maximum messages per connection"), null=True, blank=True, validators=_between(1, 10_000)
    )
    max_recipients = models.PositiveIntegerField(
        _("Maximum recipients per message"), null=True, blank=True, validators=_between(1, 50_000)
    )
    max_recipients_per_hour = models.PositiveIntegerField(
        _("Maximum recipients per hour from one client"), null=True, blank=True, validators=_between(1, 1_000_000)
    )
    tls = models.CharField(_("TLS"), max_length=10, choices=ClientTls, default=ClientTls.PREFERRED)

    class Meta:
        verbose_name = _("Sender Group")
        verbose_name_plural = _("Host Access Table")
        constraints = [
            *ConfigurationObject.Meta.constraints,
            models.UniqueConstraint(
                "configuration",
                Lower("name"),
                name="gateway_sendergroup_name",
                violation_error_message=_("A sender group of that name exists already."),
            ),
            models.CheckConstraint(condition=Q(action__in=HostAction.values), name="gateway_sendergroup_action"),
            models.CheckConstraint(condition=Q(tls__in=ClientTls.values), name="gateway_sendergroup_tls"),
            models.CheckConstraint(
                condition=Q(response="") | Q(action=HostAction.REJECT), name="gateway_sendergroup_response"
            ),
        ]

    def in_its_absence(self) -> ConfigurationObject | None:
        return last_row() if self.uid == ALL_UID else None


def last_row() -> SenderGroup:
    """The row ALL as a system has it that nobody has configured."""
    return SenderGroup(uid=ALL_UID, name=ALL, position=LAST_POSITION)


class BareLineEnds(models.TextChoices):
    CLEAN = "clean", _("Clean")
    REJECT = "reject", _("Reject")


class AddressParsing(models.TextChoices):
    LOOSE = "loose", _("Loose")
    STRICT = "strict", _("Strict")


class ListenerSettings(ConfigurationObject):
    """Where the listener listens, its limits, and how it reads addresses. One row in every set.

    `address` "" and `port` None: what SEG_SMTP_HOST and SEG_SMTP_PORT say. `default_domain` "": an address without a
    domain is none.
    """

    address = models.CharField(_("IP address"), max_length=LONGEST_IP_ADDRESS, blank=True)
    port = models.PositiveIntegerField(_("TCP port"), null=True, blank=True, validators=_between(1, 65_535))
    max_message_size = models.PositiveIntegerField(
        _("Maximum message size (bytes)"), default=10_485_760, validators=_between(1_024, 104_857_600)
    )
    max_recipients = models.PositiveIntegerField(
        _("Maximum recipients per message"), default=1_000, validators=_between(1, 50_000)
    )
    max_connections = models.PositiveIntegerField(
        _("Maximum concurrent connections"), default=1_000, validators=_between(1, 10_000)
    )
    max_connections_per_client = models.PositiveIntegerField(
        _("Maximum concurrent connections from one client"), default=100, validators=_between(1, 10_000)
    )
    bare_line_ends = models.CharField(
        _("Messages with bare CR or LF"), max_length=10, choices=BareLineEnds, default=BareLineEnds.CLEAN
    )
    address_parsing = models.CharField(
        _("SMTP Address Parsing"), max_length=10, choices=AddressParsing, default=AddressParsing.LOOSE
    )
    default_domain = models.CharField(_("Add Default Domain"), max_length=LONGEST_DEFAULT_DOMAIN, blank=True)
    reject_characters = models.CharField(
        _("Reject These Characters in User Names"),
        max_length=MOST_REJECT_CHARACTERS,
        default=REJECT_CHARACTERS,
        blank=True,
    )
    # Of addresses, as `host_access.check_address_entry` returns them.
    proxies = models.JSONField(_("Proxies"), default=list, blank=True)
    proxy_protocol = models.BooleanField(_("PROXY protocol"), default=False)
    xclient = models.BooleanField(_("XCLIENT"), default=False)
    health_checks = models.JSONField(_("Health checks"), default=list, blank=True)
    # The name of one of the certificates; "" for the gateway's own.
    certificate = models.CharField(_("TLS certificate"), max_length=LONGEST_CERTIFICATE_NAME, blank=True)

    class Meta:
        verbose_name = _("Listener")
        constraints = [
            *ConfigurationObject.Meta.constraints,
            models.UniqueConstraint(fields=["configuration"], name="gateway_listenersettings_one"),
            models.CheckConstraint(
                condition=Q(bare_line_ends__in=BareLineEnds.values), name="gateway_listenersettings_bare_line_ends"
            ),
            models.CheckConstraint(
                condition=Q(address_parsing__in=AddressParsing.values), name="gateway_listenersettings_address_parsing"
            ),
            models.CheckConstraint(
                condition=Q(
                    max_message_size__gte=1_024,
                    max_recipients__gte=1,
                    max_connections__gte=1,
                    max_connections_per_client__gte=1,
                ),
                name="gateway_listenersettings_limits",
            ),
            models.CheckConstraint(
                condition=Q(port__isnull=True) | Q(port__gte=1, port__lte=65_535), name="gateway_listenersettings_port"
            ),
        ]


class ClientIn(models.TextChoices):
    """Where an incoming relay says who its client is."""

    RECEIVED = "received", _("Received Header")
    HEADER = "header", _("Custom Header")


class IncomingRelay(ConfigurationObject):
    """A row of Network > Incoming Relays. `address` is an address, a range or a network, as
    `host_access.check_address_entry` returns it; `hop` counts Received fields from the top, `header` names another."""

    identity = "name"

    name = models.CharField(
        _("Relay Name"),
        max_length=LONGEST_GROUP_NAME,
        validators=[RegexValidator(rf"\A{GROUP_NAME_PATTERN}\Z", GROUP_NAME_RULE)],
    )
    address = models.CharField(_("IP Address"), max_length=LONGEST_ENTRY)
    client_in = models.CharField(
        _("Sender's IP Address In"), max_length=10, choices=ClientIn, default=ClientIn.RECEIVED
    )
    header = models.CharField(_("Custom Header"), max_length=LONGEST_HEADER_NAME, blank=True)
    hop = models.PositiveIntegerField(_("Hop"), default=1, validators=_between(1, MOST_HOPS))

    class Meta:
        verbose_name = _("Incoming Relay")
        verbose_name_plural = _("Incoming Relays")
        constraints = [
            *ConfigurationObject.Meta.constraints,
            models.UniqueConstraint(
                "configuration",
                Lower("name"),
                name="gateway_incomingrelay_name",
                violation_error_message=_("An incoming relay of that name exists already."),
            ),
            models.UniqueConstraint(
                fields=["configuration", "address"],
                name="gateway_incomingrelay_address",
                violation_error_message=_("An incoming relay of that IP address exists already."),
            ),
            models.CheckConstraint(
                condition=Q(client_in=ClientIn.RECEIVED, header="") | Q(client_in=ClientIn.HEADER) & ~Q(header=""),
                name="gateway_incomingrelay_header",
            ),
            models.CheckConstraint(condition=Q(hop__gte=1), name="gateway_incomingrelay_hop"),
        ]


class IncomingRelaySettings(ConfigurationObject):
    """Whether the incoming relays are believed. One row in every set."""

    enabled = models.BooleanField(_("Enable Incoming Relays"), default=False)

    class Meta:
        verbose_name = _("Incoming Relays Global Settings")
        constraints = [
            *ConfigurationObject.Meta.constraints,
            models.UniqueConstraint(fields=["configuration"], name="gateway_incomingrelaysettings_one"),
        ]
