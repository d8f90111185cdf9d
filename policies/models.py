"""Incoming mail policies: the ordered table and, for each policy, who it is about."""

from __future__ import annotations

from typing import Any

from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from policies.address_lists import LONGEST_NAME as LONGEST_NAME
from policies.address_lists import NAME_PATTERN as NAME_PATTERN
from policies.matching import DEFAULT_POLICY_NAME, DOCUMENTED_PRIORITIES
from seg_console.config.models import ConfigurationObject

NAME_RULE = _("Use letters, digits, hyphens, underscores and single spaces.")
# Names under which the catch-all appears in the mail log and on pages; a policy named so would be taken for it.
RESERVED_NAMES = frozenset({DEFAULT_POLICY_NAME.casefold(), "default policy"})
LONGEST_DESCRIPTION = 200


class SenderMatch(models.TextChoices):
    """seg-webui 3.5, sender side."""

    ANY = "any", _("Any Sender")
    FOLLOWING = "following", _("Following Senders")
    NOT = "not", _("Following Senders are Not")


class RecipientMatch(models.TextChoices):
    """seg-webui 3.5, recipient side; "Following Recipients are Not" is separate, since it may be combined."""

    ANY = "any", _("Any Recipient")
    FOLLOWING = "following", _("Following Recipients")


class RecipientJoin(models.TextChoices):
    ALL = "all", _("Only if all conditions match")
    ANY = "any", _("If one or more conditions match")


class IncomingMailPolicy(ConfigurationObject):
    """A row of the policies table. The Default Policy is not one: it has no users and cannot be moved or deleted.

    `position` is sparse (see config.order); the table's order is (position, uid).
    """

    identity = "name"

    name = models.CharField(
        _("Policy Name"), max_length=LONGEST_NAME, validators=[RegexValidator(rf"\A{NAME_PATTERN}\Z", NAME_RULE)]
    )
    position = models.IntegerField(_("Order"))

    class Meta:
        verbose_name = _("Incoming Mail Policy")
        verbose_name_plural = _("Incoming Mail Policies")
        constraints = [
            *ConfigurationObject.Meta.constraints,
            models.UniqueConstraint(
                "configuration",
                Lower("name"),
                name="policies_incomingmailpolicy_name",
                violation_error_message=_("A policy of that name exists already."),
            ),
        ]


class PolicyMember(ConfigurationObject):
    """A row of a policy's Users table: who sends and who receives. Any one of a policy's members is enough.

    Entries are those of `policies.matching.check_entry`, lower-cased.
    """

    parent_model = "policies.IncomingMailPolicy"
    parent_field = "policy_uid"

    policy_uid = models.UUIDField(_("Policy"))
    position = models.IntegerField(_("Order"))
    sender_match = models.CharField(_("Sender"), max_length=10, choices=SenderMatch, default=SenderMatch.ANY)
    sender_entries = models.JSONField(_("Senders"), default=list, blank=True)
    recipient_match = models.CharField(
        _("Recipient"), max_length=10, choices=RecipientMatch, default=RecipientMatch.ANY
    )
    recipient_join = models.CharField(
        _("Recipient conditions"), max_length=10, choices=RecipientJoin, default=RecipientJoin.ALL
    )
    recipient_entries = models.JSONField(_("Following Recipients"), default=list, blank=True)
    recipient_except = models.JSONField(_("Following Recipients are Not"), default=list, blank=True)

    class Meta:
        verbose_name = _("User")
        verbose_name_plural = _("Users")
        constraints = [
            *ConfigurationObject.Meta.constraints,
            models.CheckConstraint(
                condition=Q(sender_match__in=SenderMatch.values), name="policies_policymember_sender_match"
            ),
            models.CheckConstraint(
                condition=Q(recipient_match__in=RecipientMatch.values), name="policies_policymember_recipient_match"
            ),
            models.CheckConstraint(
                condition=Q(recipient_join__in=RecipientJoin.values), name="policies_policymember_recipient_join"
            ),
        ]
        indexes = [
            # The users of one policy, on its page and when it is deleted.
            models.Index(fields=["configuration", "policy_uid"], name="policies_policymember_policy")
        ]

    def display_name(self) -> str:
        return _now("User")

    def values(self) -> dict[str, Any]:
        """The member as the document has it."""
        return {
            "senders": {"match": self.sender_match, "entries": self.sender_entries},
            "recipients": {
                "match": self.recipient_match,
                "join": self.recipient_join,
                "entries": self.recipient_entries,
                "except": self.recipient_except,
            },
        }


class SenderHeader(models.TextChoices):
    """What may say who a message is from (seg-webui 3.6); the values are those of `policies.matching`."""

    ENVELOPE_SENDER = "envelope_sender", _("Envelope Sender")
    FROM = "from", pgettext_lazy("name of a header", "From")
    REPLY_TO = "reply_to", pgettext_lazy("name of a header", "Reply-To")
    SENDER = "sender", pgettext_lazy("name of a header", "Sender")


def documented_priorities() -> list[list[str]]:
    return [list(headers) for headers in DOCUMENTED_PRIORITIES]


class MailPolicySettings(ConfigurationObject):
    """Mail Policies > Mail Policy Settings. One row in every set."""

    # A list for each priority, the most important first, of values of SenderHeader.
    sender_headers = models.JSONField(_("Header Priority"), default=documented_priorities)

    class Meta:
        verbose_name = _("Mail Policy Settings")
        verbose_name_plural = _("Mail Policy Settings")
        constraints = [
            *ConfigurationObject.Meta.constraints,
            models.UniqueConstraint(fields=["configuration"], name="policies_mailpolicysettings_one"),
        ]

    def display(self, field: str) -> str | tuple[str, ...]:
        if field != "sender_headers":
            return super().display(field)
        return tuple(
            f"P{number}: {', '.join(str(SenderHeader(header).label) for header in headers)}"
            for number, headers in enumerate(self.sender_headers, start=1)
        )


class AddressList(ConfigurationObject):
    """Mail Policies > Address Lists: entries under one name, for use in policy members."""

    identity = "name"

    name = models.CharField(
        _("List Name"), max_length=LONGEST_NAME, validators=[RegexValidator(rf"\A{NAME_PATTERN}\Z", NAME_RULE)]
    )
    description = models.CharField(_("Description"), max_length=LONGEST_DESCRIPTION, blank=True)
    entries = models.JSONField(_("Entries"), default=list)

    class Meta:
        verbose_name = _("Address List")
        verbose_name_plural = _("Address Lists")
        constraints = [
            *ConfigurationObject.Meta.constraints,
            models.UniqueConstraint(
                "configuration",
                Lower("name"),
                name="policies_addresslist_name",
                violation_error_message=_("An address list of that name exists already."),
            ),
        ]
