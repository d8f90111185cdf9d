"""However the network cuts the bytes, the session says and hands out the same."""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from seg_console.gateway.protocol import Limits
from tests.support.smtp_dialogue import OPENING, Heard, new_session, talk

LIMITS = Limits(max_message_size=60, max_recipients=2, max_errors=6, max_junk=6, max_line=60)

FRAGMENTS = [
    b"EHLO client.example\r\n",
    b"MAIL FROM:<alice@example.net>\r\n",
    b"MAIL FROM:<> SIZE=61\r\n",
    b"RCPT TO:<bob@corp.example>\r\n",
    b"RCPT TO:<x@elsewhere.example>\r\n",
    b"DATA\r\n",
    b"Subject: x\r\n",
    b"..",
    b".",
    b"\r\n",
    b"\r",
    b"\n",
    b"\r\n.\r\n",
    b"\n.\n",
    b"\r.\r",
    b"\r\n.\n",
    b"\r\r\n",
    b"\r\x00\n",
    b"\xff\x00",
    b"x" * 59,
    b"NOOP\r\n",
    b"RSET\r\n",
    b"STARTTLS\r\n",
    b"QUIT\r\n",
]
SETTINGS = st.sampled_from(["clean", "reject"])
STREAMS = st.lists(st.sampled_from(FRAGMENTS), max_size=25).map(b"".join)


def hear(chunks: list[bytes], setting: Literal["clean", "reject"] = "clean") -> Heard:
    session = new_session(limits=LIMITS, tls_available=True, bare_line_ends=setting)
    heard = talk(session, *chunks)
    heard.take(session.lost()) if heard.closed is None else None
    return heard


def cut(stream: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(stream) + 1) for place in places), len(stream)]
    return [stream[start:end] for start, end in pairwise(edges)]


@settings(deadline=None)
@given(stream=STREAMS, begun=st.booleans(), places=st.lists(st.integers(min_value=0), max_size=12), setting=SETTINGS)
@example(stream=b"..\r\n.\r\n", begun=True, places=[1, 2, 3, 4, 5, 6], setting="clean")
@example(stream=b"x" * 59 + b"\r\n\r\n.\r\nNOOP\r\n", begun=True, places=[60, 61, 62, 63, 64], setting="clean")
@example(stream=b"x" * 61 + b"\r\nNOOP\r\n", begun=False, places=[60, 61, 62, 63], setting="clean")
@example(stream=b"x" * 60 + b"\r\nNOOP\r\n", begun=False, places=[60, 61, 62, 63], setting="clean")
def test_cuts_change_nothing(
    stream: bytes, begun: bool, places: list[int], setting: Literal["clean", "reject"]
) -> None:
    stream = OPENING + stream if begun else stream
    assert hear(cut(stream, places), setting) == hear([stream], setting)


@settings(deadline=None)
@given(stream=STREAMS, begun=st.booleans(), setting=SETTINGS)
def test_octet_by_octet_is_the_same_as_all_at_once(
    stream: bytes, begun: bool, setting: Literal["clean", "reject"]
) -> None:
    stream = OPENING + stream if begun else stream
    assert hear([stream[i : i + 1] for i in range(len(stream))], setting) == hear([stream], setting)


@pytest.mark.parametrize("place", range(len(OPENING) + 40))
def test_a_dialogue_cut_in_two_at_every_place(place: int) -> None:
    stream = OPENING + b"a\r\n..b\r\n.\r\n" + b"NOOP\r\nQUIT\r\n"
    heard = hear([stream[:place], stream[place:]])
    assert heard == hear([stream])
    assert [message.content for message in heard.messages] == [b"a\r\n.b\r\n"]
    assert heard.codes == [250, 250, 250, 354, 250, 250, 221]


@pytest.mark.parametrize("setting", ["clean", "reject"])
def test_odd_line_ends_cut_in_three_at_every_place(setting: Literal["clean", "reject"]) -> None:
    stream = b"\r\n.\r\r\n\r\0\n.\n.\r.\r\n..\0\r\n\r\r.\r\r\n.\r\nNOOP\r\n"
    whole = hear([OPENING, stream], setting)
    assert whole.codes[-2:] == [250 if setting == "clean" else 550, 250]
    for first in range(len(stream) + 1):
        for second in range(first, len(stream) + 1):
            assert hear([OPENING, stream[:first], stream[first:second], stream[second:]], setting) == whole


@settings(deadline=None)
@given(content=st.binary(max_size=200))
def test_whatever_is_stuffed_and_sent_arrives_as_it_was(content: bytes) -> None:
    content = content.replace(b"\0", b"").replace(b"\r", b"").replace(b"\n", b"\r\n") + b"\r\n"
    stuffed = (b"\r\n" + content).replace(b"\r\n.", b"\r\n..")[2:]
    session = new_session()
    [message] = talk(session, OPENING, stuffed + b".\r\n").messages
    assert message.content == content


@settings(deadline=None)
@given(line=st.binary(max_size=80))
def test_no_line_end_or_nul_ever_reaches_an_envelope(line: bytes) -> None:
    session = new_session()
    stream = b"EHLO c.example\r\nMAIL FROM:<" + line + b">\r\nRCPT TO:<bob@corp.example>\r\nRCPT TO:<" + line + b"\r\n"
    heard = talk(session, stream, b"DATA\r\n", b".\r\n")
    for message in heard.messages:
        for text in (message.envelope.sender, *message.envelope.recipients, message.helo):
            assert text.isascii()
            assert text.isprintable()


@settings(deadline=None)
@given(line=st.text(alphabet='a.@<>":,[]\\ -', max_size=60))
def test_addresses_of_odd_characters_get_exactly_one_reply(line: str) -> None:
    session = new_session()
    heard = talk(session, b"EHLO c.example\r\n", b"MAIL FROM:<%s>\r\n" % line.encode())
    assert len(heard.codes) == 2
