"""The context of a demand: made once, with our own certificate where one is to be shown."""

from __future__ import annotations

import ssl

import pytest

from seg_console.certificates.contexts import load_pair
from seg_console.delivery import tls
from seg_console.delivery.tls import ClientCertificate, TlsDemand, TlsMode, context_for
from tests.support.certificates import Made, made, signed_with_sha1

ONE, OTHER = made("gw1.corp.example"), made("gw2.corp.example")


def demand(one: Made, mode: TlsMode = TlsMode.PREFERRED) -> TlsDemand:
    # Texts of their own, as each read of a configuration brings them.
    return TlsDemand(mode, shows=ClientCertificate("".join(list(one.certificate)), "".join(list(one.key))))


@pytest.fixture(autouse=True)
def loaded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The chains that were given to a context, each time through a file."""
    chains: list[str] = []

    def noted(context: ssl.SSLContext, *, chain: str, key: str) -> None:
        chains.append(chain)
        load_pair(context, chain=chain, key=key)

    monkeypatch.setattr(tls, "load_pair", noted)
    context_for.cache_clear()
    return chains


def test_a_context_is_made_once_for_each_certificate_and_mode(loaded: list[str]) -> None:
    first = context_for(demand(ONE))
    assert all(context_for(demand(ONE)) is first for _ in range(100))
    others = {context_for(each) for each in (demand(OTHER), demand(ONE, TlsMode.REQUIRED_VERIFY))}
    assert len(others | {first}) == 3
    assert loaded == [ONE.certificate, OTHER.certificate, ONE.certificate]


def test_without_a_certificate_none_is_loaded(loaded: list[str]) -> None:
    context_for(TlsDemand(TlsMode.REQUIRED))
    assert loaded == []


@pytest.mark.parametrize("broken", [signed_with_sha1(), ONE._replace(key=OTHER.key)], ids=["weak", "foreign key"])
def test_a_pair_that_openssl_refuses_is_told_in_the_log_and_mail_goes_on_without_it(
    broken: Made, caplog: pytest.LogCaptureFixture
) -> None:
    context = context_for(demand(broken))
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert context_for(demand(broken)) is context
    (told,) = caplog.messages
    assert told.startswith("deliveries show no certificate, OpenSSL refuses the one chosen: ")
    assert "BEGIN" not in told


def test_what_is_printed_of_a_demand_holds_no_key() -> None:
    assert "PRIVATE" not in repr(demand(ONE))
    assert "PRIVATE" not in repr(demand(ONE).shows)
