"""Submit, then commit: an administrator's pending set, and how it becomes the committed one.

1. `submit` copies the committed set to the user's pending set on the first change, and writes objects into it.
2. `commit` merges what others committed meanwhile, checks the whole set, and numbers it. Only this makes it live.
3. `abandon` deletes the pending set; `roll_back` makes it a copy of an old set, to be committed like any change.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from seg_console.audit.models import Act
from seg_console.config import auditing, commits, comparison, document, registry, rows, running
from seg_console.config.changes import MOST_SHOWN, Change, changes, describe
from seg_console.config.commits import ensure_initial as ensure_initial
from seg_console.config.merge import Clash, Edit, Key, Thing, merge
from seg_console.config.models import Configuration, ConfigurationObject
from seg_console.config.rows import Difference

if TYPE_CHECKING:
    from seg_console.accounts.models import User


class NothingPending(Exception):
    """The user has no pending changes to commit."""


@dataclass(frozen=True, slots=True)
class Collision:
    """Two changes that exclude each other, mine and the one that somebody committed meanwhile."""

    mine: Change | None
    theirs: Change | None


class Collisions(Exception):
    """Others committed changes that collide with mine. Nothing was committed; a second confirmation overwrites theirs.

    `number` is the committed set they were found against: hand it back as `commit(overwrite=True, seen=number)`, so
    that a collision which nobody has looked at is never overwritten.
    """

    def __init__(self, collisions: Sequence[Collision], number: int) -> None:
        self.collisions = tuple(collisions)
        self.number = number
        super().__init__(f"{len(collisions)} collisions with configuration {number}")


@dataclass(frozen=True, slots=True)
class Committed:
    """`changed` is False if there was nothing to commit: `number` is then the one that was committed already."""

    number: int
    changed: bool = True


def committed() -> Configuration:
    """The newest committed set; the initial one is made if there is none."""
    return ensure_initial()


def shown_to(user: User) -> Configuration:
    """What pages show this user: the pending set if there is one, else the committed set."""
    return pending_of(user) or committed()


def pending_of(user: User) -> Configuration | None:
    return Configuration.objects.pending().filter(owner=user).first()


def others_pending(user: User) -> list[Configuration]:
    """Pending sets of other users, for a notice: `owner` and `changed_at` say who and when. One query."""
    return list(Configuration.objects.pending().exclude(owner=user).exclude(owner=None).select_related("owner"))


def committed_since(pending: Configuration) -> list[Configuration]:
    """Sets that were committed after the one this pending set began from, newest first."""
    base = pending.based_on.number if pending.based_on else 0
    return list(Configuration.objects.committed().filter(number__gt=base))


def pending_changes(user: User) -> list[Change]:
    """What this user changed since the pending set began; empty if nothing is pending."""
    pending = pending_of(user)
    return changes(_base(pending), pending) if pending else []


def open_pending(user: User) -> Configuration:
    """The user's pending set, locked until the transaction ends; copied from the committed set if there is none.

    Call it inside `transaction.atomic()` together with the writing, so that no commit comes between the two.
    """
    now = timezone.now()
    with transaction.atomic():
        pending = Configuration.objects.pending().filter(owner=user).select_for_update().first()
        if pending:
            Configuration.objects.filter(pk=pending.pk).update(changed_at=now)
            pending.changed_at = now
            return pending
        return _begin(user)


def submit(user: User, *objects: ConfigurationObject, remove: Iterable[ConfigurationObject] = ()) -> None:
    """Write objects into the user's pending set and delete others from it, with all their parts.

    Objects may come from any set (usually the one shown) or be new: their `uid` says which object of the pending set
    they are; they belong to it afterwards. Raises ValidationError, and nothing is changed. If the set equals the
    committed one again afterwards, nothing is pending any more.
    """
    for row in objects:
        row.clean_fields(exclude=["configuration"])
        row.clean()
    try:
        with transaction.atomic():
            pending = open_pending(user)
            removed = list(remove)
            with auditing.submitting(user, pending, written=objects, removed=removed):
                _remove(pending, removed)
                rows.write(pending, objects)
            if not comparison.differ(_base(pending), pending):
                pending.delete()
    except IntegrityError as error:
        _explain(user, objects)
        raise ValidationError(_("These values cannot stand together with what is there already.")) from error


def load_pending(user: User, content: object, *, act: Act = Act.LOAD) -> None:
    """Make the user's pending set hold what a document says. Raises InvalidConfiguration, and nothing is changed.
    `act` is what the audit log calls it.

    The set begins anew from the newest one: a document says everything, so what others committed since the user's
    changes began is not merged into it afterwards.
    """
    with transaction.atomic():
        Configuration.objects.pending().filter(owner=user).delete()
        newest = committed()
        pending = commits.new_pending(user, based_on=newest)
        document.load(content, pending, like=newest)
        auditing.changed(act, user, before=newest, after=pending)
        if not comparison.differ(newest, pending):
            pending.delete()


def reset(user: User) -> None:
    """Make the user's pending set hold the initial configuration, to be committed like any change."""
    load_pending(user, document.initial(), act=Act.RESET)


