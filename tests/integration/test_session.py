"""One SMTP conversation against a scripted server: what goes over the wire, and what each answer is worth."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import pytest

from seg_console.delivery.drain import new_event_loop
from seg_console.delivery.kinds import Conversion, Timeouts
from seg_console.delivery.outcome import Failure, Outcome, Stage
from seg_console.delivery.session import (
    Address,
    ConnectionGone,
    DialError,
    Envelope,
    Sent,
    Session,
    dial,
    dot_stuffed,
)
from seg_console.delivery.tls import TlsDemand, TlsMode, context_for
from tests.support.smtp_remote import OFFERS, Action, Later, Pieces, Remote, Script, Step, Then, authority, smtp_remote

Result = TypeVar("Result")
QUICK = Timeouts(
    connect_s=0.5, greeting_s=0.5, command_s=0.5, data_s=0.5, block_s=0.5, dot_s=0.5, transaction_s=2.0, close_s=0.5
)
PLAIN = TlsDemand(TlsMode.NONE)


def envelope(content: bytes = b"Subject: x\r\n\r\nHi\r\n", *recipients: str, sender: str = "a@x.example") -> Envelope:
    return Envelope(sender, recipients or ("b@y.example",), content, eight_bit=not content.isascii())


def converse(
    remote: Remote,
    talk: Callable[[Session], Awaitable[Result]],
    *,
    tls: TlsDemand = PLAIN,
    server_name: str = "remote.test",
    timeouts: Timeouts = QUICK,
) -> Result:
    async def run() -> Result:
        session = await dial(
            Address("127.0.0.1", remote.port, "remote.test"),
            hostname="gw1.corp.example",
            tls=tls,
            server_name=server_name,
            timeouts=timeouts,
        )
        try:
            return await talk(session)
        finally:
            await session.close()

    return asyncio.run(run())


def send(remote: Remote, *envelopes: Envelope, **options: Any) -> tuple[list[Sent], bool]:
    async def talk(session: Session) -> tuple[list[Sent], bool]:
        return [await session.send(each) for each in envelopes], session.usable

    return converse(remote, talk, **options)


def test_the_dialogue_of_two_messages_on_one_connection() -> None:
    with smtp_remote() as remote:
        (first, _), usable = send(remote, envelope(), envelope())
    assert first.outcomes[0].delivered
    assert first.outcomes[0].text == "2.0.0 Ok: queued as ABC"
    assert usable
    message = ["MAIL FROM:<a@x.example> SIZE=18", "RCPT TO:<b@y.example>", "DATA"]
    assert remote.commands == [["EHLO gw1.corp.example", *message, *message, "QUIT"]]


@pytest.mark.parametrize(
    "content",
    [
        b".\r\n",
        b"..\r\nx\r\n.\r\n..",
        b"a\r\n.b\r\n",
        b"",
        b"no end of line",
        b"\r\n\r\n.",
        b"x" * 5_000_000,
    ],
    ids=lambda content: repr(content[:12]),
)
def test_content_arrives_as_it_was(content: bytes) -> None:
    with smtp_remote() as remote:
        send(remote, envelope(content), timeouts=Timeouts())
    ended = content if content.endswith(b"\r\n") or not content else content + b"\r\n"
    assert remote.taken[0].content == ended


@pytest.mark.parametrize("bare", [b"a\n.\nb\r\n", b"a\r.\rb\r\n", b"a\n.\r\nb\r\n", b"a\r\n.\nb\r\n"])
def test_bare_line_ends_never_end_the_message_early(bare: bytes) -> None:
    wire = dot_stuffed(bare)
    assert wire.count(b"\r\n.\r\n") == 1
    assert wire.endswith(b"\r\n.\r\n")
    assert b"\n.\n" not in wire


def test_each_recipient_has_its_own_answer() -> None:
    script: Script = {"RCPT": ["250 Ok", "450 4.2.1 later", "550 5.1.1 nobody"]}
    with smtp_remote(script) as remote:
        (sent,), usable = send(remote, envelope(b"x\r\n", "a@y.example", "b@y.example", "c@y.example"))
    assert [outcome.code for outcome in sent.outcomes] == [250, 450, 550]
    assert [outcome.delivered for outcome in sent.outcomes] == [True, False, False]
    assert remote.taken[0].recipients == ["a@y.example"]
    assert usable


def test_without_an_accepted_recipient_nothing_is_sent_and_the_connection_is_reset() -> None:
    with smtp_remote({"RCPT": ["550 no", "250 Ok"]}) as remote:
        (first, second), _ = send(remote, envelope(), envelope())
    assert (first.outcomes[0].code, second.outcomes[0].code) == (550, 250)
    assert [command.split()[0] for command in remote.commands[0][1:6]] == ["MAIL", "RCPT", "DATA", "RSET", "MAIL"]
    assert len(remote.taken) == 1


def test_a_server_without_pipelining_is_asked_one_by_one_and_not_for_data_in_vain() -> None:
    with smtp_remote({"RCPT": ["550 no", "250 Ok"]}, offers=()) as remote:
        (first, second), _ = send(remote, envelope(), envelope())
    assert (first.outcomes[0].code, second.outcomes[0].code) == (550, 250)
    assert [command.split()[0] for command in remote.commands[0][1:5]] == ["MAIL", "RCPT", "RSET", "MAIL"]
    assert len(remote.taken) == 1


def test_a_server_that_takes_data_without_a_recipient_gets_an_empty_message() -> None:
    with smtp_remote({"RCPT": ["550 no", "250 Ok"], "DATA": "354 go on"}) as remote:
        (first, second), usable = send(remote, envelope(), envelope())
    assert (first.outcomes[0].code, second.outcomes[0].code, usable) == (550, 250, True)
    assert next(taken.content for taken in remote.taken) == b""


def test_a_server_that_wants_content_of_a_refused_sender_is_left() -> None:
    with smtp_remote({"MAIL": "550 no", "DATA": "354 go on"}) as remote:
        (sent,), usable = send(remote, envelope())
    assert (sent.outcomes[0].code, sent.outcomes[0].stage, usable) == (550, Stage.MAIL, False)
    assert remote.taken == []


def test_an_address_with_a_control_character_is_never_sent() -> None:
    with smtp_remote() as remote, pytest.raises(ValueError, match="control character"):
        send(remote, envelope(b"x\r\n", "a@y.example>\r\nRSET"))
    assert remote.counts["MAIL"] == 0


@pytest.mark.parametrize(
    ("script", "failure", "stage", "code"),
    [
        ({"MAIL": "451 4.3.0 later"}, Failure.REPLY, Stage.MAIL, 451),
        ({"MAIL": "421 4.3.2 going"}, Failure.REPLY, Stage.MAIL, 421),
        ({"MAIL": Action.DROP}, Failure.NETWORK, Stage.MAIL, 0),
        ({"MAIL": Action.HANG}, Failure.NETWORK, Stage.MAIL, 0),
        ({"MAIL": "hello"}, Failure.NETWORK, Stage.MAIL, 0),
        ({"RCPT": Action.DROP}, Failure.NETWORK, Stage.RCPT, 0),
        ({"RCPT": "421 going"}, Failure.REPLY, Stage.RCPT, 421),
        ({"DATA": "503 5.5.1 sequence"}, Failure.REPLY, Stage.DATA, 503),
        ({"DATA": "250 what?"}, Failure.REPLY, Stage.DATA, 250),
        ({"DATA": Action.RESET}, Failure.NETWORK, Stage.DATA, 0),
        ({"CONTENT": "552 5.3.4 too big"}, Failure.REPLY, Stage.CONTENT, 552),
        ({"CONTENT": Action.DROP}, Failure.UNKNOWN, Stage.CONTENT, 0),
        ({"CONTENT": Action.HANG}, Failure.UNKNOWN, Stage.CONTENT, 0),
        ({"CONTENT": Action.TAKE_AND_DROP}, Failure.UNKNOWN, Stage.CONTENT, 0),
    ],
    ids=str,
)
def test_trouble_in_a_transaction(script: Script, failure: Failure, stage: Stage, code: int) -> None:
    with smtp_remote(script) as remote:
        (sent,), usable = send(remote, envelope())
    (outcome,) = sent.outcomes
    assert (outcome.failure, outcome.stage, outcome.code) == (failure, stage, code)
    assert sent.started
    assert usable == (failure is Failure.REPLY and code != 421)


def test_the_deadline_ends_a_transaction_that_only_drips() -> None:
    quick = Timeouts(transaction_s=0.3)
    with smtp_remote({"DATA": Action.HANG}) as remote:
        (sent,), usable = send(remote, envelope(), timeouts=quick)
    assert (sent.outcomes[0].failure, sent.outcomes[0].reason, usable) == (
        Failure.NETWORK,
        "connection timed out",
        False,
    )


def test_a_connection_closed_between_messages_tries_nothing() -> None:
    with smtp_remote({"CONTENT": "421 4.3.2 enough"}) as remote, pytest.raises(ConnectionGone):
        send(remote, envelope(), envelope())
    assert remote.counts["MAIL"] == 1


def test_eight_bit_content_is_announced_where_it_can_be_and_goes_as_it_is_elsewhere() -> None:
    eight = envelope("Grüße\r\n".encode())
    with smtp_remote() as remote:
        send(remote, eight)
    assert "BODY=8BITMIME" in remote.taken[0].mail_line
    with smtp_remote(offers=()) as remote:
        (sent,), _ = send(remote, eight)
    assert sent.outcomes[0].delivered
    assert (remote.taken[0].content, remote.taken[0].mail_line) == (eight.content, "MAIL FROM:<a@x.example>")


def test_eight_bit_content_is_refused_where_the_terms_say_so() -> None:
    eight = replace(envelope("Grüße\r\n".encode()), conversion=Conversion.BOUNCE)
    with smtp_remote() as remote:
        (sent,), _ = send(remote, eight)
    assert sent.outcomes[0].delivered
    with smtp_remote(offers=()) as remote:
        (sent,), usable = send(remote, eight)
    assert (sent.outcomes[0].failure, sent.started, usable) == (Failure.EIGHT_BIT, False, True)
    assert remote.counts["MAIL"] == 0


def test_an_address_goes_as_it_was_written_unless_only_quotes_make_it_one() -> None:
    with smtp_remote() as remote:
        (sent,), _ = send(remote, envelope(b"x\r\n", '"ceo"@y.example', "taro..y@y.example", sender="Hana.@x.example"))
    assert sent.outcomes[0].delivered
    assert remote.commands[0][1:4] == [
        'MAIL FROM:<"Hana."@x.example> SIZE=3',
        'RCPT TO:<"ceo"@y.example>',
        'RCPT TO:<"taro..y"@y.example>',
    ]


def test_an_address_beyond_ascii_needs_the_extension() -> None:
    with smtp_remote() as remote:
        (sent,), usable = send(remote, envelope(b"x\r\n", "jörg@y.example"))
    assert (sent.outcomes[0].failure, sent.started, usable) == (Failure.EIGHT_BIT, False, True)
    assert remote.counts["MAIL"] == 0


# --- a server ends the connection whenever it likes ---


@pytest.mark.parametrize("goodbye", ["421 4.4.2 idle too long", b"421\r\n", Action.DROP, Action.RESET], ids=str)
@pytest.mark.parametrize("secure", [False, True])
def test_a_connection_that_ends_behind_a_message_costs_the_next_one_nothing(
    goodbye: str | bytes | Action, secure: bool, tmp_path: Path
) -> None:
    content = Then("250 2.0.0 Ok", goodbye) if isinstance(goodbye, Action) else "250 2.0.0 Ok"
    second = goodbye if isinstance(goodbye, Action) else Then(goodbye)
    script: Script = {"CONTENT": content, "MAIL": ["250 Ok", second]}
    tls = authority().server(tmp_path, "remote.test") if secure else None

    async def talk(session: Session) -> Sent:
        first = await session.send(envelope())
        with pytest.raises(ConnectionGone):
            await session.send(envelope())
        assert not session.usable
        return first

    with smtp_remote(script, tls=tls) as remote:
        demand = trusting(TlsMode.REQUIRED_VERIFY) if secure else PLAIN
        assert converse(remote, talk, tls=demand).outcomes[0].delivered
    assert len(remote.taken) == 1


def test_words_that_nobody_asked_for_end_the_connection_before_a_message_is_tried() -> None:
    async def talk(session: Session) -> None:
        await session.send(envelope())
        with pytest.raises(ConnectionGone):
            await session.send(envelope())

    with smtp_remote({"CONTENT": "250 Ok\n421 4.3.2 enough for today"}) as remote:
        converse(remote, talk)
    assert (len(remote.taken), remote.counts["MAIL"]) == (1, 1)


def test_a_server_that_leaves_at_the_first_message_has_refused_it() -> None:
    with smtp_remote({"MAIL": "421 4.7.0 not you"}) as remote:
        (sent,), usable = send(remote, envelope())
    assert (sent.outcomes[0].code, sent.started, usable) == (421, True, False)


@pytest.mark.parametrize("offers", [OFFERS, ()])
@pytest.mark.parametrize("end", ["421 4.7.0 too many errors", Action.DROP, Action.RESET], ids=str)
def test_verdicts_given_before_the_server_left_stand(end: Step, offers: tuple[str, ...]) -> None:
    script: Script = {"RCPT": ["250 Ok", "550 5.1.1 nobody", "450 4.2.1 later", end]}
    names = [f"{name}@y.example" for name in "abcdef"]
    with smtp_remote(script, offers=offers) as remote:
        (sent,), usable = send(remote, envelope(b"x\r\n", *names))
    code = 421 if isinstance(end, str) else 0
    assert [outcome.code for outcome in sent.outcomes] == [code, 550, 450, code, code, code]
    assert not usable
    assert remote.taken == []


def test_the_verdict_on_the_sender_stands_too() -> None:
    with smtp_remote({"MAIL": "550 5.7.1 not you", "RCPT": Action.DROP}) as remote:
        (sent,), usable = send(remote, envelope(b"x\r\n", "a@y.example", "b@y.example"))
    # What is out of turn gets a 503 of the server's, so it is the DATA that it leaves at.
    assert [outcome.code for outcome in sent.outcomes] == [550, 550]
    assert remote.counts["CONTENT"] == 0
    assert usable


def test_an_answer_that_comes_before_the_end_of_the_content_is_the_answer() -> None:
    with smtp_remote({"DATA": Then("354 go on\n552 5.3.4 too big", Action.DROP)}) as remote:
        (sent,), usable = send(remote, envelope(b"x" * 8_000_000), timeouts=Timeouts())
    assert (sent.outcomes[0].failure, sent.outcomes[0].code, usable) == (Failure.REPLY, 552, False)


# --- patience ---


def test_a_server_that_takes_nothing_of_the_content_has_not_got_the_message() -> None:
    with smtp_remote({"DATA": Then("354 go on", Action.STALL)}) as remote:
        (sent,), usable = send(remote, envelope(b"x" * 20_000_000))
    outcome = sent.outcomes[0]
    assert (outcome.failure, outcome.stage, outcome.reason) == (
        Failure.NETWORK,
        Stage.CONTENT,
        "connection timed out",
    )
    assert not usable


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, new_event_loop])
@pytest.mark.parametrize("size", [10, 3_000_000])
def test_content_that_went_out_whole_over_tls_is_known_to_have(
    loop: Callable[[], asyncio.AbstractEventLoop], size: int, tmp_path: Path
) -> None:
    async def talk(port: int) -> Sent:
        session = await dial(
            Address("127.0.0.1", port, "remote.test"),
            hostname="gw1.corp.example",
            tls=trusting(TlsMode.REQUIRED_VERIFY),
            server_name="remote.test",
            timeouts=replace(Timeouts(), block_s=30.0, dot_s=0.3),
        )
        return await session.send(envelope(b"x" * size))

    with smtp_remote({"CONTENT": Action.HANG}, tls=authority().server(tmp_path, "remote.test")) as remote:
        with asyncio.Runner(loop_factory=loop) as runner:
            sent = runner.run(talk(remote.port))
        assert remote.counts["CONTENT"] == 1
    assert (sent.outcomes[0].failure, sent.outcomes[0].stage) == (Failure.UNKNOWN, Stage.CONTENT)


@pytest.mark.parametrize("step", ["CONNECT", "EHLO", "MAIL", "RCPT", "DATA", "CONTENT"])
def test_each_wait_is_longer_than_a_slow_answer_and_ends_with_the_life_of_the_message(step: str) -> None:
    answers = {
        "CONNECT": b"220 slow\r\n",
        "EHLO": b"250 slow\r\n",
        "MAIL": b"250 Ok\r\n",
        "RCPT": b"250 Ok\r\n",
        "DATA": b"354 go on\r\n",
        "CONTENT": b"250 Ok\r\n",
    }

    async def deliver(port: int, until_s: float) -> Outcome:
        until = asyncio.get_running_loop().time() + until_s
        address = Address("127.0.0.1", port, "remote.test")
        try:
            session = await dial(
                address, hostname="gw", tls=PLAIN, server_name="", timeouts=Timeouts(close_s=0.1), until=until
            )
        except DialError as error:
            return error.outcome
        sent = await session.send(envelope(), until=until)
        await session.close()
        return sent.outcomes[0]

    with smtp_remote({step: Pieces(answers[step], 0.02)}) as remote:
        assert asyncio.run(deliver(remote.port, 60)).delivered
    with smtp_remote({step: Action.HANG}) as remote:
        outcome = asyncio.run(deliver(remote.port, 0.3))
    expected = Failure.UNKNOWN if step == "CONTENT" else Failure.NETWORK
    assert (outcome.failure, outcome.reason) == (expected, "connection timed out")


def test_a_connection_is_closed_when_the_server_has_closed_it() -> None:
    async def talk(session: Session) -> int:
        await session.send(envelope())
        await session.close()
        return remote.open

    with smtp_remote({"QUIT": Later(0.05, Then("221 bye"))}) as remote:
        assert converse(remote, talk) == 0


def test_a_server_that_knows_no_ehlo_is_greeted_with_helo() -> None:
    with smtp_remote({"EHLO": "502 5.5.1 what?"}) as remote:
        (sent,), _ = send(remote, envelope())
    assert sent.outcomes[0].delivered
    assert remote.commands[0][:2] == ["EHLO gw1.corp.example", "HELO gw1.corp.example"]


@pytest.mark.parametrize(
    ("script", "failure", "details", "reason"),
    [
        ({"CONNECT": "554 5.3.2 go away"}, Failure.REPLY, "554 5.3.2 go away", "unexpected SMTP response"),
        ({"CONNECT": "421 4.3.2 busy"}, Failure.REPLY, "421 4.3.2 busy", "unexpected SMTP response"),
        ({"CONNECT": Action.DROP}, Failure.NETWORK, "EOF", "network error"),
        ({"CONNECT": Action.HANG}, Failure.NETWORK, "timeout", "connection timed out"),
        ({"EHLO": Action.DROP}, Failure.NETWORK, "EOF", "network error"),
    ],
    ids=str,
)
def test_trouble_before_any_message(script: Script, failure: Failure, details: str, reason: str) -> None:
    with smtp_remote(script) as remote, pytest.raises(DialError) as caught:
        send(remote)
    outcome = caught.value.outcome
    assert (outcome.failure, outcome.details, outcome.reason) == (failure, details, reason)
    assert caught.value.local_ip == "127.0.0.1"


# --- TLS ---


def trusting(mode: TlsMode) -> TlsDemand:
    return TlsDemand(mode, authority().pem)


def test_over_tls_version_and_cipher_are_known_and_the_greeting_is_repeated(tmp_path: Path) -> None:
    async def facts(session: Session) -> tuple[str, str]:
        return session.tls_protocol, session.tls_cipher

    with smtp_remote(tls=authority().server(tmp_path, "remote.test")) as remote:
        found = converse(remote, facts, tls=trusting(TlsMode.REQUIRED_VERIFY))
    assert found == ("TLSv1.3", "TLS_AES_256_GCM_SHA384")
    assert remote.commands[0] == ["EHLO gw1.corp.example", "STARTTLS", "EHLO gw1.corp.example", "QUIT"]


@pytest.mark.parametrize("mode", [TlsMode.REQUIRED, TlsMode.REQUIRED_VERIFY])
def test_tls_below_1_2_is_never_spoken(mode: TlsMode, tmp_path: Path) -> None:
    assert context_for(trusting(mode)).minimum_version == ssl.TLSVersion.TLSv1_2
    assert context_for(trusting(mode)) is context_for(trusting(mode))


@pytest.mark.parametrize(
    ("script", "offered", "mode", "taken"),
    [
        ({}, False, TlsMode.PREFERRED, "clear"),
        ({}, True, TlsMode.PREFERRED, "tls"),
        ({"STARTTLS": "454 4.7.0 not now"}, True, TlsMode.PREFERRED, "clear"),
        ({"STARTTLS": Action.NO_HANDSHAKE}, True, TlsMode.PREFERRED, "nothing"),
        ({}, True, TlsMode.NONE, "clear"),
        ({}, False, TlsMode.REQUIRED, "nothing"),
        ({"STARTTLS": "454 4.7.0 not now"}, True, TlsMode.REQUIRED, "nothing"),
    ],
    ids=str,
)
def test_clear_text_only_where_it_may_be(
    script: Script, offered: bool, mode: TlsMode, taken: str, tmp_path: Path
) -> None:
    context = authority().server(tmp_path, "remote.test") if offered else None
    with smtp_remote(script, tls=context) as remote:
        if taken == "nothing":
            with pytest.raises(DialError) as caught:
                send(remote, tls=trusting(mode))
            assert caught.value.outcome.failure is Failure.TLS
        else:
            send(remote, envelope(), tls=trusting(mode))
    assert [each.tls for each in remote.taken] == {"clear": [False], "tls": [True], "nothing": []}[taken]


@contextmanager
def one_that_asks_for_a_certificate(tls: ssl.SSLContext) -> Iterator[int]:
    """A server for one connection, on a blocking socket, because asyncio closes without telling why. Its port."""

    def serve() -> None:
        client, _address = listening.accept()
        with client, suppress(OSError):
            for reply in (b"220 hello\r\n", b"250-remote.test\r\n250 STARTTLS\r\n"):
                client.sendall(reply)
                client.recv(1000)
            client.sendall(b"220 go ahead\r\n")
            with tls.wrap_socket(client.dup(), server_side=True, do_handshake_on_connect=False) as secured:
                try:
                    secured.do_handshake()
                except ssl.SSLError:
                    client.recv(1000)  # what is unread at the end would reset the connection, and the alert with it

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve)
        thread.start()
        yield listening.getsockname()[1]
        thread.join(5)


@pytest.mark.parametrize("highest", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_server_that_misses_our_certificate_fails_tls_and_tells_why(highest: ssl.TLSVersion, tmp_path: Path) -> None:
    tls = authority().server(
        tmp_path, "remote.test", highest=highest, asks_for=ssl.CERT_REQUIRED, trusts=authority().pem
    )
    with one_that_asks_for_a_certificate(tls) as port, pytest.raises(DialError) as caught:
        send(Remote(port), tls=trusting(TlsMode.REQUIRED_VERIFY))
    assert caught.value.outcome.failure is Failure.TLS
    assert "ALERT" in caught.value.outcome.details


@pytest.mark.parametrize(
    ("step", "failure"),
    [(Action.DROP, Failure.TLS), (Action.NO_HANDSHAKE, Failure.TLS), (Action.HANG, Failure.NETWORK)],
    ids=str,
)
def test_a_server_that_closes_on_starttls_fails_tls_and_one_that_is_silent_the_network(
    step: Action, failure: Failure, tmp_path: Path
) -> None:
    context = authority().server(tmp_path, "remote.test")
    with smtp_remote({"STARTTLS": step}, tls=context) as remote, pytest.raises(DialError) as caught:
        send(remote, tls=trusting(TlsMode.REQUIRED))
    assert caught.value.outcome.failure is failure
