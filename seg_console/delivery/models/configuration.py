"""What an administrator sets about delivery: SMTP Routes, Destination Controls, the bounce profile, DNS."""

from __future__ import annotations

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

from seg_console.certificates.models import LONGEST_CERTIFICATE_NAME
from seg_console.config.models import ConfigurationObject

ALL = "ALL"
LONGEST_DOMAIN = 255
MOST_CONNECTIONS = 1_000
MOST_MESSAGES_PER_CONNECTION = 1_000
MOST_RECIPIENTS_PER_TRANSACTION = 1_000
MOST_RECIPIENTS = 1_000_000
MOST_MINUTES = 60
LONGEST_NAME = 60
# What a destination says that follows the Default profile whatever the default row says.
DEFAULT_PROFILE = "Default"


def _between(least: int, most: int) -> list[MinValueValidator | MaxValueValidator]:
    return [MinValueValidator(least), MaxValueValidator(most)]


class SmtpRoute(ConfigurationObject):
    """Network > SMTP Routes (seg-webui 8.2). `domain`: `example.com`, `.example.com` (sub-domains) or `ALL`.

    `hosts` is a list of {"host", "port", "priority"}; a host may be `USEDNS` or `/dev/null`.
    """

    identity = "domain"

    domain = models.CharField(_("Receiving Domain"), max_length=LONGEST_DOMAIN)
    hosts = models.JSONField(_("Destination Hosts"), default=list)

    class Meta:
        verbose_name = _("SMTP Route")
        verbose_name_plural = _("SMTP Routes")
        constraints = [
            *ConfigurationObject.Meta.constraints,
            models.UniqueConstraint(
                "configuration",
                Lower("domain"),
                name="delivery_smtproute_domain",
                violation_error_message=_("A route for that domain exists already."),
            ),
        ]

    def display_name(self) -> str:
        return _now("All Other Domains") if self.domain == ALL else self.domain

    def display(self, field: str) -> str | tuple[str, ...]:
        if field != "hosts":
            return super().display(field)
        return tuple(
            _now("%(host)s port %(port)s, priority %(priority)s") % host
            for host in sorted(self.hosts, key=lambda host: (host["priority"], host["host"]))
        )


class TlsSupport(models.TextChoices):
    """TLS for delivery to a destination (seg-webui 8.1); `default` follows the row `ALL`."""

    DEFAULT = "default", _("Default")
    NONE = "none", _("None")
    PREFERRED = "preferred", _("Preferred")
    REQUIRED = "required", _("Required")
    REQUIRED_VERIFY = "required_verify", _("Required - Verify")


class IpSupport(models.TextChoices):
    """Which addresses of a host are tried (seg-webui 8.1); `default` follows the row `ALL`."""

    DEFAULT = "default", _("Default")
    IPV6_PREFERRED = "ipv6_preferred", _("IPv6 Preferred")
    IPV6_REQUIRED = "ipv6_required", _("IPv6 Required")
    IPV4_PREFERRED = "ipv4_preferred", _("IPv4 Preferred")
    IPV4_REQUIRED = "ipv4_required", _("IPv4 Required")


class ConversionSupport(models.TextChoices):
    """8-bit content at a server without 8BITMIME; `default` follows the row `ALL`."""

    DEFAULT = "default", _("Default")
    AS_IS = "as_is", _("Send as it is")
    BOUNCE = "bounce", _("Bounce")


class DestinationControl(ConfigurationObject):
    """Mail Policies > Destination Controls (seg-webui 8.1). None, `default` and "" follow the row `ALL`.

    `max_recipients` in `recipients_minutes` minutes, 0 for no limit. `bounce_profile` is a profile's name.
    """

    identity = "domain"

    domain = models.CharField(_("Destination"), max_length=LONGEST_DOMAIN)
    ip_preference = models.CharField(
        _("IP Address Preference"), max_length=20, choices=IpSupport, default=IpSupport.DEFAULT
    )
    max_connections = models.PositiveIntegerField(
        _("Concurrent Connections"), null=True, blank=True, validators=_between(1, MOST_CONNECTIONS)
    )
    max_messages_per_connection = models.PositiveIntegerField(
        _("Maximum Messages Per Connection"),
        null=True,
        blank=True,
        validators=_between(1, MOST_MESSAGES_PER_CONNECTION),
    )
    max_recipients_per_transaction = models.PositiveIntegerField(
        _("Recipients Per Transaction"),
        null=True,
        blank=True,
        validators=_between(1, MOST_RECIPIENTS_PER_TRANSACTION),
    )
    max_recipients = models.PositiveIntegerField(
        _("Recipients"), null=True, blank=True, validators=_between(0, MOST_RECIPIENTS)
    )
    recipients_minutes = models.PositiveIntegerField(
        _("Recipients: minutes"), default=60, validators=_between(1, MOST_MINUTES)
    )
    tls = models.CharField(_("TLS Support"), max_length=20, choices=TlsSupport, default=TlsSupport.DEFAULT)
    conversion = models.CharField(
        _("Conversion"), max_length=20, choices=ConversionSupport, default=ConversionSupport.DEFAULT
    )
    bounce_profile = models.CharField(_("Bounce Profile"), max_length=LONGEST_NAME, blank=True, default="")

    class Meta:
        verbose_name = _("Destination Control")
        verbose_name_plural = _("Destination Controls")
        constraints = [
            *ConfigurationObject.Meta.constraints,
            models.UniqueConstraint(
                "configuration",
                Lower("domain"),
                name="delivery_destinationcontrol_domain",
                violation_error_message=_("That destination is in the table already."),
            ),
            models.CheckConstraint(condition=Q(tls__in=TlsSupport.values), name="delivery_destinationcontrol_tls"),
            models.CheckConstraint(
                condition=Q(ip_preference__in=IpSupport.values), name="delivery_destinationcontrol_ip_preference"
            ),
            models.CheckConstraint(
                condition=(Q(max_recipients__isnull=True) | Q(max_recipients__lte=MOST_RECIPIENTS))
                & Q(recipients_minutes__gte=1, recipients_minutes__lte=MOST_MINUTES),
                name="delivery_destinationcontrol_recipients",
            ),
            models.CheckConstraint(
                condition=Q(max_connections__isnull=True)
                | Q(max_connections__gte=1, max_connections__lte=MOST_CONNECTIONS),
                name="delivery_destinationcontrol_max_connections",
            ),
            models.CheckConstraint(
                condition=Q(max_messages_per_connection__isnull=True)
                | Q(max_messages_per_connection__gte=1, max_messages_per_connection__lte=MOST_MESSAGES_PER_CONNECTION),
                name="delivery_destinationcontrol_max_messages",
            ),
            models.CheckConstraint(
                condition=Q(max_recipients_per_transaction__isnull=True)
                | Q(
                    max_recipients_per_transaction__gte=1,
                    max_recipients_per_transaction__lte=MOST_RECIPIENTS_PER_TRANSACTION,
                ),
                name="delivery_destinationcontrol_transaction",
            ),
            models.CheckConstraint(
                condition=Q(conversion__in=ConversionSupport.values), name="delivery_destinationcontrol_conversion"
            ),
        ]

    def display_name(self) -> str:
        return _now("Default") if self.domain == ALL else self.domain


