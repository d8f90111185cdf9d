"""One address is one everywhere, however it is quoted: whatever spelling a row has, it is the row of every other."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from policies.address_lists import expanded
from policies.matching import Member, Policy, PolicyTable, RecipientCondition, SenderCondition, check_entry
from seg_console.gateway.arrival import with_recipients
from seg_console.gateway.document import Access as Row
from seg_console.gateway.paths import Parsing, read_path
from seg_console.gateway.protocol import Envelope, ReceivedMessage
from seg_console.gateway.running import RecipientAccessTable
from seg_console.gateway.spool import Spool
from seg_console.mail.addresses import as_sent, check_address

# What a local part may mean; an asterisk is no part of a policy's entry.
MEANINGS = st.text(st.characters(min_codepoint=32, max_codepoint=126, exclude_characters="*"), max_size=10)
PLAIN = st.text("abcXYZ019.%!+=_-", min_size=1, max_size=10)


@st.composite
def spellings(draw: st.DrawFn, meaning: str) -> str:
    """The local part as somebody may write it."""
    if set(meaning) <= set("abcXYZ019.%!+=_-") and meaning and draw(st.booleans()):
        return meaning
    return '"' + "".join("\\" * (c in '"\\' or draw(st.booleans())) + c for c in meaning) + '"'


@given(st.data(), MEANINGS | PLAIN)
def test_of_the_recipient_access_table(data: st.DataObject, meaning: str) -> None:
    rows = (
        Row(recipient=f"{data.draw(spellings(meaning))}@Corp.example", action="accept"),
        Row(recipient="corp.example", action="reject"),
    )
    address = f"{data.draw(spellings(meaning))}@corp.EXAMPLE"
    assert RecipientAccessTable(rows).decide(address).accepted
    assert not RecipientAccessTable(rows).decide(address.replace("@corp", "@a.corp")).accepted


@given(st.data(), MEANINGS | PLAIN, st.sampled_from(["@corp.example", "@"]), st.booleans())
def test_of_policies_and_address_lists(data: st.DataObject, meaning: str, domain: str, listed: bool) -> None:
    entry = check_entry(data.draw(spellings(meaning)) + domain)
    entries = expanded(["list:Partners"], {"partners": (entry,)}) if listed else (entry,)
    table = PolicyTable(
        [
            Policy("1", "To", (Member(recipients=RecipientCondition("following", "any", entries)),)),
            Policy("2", "From", (Member(senders=SenderCondition("following", entries)),)),
        ]
    )
    address = f"{data.draw(spellings(meaning))}@corp.example"
    assert [policy.name for policy in table.match(("",), [address])] == ["To"]
    assert [policy.name for policy in table.match((address,), ["bob@other.example"])] == ["From"]
    assert check_entry(entry) == entry


@given(st.data(), MEANINGS | PLAIN)
def test_of_the_recipients_of_a_message(data: st.DataObject, meaning: str) -> None:
    given_ = [f"{data.draw(spellings(meaning))}@corp.example" for _ in range(3)]
    envelope = Envelope(mid=1, sender="", recipients=(*given_[:2], "other-one@corp.example", given_[2]))
    message = ReceivedMessage(
        envelope=envelope, spool=Spool(), helo="", esmtp=True, tls=False, body_8bitmime=False, declared_size=0
    )
    kept = with_recipients(message, own="corp.example").envelope.recipients
    assert kept == (given_[0], "other-one@corp.example")


@given(st.data(), MEANINGS | PLAIN)
def test_what_is_sent_or_configured_is_read_again_as_the_same(data: st.DataObject, meaning: str) -> None:
    address = f"{data.draw(spellings(meaning))}@corp.example"
    sent, checked = as_sent(address), check_address(address)
    path = read_path(f"<{sent}>", Parsing(loose=False))
    assert path
    assert path.address == sent
    assert check_address(sent) == checked == check_address(checked)