def abandon(user: User, *, by: User | None = None) -> None:
    """Throw away all pending changes; nothing pending is no error. `by`: who does it, where it is not the user."""
    with transaction.atomic():
        pending = Configuration.objects.pending().filter(owner=user).select_for_update().first()
        if pending:
            auditing.changed(Act.ABANDON, by or user, before=pending, after=_base(pending))
            pending.delete()


def roll_back(user: User, number: int) -> Configuration | None:
    """Replace the user's pending set by a copy of an old set. Returns None if that equals the committed set.

    Raises Configuration.DoesNotExist.
    """
    with transaction.atomic():
        old = Configuration.objects.committed().get(number=number)
        Configuration.objects.pending().filter(owner=user).delete()
        pending = _begin(user, content=old)
        auditing.changed(Act.ROLL_BACK, user, before=_base(pending), after=pending, target=str(number))
        if comparison.differ(_base(pending), pending):
            return pending
        pending.delete()
        return None


def commit(user: User, comment: str, *, overwrite: bool = False, seen: int | None = None) -> Committed:
    """Make the user's pending set the committed one, merged with what others committed since it began.

    Raises NothingPending, Collisions (unless `overwrite`, and then only if `seen` is not the newest number) and
    InvalidConfiguration; in each case nothing is changed.
    """
    with transaction.atomic():
        newest = commits.lock()
        pending = Configuration.objects.pending().filter(owner=user).select_for_update().first()
        if pending is None:
            raise NothingPending
        if pending.based_on_id != newest.pk:
            _merge(pending, newest, overwrite=overwrite and seen in {None, newest.number})
        differing = comparison.differing(newest, pending, most=MOST_SHOWN)
        if not differing:
            pending.delete()
            return Committed(_number_of(newest), changed=False)
        found = commits.checked_prints(pending, newest, {one.model for one in differing})
        number = commits.follow(newest, pending, found, differing, comment=comment, author=user)
    running.look_again()
    return Committed(number)


def commit_document(content: object, comment: str, *, author: User | None = None) -> Committed:
    """Load a document that says the whole set and commit it at once, leaving everybody's pending sets alone.

    Raises InvalidConfiguration, and nothing is loaded.
    """
    with transaction.atomic():
        newest = commits.lock()
        pending = commits.new_pending(None, based_on=newest)
        # The document has been checked, and these are its rows: nothing needs to be read back.
        loaded = document.load(content, pending, like=newest)
        differing = comparison.differing(newest, pending, most=MOST_SHOWN)
        if not differing:
            pending.delete()
            return Committed(_number_of(newest), changed=False)
        found = document.prints(loaded)
        number = commits.follow(newest, pending, found, differing, comment=comment, author=author)
    running.look_again()
    return Committed(number)


def _begin(user: User, *, content: Configuration | None = None) -> Configuration:
    newest = committed()
    pending = commits.new_pending(user, based_on=newest)
    rows.copy(source=content or newest, target=pending)
    return pending