class DestinationControlSettings(ConfigurationObject):
    """Mail Policies > Destination Controls, Global Settings (seg-webui 8.1). One row in every set.

    `certificate` is the name of one of the certificates, shown to every server that asks for one; "" shows none.
    """

    certificate = models.CharField(_("Certificate"), max_length=LONGEST_CERTIFICATE_NAME, blank=True)

    class Meta:
        verbose_name = _("Destination Controls Global Settings")
        constraints = [
            *ConfigurationObject.Meta.constraints,
            models.UniqueConstraint(fields=["configuration"], name="delivery_destinationcontrolsettings_one"),
        ]


class BounceRules(ConfigurationObject):
    """How ordinary mail is retried before it bounces. Times in seconds."""

    max_retries = models.PositiveIntegerField(
        _("Maximum number of retries"), default=100, validators=_between(0, 10_000)
    )
    initial_retry = models.PositiveIntegerField(
        _("Initial time to wait per message (seconds)"), default=60, validators=_between(1, 86_400)
    )
    max_retry = models.PositiveIntegerField(
        _("Maximum time to wait per message (seconds)"), default=3_600, validators=_between(1, 86_400)
    )
    max_queue_time = models.PositiveIntegerField(
        _("Maximum time in queue (seconds)"), default=259_200, validators=_between(1, 3_000_000)
    )

    class Meta:
        abstract = True
        constraints = [
            *ConfigurationObject.Meta.constraints,
            models.CheckConstraint(
                condition=Q(max_retry__gte=models.F("initial_retry")),
                name="%(app_label)s_%(class)s_waits_grow",
                violation_error_message=_("The maximum time to wait cannot be less than the initial one."),
            ),
        ]


class BounceProfile(BounceRules):
    """Network > Bounce Profiles, the one named Default. One row in every set."""

    class Meta:
        verbose_name = _("Bounce Profile")
        verbose_name_plural = _("Bounce Profiles")
        constraints = [
            *BounceRules.Meta.constraints,
            models.UniqueConstraint(fields=["configuration"], name="delivery_bounceprofile_one"),
        ]

    def display_name(self) -> str:
        return _now("Default")


class NamedBounceProfile(BounceRules):
    """Network > Bounce Profiles: one that Destination Controls may name."""

    identity = "name"

    name = models.CharField(_("Profile Name"), max_length=LONGEST_NAME)

    class Meta:
        verbose_name = _("Bounce Profile")
        verbose_name_plural = _("Bounce Profiles")
        constraints = [
            *BounceRules.Meta.constraints,
            models.UniqueConstraint(
                "configuration",
                Lower("name"),
                name="delivery_namedbounceprofile_name",
                violation_error_message=_("A bounce profile of that name exists already."),
            ),
        ]


class DnsSettings(ConfigurationObject):
    """Network > DNS. `servers` is a list of {"host", "port"}; empty: the system's. One row in every set."""

    servers = models.JSONField(_("DNS servers"), default=list, blank=True)
    timeout = models.PositiveIntegerField(_("Time-out (seconds)"), default=5, validators=_between(1, 60))

    class Meta:
        verbose_name = _("DNS")
        constraints = [
            *ConfigurationObject.Meta.constraints,
            models.UniqueConstraint(fields=["configuration"], name="delivery_dnssettings_one"),
            models.CheckConstraint(condition=Q(timeout__gte=1, timeout__lte=60), name="delivery_dnssettings_timeout"),
        ]

    def display(self, field: str) -> str | tuple[str, ...]:
        if field != "servers":
            return super().display(field)
        return tuple(_now("%(host)s port %(port)s") % server for server in self.servers)
