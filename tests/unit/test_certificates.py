"""Whether a certificate chain and a key can be used together."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa

from seg_console.certificates.pem import (
    certificates_alone,
    check_dates,
    check_pair,
    described,
    key_alone,
    missing_issuer,
)
from tests.support.certificates import encrypted, made, plain

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
ROOT = made("Test Root", now=NOW)
MIDDLE = made("Test Middle", issuer=ROOT, now=NOW)
LEAF = made("mx.corp.example", issuer=MIDDLE, now=NOW)
CHAIN = LEAF.certificate + MIDDLE.certificate


def test_a_chain_in_order_with_its_key_is_taken() -> None:
    check_pair(CHAIN + ROOT.certificate, LEAF.key)
    check_dates(CHAIN, NOW)
    first, second = described(CHAIN)
    assert (first.common_name, first.names, first.issuer, first.key) == (
        "mx.corp.example",
        ("mx.corp.example",),
        "Test Middle",
        "EC 256",
    )
    assert (second.issuer, second.is_self_signed) == ("Test Root", False)


def test_the_days_before_the_end_are_told_apart() -> None:
    (leaf,) = described(LEAF.certificate)
    assert not leaf.ends_soon(NOW)
    assert leaf.ends_soon(NOW + timedelta(days=60))
    assert not leaf.is_over(NOW + timedelta(days=89))
    assert leaf.is_over(NOW + timedelta(days=90))
    assert not leaf.ends_soon(NOW + timedelta(days=90))


def test_a_file_that_holds_both_is_parted() -> None:
    both = LEAF.key + "some words\n" + CHAIN
    assert certificates_alone(both) == CHAIN
    assert key_alone(both) == LEAF.key


def test_a_chain_that_ends_with_an_unknown_authority_says_with_which() -> None:
    assert missing_issuer(CHAIN) == "Test Root"
    assert missing_issuer(CHAIN + ROOT.certificate) == ""
    assert missing_issuer(ROOT.certificate) == ""


@pytest.mark.parametrize(
    ("chain", "key", "sentence"),
    [
        (CHAIN, ROOT.key, "does not belong"),
        (MIDDLE.certificate + LEAF.certificate, LEAF.key, "must be the first"),
        (LEAF.certificate + ROOT.certificate, LEAF.key, "certificate 1 is not issued by the one that follows"),
        ("", LEAF.key, "no PEM certificate"),
        ("<script>", LEAF.key, "no PEM certificate"),
        (CHAIN, "", "no PEM private key"),
        (CHAIN, CHAIN, "no PEM private key"),
        (CHAIN, "x" * 1_000_000, "too long for a private key"),
        ("x" * 1_000_000, LEAF.key, "too long for a certificate chain"),
        (CHAIN, encrypted(LEAF.private), "is encrypted"),
        (CHAIN, plain(rsa.generate_private_key(65537, 1024)), "too short"),
        (CHAIN, plain(ec.generate_private_key(ec.SECP192R1())), "too short"),
        (CHAIN, plain(dsa.generate_private_key(2048)), "of this kind"),
    ],
)
def test_what_cannot_be_used_is_refused_without_showing_the_key(chain: str, key: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence) as refused:
        check_pair(chain, key)
    assert len(str(refused.value)) < 200


def test_a_certificate_of_another_time_is_refused() -> None:
    with pytest.raises(ValueError, match="certificate 1 of the chain is no longer valid"):
        check_dates(CHAIN, NOW + timedelta(days=91))
    with pytest.raises(ValueError, match="is not valid yet"):
        check_dates(CHAIN, NOW - timedelta(days=401))