def _base(pending: Configuration) -> Configuration:
    assert pending.based_on is not None, "only the first set is based on none"
    return pending.based_on


def _number_of(configuration: Configuration) -> int:
    assert configuration.number is not None, "only a committed set is asked for its number"
    return configuration.number


def _remove(pending: Configuration, whole: Sequence[ConfigurationObject]) -> None:
    uids = [row.uid for row in whole]
    labels = {row._meta.label for row in whole}
    for model in {type(row) for row in whole}:
        rows.remove(pending, model, [row.uid for row in whole if type(row) is model])
    for model in rows.models():
        if model.parent_model in labels:
            manager: Any = model._default_manager
            manager.filter(configuration=pending, **{f"{model.parent_field}__in": uids}).delete()


def _explain(user: User, objects: Iterable[ConfigurationObject]) -> None:
    """Raise the ValidationError that says which object the database refused, in the words of its constraint."""
    here = shown_to(user)
    for row in objects:
        row.configuration = here
        manager: Any = type(row)._default_manager
        row.pk = manager.filter(configuration=here, uid=row.uid).values_list("pk", flat=True).first()
        row._state.adding = row.pk is None
        row.validate_constraints()


def _merge(pending: Configuration, newest: Configuration, *, overwrite: bool) -> None:
    """Carry what others committed since `pending` began over into it. Raises Collisions."""
    base = _base(pending)
    mine, theirs = rows.difference(base, pending), rows.difference(base, newest)
    my_edits, their_edits = _edits(mine), _edits(theirs)
    merged = merge(my_edits, their_edits)
    if merged.clashes and not overwrite:
        found = _readable(merged.clashes, mine, theirs, base=base, pending=pending, newest=newest)
        raise Collisions(found, _number_of(newest))
    pairs = [(model, uid, pair[1]) for model, by_uid in theirs.items() for uid, pair in by_uid.items()]
    carried = [(model, uid, new) for model, uid, new in pairs if Key(model._meta.label, str(uid)) in merged.apply]
    for model in {model for model, _uid, new in carried if new is None}:
        rows.remove(pending, model, [uid for of, uid, new in carried if of is model and new is None])
    rows.write(pending, [new for _model, _uid, new in carried if new is not None])


def _edits(difference: Difference) -> dict[Key, Edit]:
    return {
        Key(model._meta.label, str(uid)): Edit(_thing(old), _thing(new))
        for model, pairs in difference.items()
        for uid, (old, new) in pairs.items()
    }


def _thing(row: ConfigurationObject | None) -> Thing | None:
    if row is None:
        return None
    values = tuple(getattr(row, name) for name in type(row).value_fields())
    parent = Key(row.parent_model, str(row.parent_uid)) if row.parent_field else None
    return Thing(values, registry.identity_of(row), parent)


def _readable(
    clashes: Iterable[Clash],
    mine: Difference,
    theirs: Difference,
    *,
    base: Configuration,
    pending: Configuration,
    newest: Configuration,
) -> list[Collision]:
    my_changes = {Key(c.model, str(c.uid)): c for c in describe(mine, before=base, after=pending)}
    their_changes = {Key(c.model, str(c.uid)): c for c in describe(theirs, before=base, after=newest)}
    found = []
    for clash in clashes:
        found.append(Collision(my_changes.get(clash.mine), their_changes.get(clash.theirs)))
        if clash.mine != clash.theirs and clash.mine.model == clash.theirs.model:
            # Two new objects of one name: what each is made of is kept or lost with it.
            found += [Collision(part, None) for part in _parts_of(clash.mine, my_changes.values())]
            found += [Collision(None, part) for part in _parts_of(clash.theirs, their_changes.values())]
    return found


def _parts_of(whole: Key, changes: Iterable[Change]) -> list[Change]:
    wanted = (whole.model, UUID(whole.uid))
    return [change for change in changes if change.belongs_to == wanted and (change.model, change.uid) != wanted]
