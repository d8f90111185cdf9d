from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import Any

import dkim
import pytest

from policies.matching import Member, Policy, PolicyTable, RecipientCondition, SenderCondition
from seg_console.lab.places import CUSTOM_ADDRESS
from seg_console.lab.sample_configuration import sample_configuration
from seg_console.lab.samples import LARGE_SIZE, SIGNED_MESSAGE, SIGNER_RECORD, Sample, samples
from seg_console.mail.headers import read_headers
from seg_console.mail.lines import has_bare_line_end

SAMPLES = samples(now=datetime(2026, 11, 2, 9, 30, tzinfo=UTC))
DOCUMENT = sample_configuration(host="127.0.0.1", authority="")


def _member(pair: dict[str, Any]) -> Member:
    senders, recipients = pair["senders"], pair["recipients"]
    return Member(
        SenderCondition(senders["match"], tuple(senders["entries"])),
        RecipientCondition(
            recipients["match"], recipients["join"], tuple(recipients["entries"]), tuple(recipients["except"])
        ),
    )


def _copy(choice: dict[str, str]) -> str | None:
    if choice["mode"] == "use_default":
        return _copy(DOCUMENT["default_policy"]["threat_defense_connector"])
    assert choice.get("address", CUSTOM_ADDRESS) == CUSTOM_ADDRESS
    return None if choice["mode"] == "no_scan" else choice["mode"]


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.title)
def test_a_sample_expects_the_copies_that_the_sample_configuration_asks_for(sample: Sample) -> None:
    policies = [
        Policy(uid=str(row), name=policy["name"], members=tuple(map(_member, policy["members"])))
        for row, policy in enumerate(DOCUMENT["incoming_mail_policies"])
    ]
    choices = {p["name"]: p["threat_defense_connector"] for p in DOCUMENT["incoming_mail_policies"]}
    headers = read_headers(sample.content)
    accepted = [recipient for recipient in sample.recipients if recipient not in sample.refused]
    parts = PolicyTable(policies).split((sample.sender, headers.from_address, headers.reply_to), accepted)

    default = DOCUMENT["default_policy"]["threat_defense_connector"]
    copies = [_copy(choices.get(part.policy.name, default)) for part in parts]
    assert Counter(copy for copy in copies if copy) == Counter(sample.copies)


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.title)
def test_a_sample_is_clean_mail(sample: Sample) -> None:
    assert not has_bare_line_end(sample.content)
    assert sample.content.endswith(b"\r\n")
    assert read_headers(sample.content).message_id


def test_the_configuration_shows_every_choice_and_every_condition() -> None:
    policies = DOCUMENT["incoming_mail_policies"]
    members = [member for policy in policies for member in policy["members"]]

    assert len(policies) >= 4
    assert {p["threat_defense_connector"]["mode"] for p in policies} == {"no_scan", "default", "custom", "use_default"}
    assert {member["senders"]["match"] for member in members} == {"any", "following", "not"}
    assert any(member["recipients"]["except"] for member in members)


def test_the_samples_are_many_and_varied() -> None:
    sizes = [len(sample.content) for sample in SAMPLES]

    assert len(SAMPLES) >= 40
    assert max(sizes) == pytest.approx(LARGE_SIZE, rel=0.01)
    assert any(not sample.sender for sample in SAMPLES)
    assert any(not sample.content.isascii() for sample in SAMPLES)
    assert any(sample.refused for sample in SAMPLES)


def test_the_signed_sample_verifies() -> None:
    assert dkim.verify(SIGNED_MESSAGE.read_bytes(), dnsfunc=lambda *_, **__: SIGNER_RECORD.read_bytes().strip())
