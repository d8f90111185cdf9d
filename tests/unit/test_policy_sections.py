"""Address lists and Mail Policy Settings in the document: what is refused and where, what the mail path is given."""

from __future__ import annotations

from typing import Any

import pytest

from policies.address_lists import check_member_entry, expanded, names_in, renamed
from policies.running import policy_table
from seg_console.config import document
from seg_console.config.document import Document
from seg_console.config.rows import Rows
from seg_console.mail.addresses import AddressError
from tests.support.configurations import full, policy

PARTNERS = {"name": "Partners", "description": "", "entries": ["@partner.example", "boss@"]}


def running(**sections: Any) -> Document:
    """A document as the mail path has it."""
    found = document.prints(document.rows_of(document.values_of(full(**sections)), known=Rows()))
    return Document({key: one.text for key, one in found.items()}, {key: one.uids for key, one in found.items()})


@pytest.mark.parametrize(
    ("sections", "path", "sentence"),
    [
        (
            {"incoming_mail_policies": [policy("P", "a@", "list:Nobody")]},
            "incoming_mail_policies[0].members[0].recipients.entries[1]",
            "there is no address list Nobody",
        ),
        (
            {"incoming_mail_policies": [policy("P", "list:")]},
            "incoming_mail_policies[0].members[0].recipients.entries[0]",
            "does not name an address list",
        ),
        (
            {"incoming_mail_policies": [policy("P", "list:Partners", "LIST:partners")]},
            "incoming_mail_policies[0].members[0].recipients.entries[1]",
            "only once",
        ),
        (
            {"address_lists": [PARTNERS, PARTNERS | {"name": "partners"}]},
            "address_lists[1].name",
            "at address_lists[0]",
        ),
        ({"address_lists": [PARTNERS | {"entries": []}]}, "address_lists[0].entries", "give at least 1."),
        ({"address_lists": [PARTNERS | {"entries": ["a@", "A@"]}]}, "address_lists[0].entries[1]", "only once"),
        (
            {"address_lists": [PARTNERS | {"entries": ['"c\\eo"@x.example', "ceo@x.example"]}]},
            "address_lists[0].entries[1]",
            "only once",
        ),
        (
            {"incoming_mail_policies": [policy("P", "taro..y@x.example", '"taro..y"@x.example')]},
            "incoming_mail_policies[0].members[0].recipients.entries[1]",
            "only once",
        ),
        (
            {"address_lists": [PARTNERS | {"entries": ["list:Others"]}]},
            "address_lists[0].entries[0]",
            "is not an entry",
        ),
        ({"address_lists": [PARTNERS | {"name": "<b>"}]}, "address_lists[0].name", "Use letters"),
        ({"address_lists": [PARTNERS | {"description": "a\nb"}]}, "address_lists[0].description", "one line"),
        ({"mail_policy_settings": {"sender_headers": []}}, "mail_policy_settings.sender_headers", "give at least 1."),
        (
            {"mail_policy_settings": {"sender_headers": [["from"], []]}},
            "mail_policy_settings.sender_headers[1]",
            "give at least 1.",
        ),
        (
            {"mail_policy_settings": {"sender_headers": [["from"], ["from"]]}},
            "mail_policy_settings.sender_headers",
            "each header only once",
        ),
        (
            {"mail_policy_settings": {"sender_headers": [["x-from"]]}},
            "mail_policy_settings.sender_headers[0][0]",
            "give one of",
        ),
    ],
)
def test_a_bad_section_is_refused_with_its_path(sections: dict[str, Any], path: str, sentence: str) -> None:
    (problem,) = document.validate({"format": 1, "address_lists": [PARTNERS]} | sections)
    assert problem.path == path
    assert sentence in problem.message


def test_the_running_table_has_the_entries_of_a_list_in_place_of_its_name_whatever_its_case() -> None:
    table = policy_table(
        running(address_lists=[PARTNERS], incoming_mail_policies=[policy("P", "a@x.example", "list:partners", "z@")])
    )
    assert table.policies[0].members[0].recipients.entries == ("a@x.example", "@partner.example", "boss@", "z@")
    found = table.match(("",), ["joe@partner.example", "joe@other.example"])
    assert [one.name for one in found] == ["P", "DEFAULT"]


def test_the_running_table_has_the_priorities_of_the_settings() -> None:
    settings = {"sender_headers": [["from", "sender"], ["envelope_sender"]]}
    assert policy_table(running(mail_policy_settings=settings)).priorities == (("from", "sender"), ("envelope_sender",))
    assert document.initial()["mail_policy_settings"] == {
        "sender_headers": [["envelope_sender"], ["from"], ["reply_to"]]
    }


def test_entries_that_name_lists() -> None:
    assert check_member_entry(" List:  Our Partners ") == "list:Our Partners"
    assert check_member_entry("Joe@") == "joe@"
    assert names_in(["list:Ours", "a@", "list:THEIRS"]) == {"ours", "theirs"}
    assert renamed(["list:ours", "a@", "list:Theirs"], old="Ours", new="New") == ["list:New", "a@", "list:Theirs"]
    assert expanded(["a@", "list:ours"], {"ours": ("b@", "c@")}) == ("a@", "b@", "c@")


@pytest.mark.parametrize("text", ["list:", "list:a@b", "list:<b>", "list:" + "a" * 65, "list:a\u202eb"])
def test_a_reference_that_can_be_no_lists_name_is_refused(text: str) -> None:
    with pytest.raises(AddressError):
        check_member_entry(text)
