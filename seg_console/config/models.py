"""The sets of configuration: one is committed, each administrator may have one pending, older ones are history.

Objects of a set refer to each other by `uid`, never by foreign key, so that a set is copied with one statement per
table and an object keeps its identity from set to set.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any, ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise


# What stands in the place of a secret, as in the original (seg-webui 8.9).
MASK = "*****"


class CommittedSetIsFrozen(RuntimeError):
    """A committed set is history and never changes; edit the pending set instead."""


class State(models.TextChoices):
    PENDING = "pending", _("pending")
    COMMITTED = "committed", _("committed")


class ConfigurationQuerySet(models.QuerySet["Configuration"]):
    def committed(self) -> ConfigurationQuerySet:
        """History, newest first. The first one is what the mail system runs on."""
        return self.filter(state=State.COMMITTED).order_by("-number")

    def pending(self) -> ConfigurationQuerySet:
        return self.filter(state=State.PENDING).order_by("pk")


class Configuration(models.Model):
    """One whole set. A pending set becomes the next committed one by being given its number.

    A pending set without an owner exists only inside the transaction that loads and commits a file.
    """

    number = models.PositiveIntegerField(_("number"), null=True, unique=True)
    state = models.CharField(_("state"), max_length=10, choices=State, default=State.PENDING)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, verbose_name=_("owner"), null=True, on_delete=models.CASCADE, related_name="+"
    )
    based_on = models.ForeignKey("self", verbose_name=_("based on"), null=True, on_delete=models.PROTECT)
    comment = models.TextField(_("comment"), blank=True)
    created_at = models.DateTimeField(_("created"))
    changed_at = models.DateTimeField(_("last change"))
    committed_at = models.DateTimeField(_("committed"), null=True)
    committed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, verbose_name=_("committed by"), null=True, on_delete=models.SET_NULL, related_name="+"
    )
    # The name as it was: history keeps it when the account is deleted. Empty for the system itself.
    author = models.CharField(_("author"), max_length=150, blank=True)
    # The size of the change, counted once at commit. Null where nobody counted: pending sets, and those of before.
    objects_added = models.PositiveIntegerField(_("objects added"), null=True)
    objects_changed = models.PositiveIntegerField(_("objects changed"), null=True)
    objects_removed = models.PositiveIntegerField(_("objects removed"), null=True)

    objects = ConfigurationQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["owner"], condition=Q(state=State.PENDING), name="config_configuration_one_pending_per_owner"
            ),
            models.CheckConstraint(
                condition=Q(state=State.PENDING, number__isnull=True, committed_at__isnull=True)
                | Q(state=State.COMMITTED, number__gte=1, committed_at__isnull=False, owner__isnull=True),
                name="config_configuration_state",
            ),
        ]

    def __str__(self) -> str:
        return f"configuration {self.number}" if self.number else f"pending configuration of {self.owner}"

    @property
    def version(self) -> str:
        """What is another text once anything was submitted into the set, or another set takes its place."""
        return f"{self.pk} {self.changed_at.isoformat()}"


class CommittedSection(models.Model):
    """One section of a committed set as JSON text, written at commit and only read by the running configuration.

    The rows are the truth; this is their frozen print, so that a commit of 40,000 routes is live within a second.
    """

    configuration = models.ForeignKey(Configuration, on_delete=models.CASCADE, related_name="sections")
    key = models.CharField(max_length=100)
    text = models.TextField()
    uids = models.JSONField(default=list)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["configuration", "key"], name="config_committedsection_key")]

    def __str__(self) -> str:
        return f"{self.key} of {self.configuration_id}"


class LoadedFile(models.Model):
    """A configuration document, or a table behind a line with its section's key, that a user has given and seen the
    preview of, until it is made pending. A larger one than fits in a field of a form; one for each user, the next takes
    its place."""

    key = models.UUIDField(default=uuid.uuid4, unique=True)
    owner = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    text = models.TextField()

    def __str__(self) -> str:
        return f"document given by {self.owner}"


class ConfigurationObject(models.Model):
    """Base of every row that belongs to a set. `uid` names the same object in every set; the primary key does not.

    A concrete model says by class attributes:

    - `identity`: field that is unique in the set whatever its case ("" where the model has one row per set)
    - `secret_fields`: fields whose values nobody is shown (config.secrets)
    - `parent_model`, `parent_field`: label of the model it is a part of, and its own field with that object's uid
    - `parent_without_row`: what administrators call the whole that has no row, where there is such a one
    """

    identity: ClassVar[str] = ""
    secret_fields: ClassVar[frozenset[str]] = frozenset()
    parent_model: ClassVar[str] = ""
    parent_field: ClassVar[str] = ""
    parent_without_row: ClassVar[StrOrPromise] = ""

    configuration = models.ForeignKey(Configuration, on_delete=models.CASCADE, related_name="+", editable=False)
    uid = models.UUIDField(default=uuid.uuid4, editable=False)

    class Meta:
        abstract = True
        constraints = [models.UniqueConstraint(fields=["configuration", "uid"], name="%(app_label)s_%(class)s_uid")]

    def __str__(self) -> str:
        return self.display_name()

    def save(self, *args: Any, **options: Any) -> None:
        """Raises CommittedSetIsFrozen."""
        self._refuse_if_committed()
        super().save(*args, **options)

    def delete(self, *args: Any, **options: Any) -> tuple[int, dict[str, int]]:
        """Raises CommittedSetIsFrozen."""
        self._refuse_if_committed()
        return super().delete(*args, **options)

    @classmethod
    def value_fields(cls) -> list[str]:
        """Names of the fields that hold configuration: all but the key, the set and the uid."""
        outside = {"id", "configuration", "uid"}
        return [field.name for field in cls._meta.concrete_fields if field.name not in outside]

    @property
    def parent_uid(self) -> uuid.UUID | None:
        return getattr(self, self.parent_field) if self.parent_field else None

    def display_name(self) -> str:
        """What an administrator calls this object; the model's own name where there is one per set."""
        return str(getattr(self, self.identity) if self.identity else self._meta.verbose_name)

    def in_its_absence(self) -> ConfigurationObject | None:
        """What holds in a set that has no row for this object, None if nothing does. Of a model with one row in every
        set, its initial values: a set that is older than the model says the same."""
        return None if self.identity or self.parent_field else type(self)(uid=self.uid)

    def display(self, field: str) -> str | tuple[str, ...]:
        """A field's value as text, or a tuple of texts for a list, in the language in force; a secret's mask."""
        value = getattr(self, field)
        if field in self.secret_fields:
            return MASK if value else ""
        if isinstance(value, bool):
            return _now("Yes") if value else _now("No")
        if isinstance(value, list):
            return tuple(str(entry) for entry in value)
        if hasattr(self, f"get_{field}_display"):
            return str(getattr(self, f"get_{field}_display")())
        return "" if value is None else str(value)

    def _refuse_if_committed(self) -> None:
        if self.configuration.state == State.COMMITTED:
            raise CommittedSetIsFrozen(f"{self} belongs to {self.configuration}")


class GeneralSettings(ConfigurationObject):
    """System Administration > General Settings. One row in every set."""

    comment_required = models.BooleanField(_("Comment required"), default=False)

    class Meta:
        verbose_name = _("General Settings")
        verbose_name_plural = _("General Settings")
        constraints = [
            *ConfigurationObject.Meta.constraints,
            models.UniqueConstraint(fields=["configuration"], name="config_generalsettings_one"),
        ]
