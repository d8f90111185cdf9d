"""What an administrator sets about the way in: who may receive, and the listener's limits."""

from __future__ import annotations

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _

from seg_console.config.models import ConfigurationObject

LONGEST_RECIPIENT = 320
LONGEST_RESPONSE = 400


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


class BareLineEnds(models.TextChoices):
    CLEAN = "clean", _("Clean")
    REJECT = "reject", _("Reject")


class ListenerSettings(ConfigurationObject):
    """The listener's limits. One row in every set."""

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

    class Meta:
        verbose_name = _("Listener")
        constraints = [
            *ConfigurationObject.Meta.constraints,
            models.UniqueConstraint(fields=["configuration"], name="gateway_listenersettings_one"),
            models.CheckConstraint(
                condition=Q(bare_line_ends__in=BareLineEnds.values), name="gateway_listenersettings_bare_line_ends"
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
        ]
