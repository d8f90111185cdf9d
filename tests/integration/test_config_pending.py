"""Submit and commit on a real database: pending sets, merge and collisions, roll back, what differs."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from policies.models import IncomingMailPolicy, PolicyMember
from seg_console.accounts.models import User
from seg_console.config import changes, document, pending, rows
from seg_console.config.models import CommittedSection, CommittedSetIsFrozen, Configuration, ConfigurationObject, State
from seg_console.config.problems import InvalidConfiguration
from seg_console.delivery.models import BounceProfile, DestinationControl, SmtpRoute
from tdc.models import ConnectorSettings, PolicyChoice
from tests.support.configurations import FULL, full, policy, route

pytestmark = pytest.mark.django_db


@pytest.fixture
def ann() -> User:
    return User.objects.create_user("ann")


@pytest.fixture
def bob() -> User:
    return User.objects.create_user("bob")


def committed_plain() -> dict[str, Any]:
    return document.dump(pending.committed())


def shown(user: User, model: type[Any], **where: Any) -> Any:
    return model.objects.get(configuration=pending.shown_to(user), **where)


def kept_prints() -> dict[str, document.Print]:
    kept = CommittedSection.objects.filter(configuration=pending.committed())
    return {section.key: document.Print(section.text, tuple(section.uids)) for section in kept}


def change_route(user: User, domain: str, host: str) -> None:
    found = shown(user, SmtpRoute, domain=domain)
    found.hosts = [{"host": host, "port": 25, "priority": 0}]
    pending.submit(user, found)


def hosts_of(domain: str) -> list[str]:
    found = SmtpRoute.objects.get(configuration=pending.committed(), domain=domain)
    return [host["host"] for host in found.hosts]


# --- The first set


def test_a_new_system_has_a_committed_set_in_which_nothing_is_copied_and_nobody_receives() -> None:
    first = pending.committed()
    plain = document.dump(first)
    assert (first.number, first.state) == (1, State.COMMITTED)
    assert plain == document.initial()
    assert plain["threat_defense_connector"]["enabled"] is False
    assert plain["default_policy"]["threat_defense_connector"]["mode"] == "no_scan"
    assert plain["recipient_access"] == []


def test_making_the_first_set_twice_makes_one() -> None:
    assert pending.ensure_initial() == pending.ensure_initial()
    assert Configuration.objects.count() == 1


# --- Load and dump


def test_the_full_document_comes_back_from_the_database_as_it_was() -> None:
    result = pending.commit_document(FULL, "first")
    assert (result.number, result.changed) == (2, True)
    assert committed_plain() == FULL


def test_the_print_kept_with_a_committed_set_says_what_its_rows_say() -> None:
    pending.commit_document(FULL, "first")
    assert kept_prints() == document.prints(rows.read(pending.committed()))


def test_a_commit_takes_over_the_prints_of_what_it_did_not_change(ann: User) -> None:
    pending.commit_document(FULL, "first")
    before = kept_prints()
    change_route(ann, "corp.example", "10.0.0.9")
    pending.commit(ann, "")
    after = kept_prints()
    assert after == document.prints(rows.read(pending.committed()))
    assert {key for key in after if after[key] != before[key]} == {"smtp_routes"}


def test_loading_what_is_committed_already_commits_nothing() -> None:
    pending.commit_document(FULL, "first")
    result = pending.commit_document(FULL, "again")
    assert (result.number, result.changed) == (2, False)
    assert Configuration.objects.count() == 2


def test_loading_keeps_the_uids_of_policies_members_and_routes() -> None:
    pending.commit_document(FULL, "first")
    before = rows.read(pending.committed())
    changed = full(bounce_profile={"max_retries": 4})
    changed["incoming_mail_policies"].reverse()
    pending.commit_document(changed, "second")
    after = rows.read(pending.committed())
    for model in (IncomingMailPolicy, PolicyMember, PolicyChoice, SmtpRoute):
        assert {row.uid for row in after.of(model)} == {row.uid for row in before.of(model)}
    differing = rows.difference(Configuration.objects.get(number=2), pending.committed())
    assert {model: len(pairs) for model, pairs in differing.items()} == {IncomingMailPolicy: 1, BounceProfile: 1}


def test_a_refused_document_changes_nothing(ann: User) -> None:
    pending.commit_document(FULL, "first")
    with pytest.raises(InvalidConfiguration) as refused:
        pending.commit_document(full(dns={"time": 1}), "bad")
    assert [problem.path for problem in refused.value.problems] == ["dns.time"]
    with pytest.raises(InvalidConfiguration):
        pending.load_pending(ann, full(listener={"max_recipients": 0}))
    assert committed_plain() == FULL
    assert pending.pending_of(ann) is None
    assert Configuration.objects.count() == 2


def test_a_document_can_become_pending_instead_of_committed(ann: User) -> None:
    pending.load_pending(ann, FULL)
    assert committed_plain() == document.initial()
    pending.commit(ann, "from a file")
    assert committed_plain() == FULL


# --- Submit


def test_the_first_change_copies_the_committed_set_and_leaves_it_alone(ann: User, bob: User) -> None:
    pending.commit_document(FULL, "first")
    change_route(ann, "corp.example", "10.0.0.9")
    mine = pending.pending_of(ann)
    assert mine is not None
    assert mine.based_on == pending.committed()
    assert document.dump(mine)["smtp_routes"][0]["hosts"][0]["host"] == "10.0.0.9"
    assert committed_plain() == FULL
    assert pending.shown_to(bob) == pending.committed()
    assert [(other.owner, other.changed_at.date()) for other in pending.others_pending(bob)] == [
        (ann, timezone.now().date())
    ]
    assert pending.others_pending(ann) == []


def test_a_change_taken_back_by_hand_leaves_nothing_pending(ann: User) -> None:
    pending.commit_document(FULL, "first")
    before = shown(ann, SmtpRoute, domain="corp.example").hosts
    change_route(ann, "corp.example", "10.0.0.9")
    found = shown(ann, SmtpRoute, domain="corp.example")
    found.hosts = before
    pending.submit(ann, found)
    assert pending.pending_of(ann) is None


def test_deleting_a_policy_deletes_its_members_and_its_choice(ann: User) -> None:
    pending.commit_document(FULL, "first")
    pending.submit(ann, remove=[shown(ann, IncomingMailPolicy, name="Finance")])
    mine = pending.pending_of(ann)
    assert mine is not None
    plain = document.dump(mine)
    assert [item["name"] for item in plain["incoming_mail_policies"]] == ["Board"]
    assert PolicyMember.objects.filter(configuration=mine).count() == 1
    assert PolicyChoice.objects.filter(configuration=mine).count() == 1  # the Default Policy's


def test_a_name_that_is_taken_is_refused_in_words_and_nothing_becomes_pending(ann: User) -> None:
    pending.commit_document(FULL, "first")
    with pytest.raises(ValidationError) as refused:
        pending.submit(ann, IncomingMailPolicy(name="FINANCE", position=1))
    assert refused.value.messages == ["A policy of that name exists already."]
    assert pending.pending_of(ann) is None


def test_a_rule_of_the_database_is_refused_in_words(ann: User) -> None:
    found = shown(ann, ConnectorSettings)
    found.enabled = True
    with pytest.raises(ValidationError) as refused:
        pending.submit(ann, found)
    assert refused.value.messages == ["Give the message intake address, or leave the connector disabled."]


def test_two_policies_may_exchange_their_names(ann: User) -> None:
    pending.commit_document(FULL, "first")
    finance, board = (shown(ann, IncomingMailPolicy, name=name) for name in ("Finance", "Board"))
    finance.name, board.name = "Board", "Finance"
    pending.submit(ann, finance, board)
    pending.commit(ann, "swap")
    assert [item["name"] for item in committed_plain()["incoming_mail_policies"]] == ["Board", "Finance"]


def test_a_committed_object_cannot_be_saved_or_deleted() -> None:
    found = ConnectorSettings.objects.get(configuration=pending.committed())
    with pytest.raises(CommittedSetIsFrozen):
        found.save()
    with pytest.raises(CommittedSetIsFrozen):
        found.delete()


def test_a_user_has_at_most_one_pending_set(ann: User) -> None:
    base = pending.committed()
    now = timezone.now()
    Configuration.objects.create(owner=ann, based_on=base, created_at=now, changed_at=now)
    with pytest.raises(IntegrityError), transaction.atomic():
        Configuration.objects.create(owner=ann, based_on=base, created_at=now, changed_at=now)


def test_opening_and_changing_take_the_same_number_of_queries_whatever_the_size(ann: User) -> None:
    def queries(count: int) -> int:
        pending.commit_document({"format": 1, "smtp_routes": [route(f"d{i}.example") for i in range(count)]}, "routes")
        with CaptureQueriesContext(connection) as captured:
            change_route(ann, "d1.example", "10.0.0.9")
            pending.pending_changes(ann)
        pending.abandon(ann)
        return len(captured)

    assert queries(2) == queries(150)


# --- Commit, abandon, roll back


def test_a_commit_has_number_author_time_and_comment_and_ends_the_pending_set(ann: User) -> None:
    pending.submit(ann, SmtpRoute(domain="corp.example", hosts=route("x")["hosts"]))
    result = pending.commit(ann, "route it")
    newest = pending.committed()
    assert (result.number, newest.number, newest.author, newest.committed_by) == (2, 2, "ann", ann)
    assert (newest.comment, newest.owner) == ("route it", None)
    assert newest.committed_at is not None
    assert pending.pending_of(ann) is None
    assert hosts_of("corp.example") == ["127.0.0.1"]


def test_history_keeps_the_author_when_the_account_is_deleted(ann: User) -> None:
    pending.submit(ann, SmtpRoute(domain="corp.example", hosts=route("x")["hosts"]))
    pending.commit(ann, "")
    pending.submit(ann, SmtpRoute(domain="b.example", hosts=route("x")["hosts"]))
    ann.delete()
    assert pending.committed().author == "ann"
    assert Configuration.objects.pending().count() == 0


def test_there_is_nothing_to_commit_without_a_change(ann: User) -> None:
    with pytest.raises(pending.NothingPending):
        pending.commit(ann, "")


def test_abandoning_leaves_the_committed_set_as_it_was(ann: User) -> None:
    pending.commit_document(FULL, "first")
    change_route(ann, "corp.example", "10.0.0.9")
    pending.abandon(ann)
    assert (pending.pending_of(ann), committed_plain()) == (None, FULL)
    assert SmtpRoute.objects.filter(configuration__state=State.PENDING).count() == 0


def test_a_set_that_could_not_run_is_not_committed(ann: User) -> None:
    pending.submit(ann, SmtpRoute(domain="no domain", hosts=[{"host": "", "port": 25, "priority": 0}]))
    with pytest.raises(InvalidConfiguration) as refused:
        pending.commit(ann, "")
    assert [problem.path for problem in refused.value.problems] == [
        "smtp_routes[0].domain",
        "smtp_routes[0].hosts[0].host",
    ]
    assert pending.committed().number == 1
    assert pending.pending_of(ann) is not None


def test_rolling_back_makes_an_old_set_pending_and_then_committed(ann: User) -> None:
    pending.commit_document(FULL, "first")
    pending.commit_document(full(smtp_routes=[]), "second")
    mine = pending.roll_back(ann, 2)
    assert mine is not None
    assert document.dump(mine) == FULL
    assert len(committed_plain()["smtp_routes"]) == 0
    assert pending.commit(ann, "back").number == 4
    assert committed_plain() == FULL


def test_rolling_back_to_what_is_committed_leaves_nothing_pending(ann: User) -> None:
    pending.commit_document(FULL, "first")
    change_route(ann, "corp.example", "10.0.0.9")
    assert pending.roll_back(ann, 2) is None
    assert pending.pending_of(ann) is None


def test_rolling_back_to_a_number_that_never_was_is_an_error(ann: User) -> None:
    with pytest.raises(Configuration.DoesNotExist):
        pending.roll_back(ann, 7)


# --- Two administrators


def test_disjoint_changes_of_two_administrators_merge(ann: User, bob: User) -> None:
    pending.commit_document(FULL, "first")
    change_route(ann, "corp.example", "10.0.0.1")
    pending.submit(ann, SmtpRoute(domain="ann.example", hosts=route("x")["hosts"]))
    change_route(bob, "ALL", "10.0.0.2")
    pending.submit(bob, remove=[shown(bob, IncomingMailPolicy, name="Board")])
    pending.commit(bob, "bob")
    assert pending.committed_since(pending.shown_to(ann)) == [pending.committed()]
    assert pending.commit(ann, "ann").number == 4
    assert (hosts_of("corp.example"), hosts_of("ALL"), hosts_of("ann.example")) == (
        ["10.0.0.1"],
        ["10.0.0.2"],
        ["127.0.0.1"],
    )
    assert [item["name"] for item in committed_plain()["incoming_mail_policies"]] == ["Finance"]


def test_a_collision_is_listed_with_both_values_and_needs_a_second_confirmation(ann: User, bob: User) -> None:
    pending.commit_document(FULL, "first")
    change_route(ann, "corp.example", "10.0.0.1")
    change_route(bob, "corp.example", "10.0.0.2")
    change_route(bob, "ALL", "10.0.0.3")
    pending.commit(bob, "bob")
    with pytest.raises(pending.Collisions) as collided:
        pending.commit(ann, "ann")
    (collision,) = collided.value.collisions
    assert collision.mine is not None
    assert collision.theirs is not None
    assert (collision.mine.name, collision.theirs.name) == ("corp.example", "corp.example")
    assert collision.mine.fields[0].new == ("10.0.0.1 port 25, priority 0",)
    assert collision.theirs.fields[0].new == ("10.0.0.2 port 25, priority 0",)
    assert (pending.committed().number, hosts_of("corp.example")) == (3, ["10.0.0.2"])
    pending.commit(ann, "ann", overwrite=True, seen=collided.value.number)
    assert (hosts_of("corp.example"), hosts_of("ALL")) == (["10.0.0.1"], ["10.0.0.3"])


def test_a_collision_that_nobody_has_looked_at_is_not_overwritten(ann: User, bob: User) -> None:
    pending.commit_document(FULL, "first")
    change_route(ann, "corp.example", "10.0.0.1")
    change_route(bob, "corp.example", "10.0.0.2")
    pending.commit(bob, "seen")
    change_route(bob, "corp.example", "10.0.0.3")
    pending.commit(bob, "unseen")
    with pytest.raises(pending.Collisions) as collided:
        pending.commit(ann, "ann", overwrite=True, seen=3)
    assert collided.value.number == 4
    assert hosts_of("corp.example") == ["10.0.0.3"]


def test_two_new_policies_of_one_name_collide_and_overwriting_leaves_one_with_its_own_members(
    ann: User, bob: User
) -> None:
    for user, entry in ((ann, "ann@"), (bob, "bob@")):
        made = IncomingMailPolicy(name="Sales", position=1)
        member = PolicyMember(policy_uid=made.uid, position=1, recipient_match="following", recipient_entries=[entry])
        pending.submit(user, made, member)
    pending.commit(bob, "bob")
    with pytest.raises(pending.Collisions) as collided:
        pending.commit(ann, "ann")
    policies, *parts = collided.value.collisions
    assert policies.mine
    assert policies.theirs
    assert (policies.mine.name, policies.theirs.name) == ("Sales", "Sales")
    # What each is made of is seen before one of them is lost.
    told = [[("mine", part.mine), ("theirs", part.theirs)] for part in parts]
    assert [
        (side, change.within, ("ann@",) in values, ("bob@",) in values)
        for sides in told
        for side, change in sides
        if change
        for values in [[field.new for field in change.fields]]
    ] == [("mine", "Sales", True, False), ("theirs", "Sales", False, True)]
    pending.commit(ann, "ann", overwrite=True)
    (sales,) = committed_plain()["incoming_mail_policies"]
    assert [member["recipients"]["entries"] for member in sales["members"]] == [["ann@"]]
    assert PolicyMember.objects.filter(configuration=pending.committed()).count() == 1


def test_a_choice_for_a_policy_that_was_deleted_meanwhile_collides(ann: User, bob: User) -> None:
    pending.commit_document(FULL, "first")
    board = shown(ann, IncomingMailPolicy, name="Board")
    pending.submit(ann, PolicyChoice.build(board.uid, mode="no_scan"))
    pending.submit(bob, remove=[board])
    pending.commit(bob, "bob")
    with pytest.raises(pending.Collisions) as collided:
        pending.commit(ann, "ann")
    assert {collision.theirs.action for collision in collided.value.collisions if collision.theirs} == {"removed"}
    pending.commit(ann, "ann", overwrite=True)
    back = committed_plain()["incoming_mail_policies"][1]
    assert (back["name"], back["threat_defense_connector"]["mode"], len(back["members"])) == ("Board", "no_scan", 1)


def test_two_who_choose_for_one_policy_change_the_same_object(ann: User, bob: User) -> None:
    pending.commit_document({"format": 1, "incoming_mail_policies": [policy("Board", "a@")]}, "first")
    board = shown(ann, IncomingMailPolicy, name="Board")
    pending.submit(ann, PolicyChoice.build(board.uid, mode="no_scan"))
    pending.submit(bob, PolicyChoice.build(board.uid, mode="default"))
    pending.commit(bob, "bob")
    with pytest.raises(pending.Collisions) as collided:
        pending.commit(ann, "ann")
    (collision,) = collided.value.collisions
    assert collision.mine is not None
    assert (collision.mine.within, collision.mine.fields[0].new) == ("Board", "No Scan")


# --- What differs, readably


def test_changes_name_objects_and_fields_and_show_old_and_new(ann: User) -> None:
    pending.commit_document(FULL, "first")
    finance = shown(ann, IncomingMailPolicy, name="Finance")
    member = PolicyMember.objects.get(
        configuration=pending.committed(), policy_uid=finance.uid, recipient_match="following"
    )
    member.recipient_entries = ["cfo@", "@new.corp.example"]
    settings = shown(ann, ConnectorSettings)
    settings.verify_certificate = True
    pending.submit(
        ann,
        member,
        settings,
        PolicyChoice.build(finance.uid, mode="no_scan"),
        DestinationControl(domain="new.example", max_connections=5),
        remove=[shown(ann, SmtpRoute, domain="ALL")],
    )
    found = {(change.label, change.within, change.name): change for change in pending.pending_changes(ann)}
    assert set(found) == {
        ("User", "Finance", "1"),
        ("Threat Defense Connector Settings", "", "Threat Defense Connector Settings"),
        ("Threat Defense Connector", "Finance", "Threat Defense Connector"),
        ("Destination Control", "", "new.example"),
        ("SMTP Route", "", "All Other Domains"),
    }
    (entries,) = found["User", "Finance", "1"].fields
    assert (entries.label, entries.gone, entries.come) == (
        "Following Recipients",
        ("@finance.corp.example",),
        ("@new.corp.example",),
    )
    (verify,) = found["Threat Defense Connector Settings", "", "Threat Defense Connector Settings"].fields
    assert (verify.label, verify.old, verify.new) == ("Verify intake certificate", "No", "Yes")
    choice = found["Threat Defense Connector", "Finance", "Threat Defense Connector"]
    assert [(field.label, field.old, field.new) for field in choice.fields] == [
        ("Threat Defense Connector", "Custom Message Intake Address", "No Scan"),
        ("Custom Message Intake Address", "id2@intake.example", ""),
    ]
    assert found["Destination Control", "", "new.example"].action == changes.Action.ADDED
    assert found["SMTP Route", "", "All Other Domains"].action == changes.Action.REMOVED


def test_moving_a_policy_shows_its_old_and_new_place(ann: User) -> None:
    pending.commit_document(FULL, "first")
    board = shown(ann, IncomingMailPolicy, name="Board")
    board.position = shown(ann, IncomingMailPolicy, name="Finance").position - 1
    pending.submit(ann, board)
    (change,) = pending.pending_changes(ann)
    assert [(field.label, field.old, field.new) for field in change.fields] == [("Order", "2", "1")]


def test_the_default_policys_choice_is_shown_under_its_name(ann: User) -> None:
    found = PolicyChoice.objects.get(configuration=pending.committed())
    found.mode = "default"
    pending.submit(ann, found)
    (change,) = pending.pending_changes(ann)
    assert str(change.within) == "Default Policy"


# --- Several processes


@pytest.mark.django_db(transaction=True)
def test_of_two_commits_at_once_each_gets_its_own_number_and_both_changes_stand(ann: User, bob: User) -> None:
    pending.commit_document(FULL, "first")
    change_route(ann, "corp.example", "10.0.0.1")
    change_route(bob, "ALL", "10.0.0.2")
    numbers = together(lambda: pending.commit(ann, "ann").number, lambda: pending.commit(bob, "bob").number)
    assert sorted(numbers) == [3, 4]
    assert (hosts_of("corp.example"), hosts_of("ALL")) == (["10.0.0.1"], ["10.0.0.2"])


@pytest.mark.django_db(transaction=True)
def test_of_two_colliding_commits_at_once_one_is_told(ann: User, bob: User) -> None:
    pending.commit_document(FULL, "first")
    change_route(ann, "corp.example", "10.0.0.1")
    change_route(bob, "corp.example", "10.0.0.2")

    def commit(user: User) -> object:
        try:
            return pending.commit(user, "").number
        except pending.Collisions:
            return "collided"

    assert sorted(map(str, together(lambda: commit(ann), lambda: commit(bob)))) == ["3", "collided"]


@pytest.mark.django_db(transaction=True)
def test_several_processes_make_one_first_set() -> None:
    made = together(*[lambda: pending.ensure_initial().number] * 4)
    assert made == [1, 1, 1, 1]
    assert Configuration.objects.count() == 1


def together(*calls: Any) -> list[Any]:
    """Run calls in threads of their own at the same time; their results in order."""
    results: list[Any] = [None] * len(calls)
    barrier = threading.Barrier(len(calls))

    def run(index: int) -> None:
        barrier.wait()
        try:
            results[index] = calls[index]()
        except Exception as error:
            results[index] = error
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(index,)) for index in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_every_model_of_a_set_says_how_it_is_shown() -> None:
    for model in rows.models():
        assert issubclass(model, ConfigurationObject)
        assert model._meta.verbose_name
        assert not model.identity or model.identity in model.value_fields()
