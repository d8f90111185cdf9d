"""What an administrator sets about delivery: SMTP Routes, Destination Controls, the bounce profile, DNS."""

from __future__ import annotations

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

from seg_console.config.models import ConfigurationObject

ALL = "ALL"
LONGEST_DOMAIN = 255
MOST_CONNECTIONS = 1_000
MOST_MESSAGES_PER_CONNECTION = 1_000


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


class DestinationControl(ConfigurationObject):
    """Mail Policies > Destination Controls (seg-webui 8.1). None and `default` follow the row `ALL`."""

    identity = "domain"

    domain = models.CharField(_("Destination"), max_length=LONGEST_DOMAIN)
    max_connections = models.PositiveIntegerField(
        _("Concurrent Connections"), null=True, blank=True, validators=_between(1, MOST_CONNECTIONS)
    )
    max_messages_per_connection = models.PositiveIntegerField(
        _("Maximum Messages Per Connection"),
        null=True,
        blank=True,
        validators=_between(1, MOST_MESSAGES_PER_CONNECTION),
    )
    tls = models.CharField(_("TLS Support"), max_length=20, choices=TlsSupport, default=TlsSupport.DEFAULT)

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
                condition=Q(max_connections__isnull=True)
                | Q(max_connections__gte=1, max_connections__lte=MOST_CONNECTIONS),
                name="delivery_destinationcontrol_max_connections",
            ),
            models.CheckConstraint(
                condition=Q(max_messages_per_connection__isnull=True)
                | Q(max_messages_per_connection__gte=1, max_messages_per_connection__lte=MOST_MESSAGES_PER_CONNECTION),
                name="delivery_destinationcontrol_max_messages",
            ),
        ]

    def display_name(self) -> str:
        return _now("Default") if self.domain == ALL else self.domain


class BounceProfile(ConfigurationObject):
    """How ordinary mail is retried before it bounces. Times in seconds. One row in every set."""

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
        verbose_name = _("Bounce Profile")
        constraints = [
            *ConfigurationObject.Meta.constraints,
            models.UniqueConstraint(fields=["configuration"], name="delivery_bounceprofile_one"),
            models.CheckConstraint(
                condition=Q(max_retry__gte=models.F("initial_retry")),
                name="delivery_bounceprofile_waits_grow",
                violation_error_message=_("The maximum time to wait cannot be less than the initial one."),
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
