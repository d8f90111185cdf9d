"""Servers that misbehave at random, each in the ways that real ones do. Never do they lie: what they answered to a
message is what became of it, so that their ledgers can be held against the gateway's."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence

from tests.support.odd_replies import ODDITIES
from tests.support.smtp_remote import OFFERS, Action, Later, OnEach, Step, Then

# How often a step goes as it should.
GOOD_SHARE = 0.8


class Moody(Mapping[str, "Step | Sequence[Step]"]):
    """A script that is another one each time it is asked."""

    def __init__(self, seed: int, *, over_tls: bool) -> None:
        self._chance = random.Random(seed)
        self._over_tls = over_tls
        self._is_calm = False

    def __getitem__(self, step: str) -> Step | Sequence[Step]:
        if self._is_calm or step == "STARTTLS" or self._chance.random() < GOOD_SHARE:
            raise KeyError(step)
        return self._chance.choice(self._ways(step))

    def calm(self) -> None:
        """Behave from now on."""
        self._is_calm = True

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0

    def __contains__(self, step: object) -> bool:
        return False

    def _ways(self, step: str) -> list[Step]:
        odd = self._chance.choice(list(ODDITIES.values()))
        closing = Then(b"421 4.7.0 Zu viele Verbindungen f\xfcr heute\r\n")
        ways: dict[str, list[Step]] = {
            "CONNECT": [odd.reply(220), closing, odd.reply(450), Action.DROP, Action.RESET, Later(3.0, "220 at last")],
            "EHLO": [self._hello(), closing, Action.DROP],
            "MAIL": [odd.reply(250), odd.reply(451), closing, Action.DROP, OnEach(("250 Ok", closing))],
            "RCPT": [odd.reply(250), odd.reply(550), odd.reply(450), "452 4.5.3 Too many recipients", closing],
            "DATA": [odd.reply(354), odd.reply(451), closing, Action.RESET, Later(2.0, "354 go on")],
            "CONTENT": [
                *(odd.reply(250), odd.reply(452), odd.reply(554), Later(2.0, "250 Ok")),
                *(Then("250 Ok"), Then(b"250 Ok\r\n421 4.7.0 enough\r\n"), Then("250 Ok", Action.STALL)),
            ],
            "RSET": [odd.reply(250), odd.reply(450), closing, Action.DROP],
            "QUIT": [odd.reply(221), Action.DROP, Action.RESET, Action.HANG, Later(1.0, "221 Bye")],
        }
        return ways.get(step, [odd.reply(502)])

    def _hello(self) -> Step:
        """Without STARTTLS an intake would be right to be given up."""
        offers = (*OFFERS, "STARTTLS") if self._over_tls else OFFERS[: self._chance.randrange(len(OFFERS))]
        return self._chance.choice(list(ODDITIES.values())).reply(250, *offers)
