"""The certificate that deliveries show, on the wire: to servers that ask for one, of originals and copies alike."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from seg_console.delivery.kinds import Destination
from seg_console.delivery.models import Delivery
from tests.support.certificates import Made, der, in_document, made
from tests.support.deliveries import INTAKE, accept, configure, drain, make_due, route
from tests.support.smtp_remote import Remote, authority, smtp_remote

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("redis")]

ROOT = made("Root", authority=True)
MIDDLE = made("Middle", issuer=ROOT, authority=True)
LEAF = made("gw1.corp.example", issuer=MIDDLE)
CHAINED = LEAF._replace(certificate=LEAF.certificate + MIDDLE.certificate)
SECOND = made("gw2.corp.example", issuer=ROOT)
LISTED = [in_document("Chained", CHAINED), in_document("Second", SECOND)]


def shown(name: str, remote: Remote, **sections: object) -> None:
    """Commit that deliveries show the certificate of this name."""
    configure(
        certificates=LISTED,
        destination_control_settings={"certificate": name},
        smtp_routes=[route("corp.example", remote.port), route("intake.example", remote.port)],
        threat_defense_connector={"ca_certificates": authority().pem},
        **sections,
    )


def deliver_both() -> None:
    """One original and its copy."""
    accept(intake=INTAKE)
    drain(Destination("ordinary", "corp.example"))
    drain(Destination("tdc", "intake.example"), name="tdc")


@pytest.fixture(params=[ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["TLS 1.2", "TLS 1.3"])
def curious(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Remote]:
    """A server that asks for a certificate, trusts the root alone, and takes mail without one too."""
    tls = authority().server(
        tmp_path, "intake.example", highest=request.param, asks_for=ssl.CERT_OPTIONAL, trusts=ROOT.certificate
    )
    with smtp_remote(tls=tls) as remote:
        yield remote


def seen(remote: Remote) -> set[bytes | None]:
    """What the handshakes since the last look showed."""
    found = set(remote.certificates)
    remote.certificates.clear()
    return found


def test_the_certificate_chosen_is_shown_and_after_a_commit_the_next_one(curious: Remote) -> None:
    for name, one in (("", None), ("chained", CHAINED), ("Second", SECOND), ("", None)):
        curious.taken.clear()
        shown(name, curious)
        deliver_both()
        assert [taken.tls for taken in curious.taken] == [True, True]
        assert seen(curious) == {_leaf(one)}


def test_a_certificate_that_is_replaced_under_its_name_is_shown_anew(curious: Remote) -> None:
    shown("Second", curious)
    deliver_both()
    assert seen(curious) == {der(SECOND)}
    renewed = made("gw2.corp.example", issuer=ROOT)
    configure(
        certificates=[in_document("Second", renewed)],
        destination_control_settings={"certificate": "Second"},
        smtp_routes=[route("corp.example", curious.port)],
    )
    accept()
    drain(Destination("ordinary", "corp.example"))
    assert seen(curious) == {der(renewed)}


def test_a_server_that_insists_takes_mail_only_with_the_certificate(tmp_path: Path) -> None:
    tls = authority().server(tmp_path, "intake.example", asks_for=ssl.CERT_REQUIRED, trusts=ROOT.certificate)
    controls = [{"domain": "corp.example", "tls": "required"}]
    with smtp_remote(tls=tls) as remote:
        shown("", remote, destination_controls=controls)
        accept()
        drain(Destination("ordinary", "corp.example"))
        assert (remote.taken, remote.certificates, Delivery.objects.get().state) == ([], [], "queued")
        shown("Chained", remote, destination_controls=controls)
        make_due()
        deliver_both()
    # The one that waited, its successor, and the copy.
    assert len(remote.taken) == 3
    assert seen(remote) == {der(LEAF)}


def _leaf(one: Made | None) -> bytes | None:
    return der(LEAF) if one is CHAINED else der(one) if one else None
