"""The table of the certificates, which is older than the package that has it now."""

from __future__ import annotations

from io import StringIO

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from seg_console.certificates.models import Certificate
from tests.support.certificates import in_document, made
from tests.support.pages import configured

pytestmark = pytest.mark.django_db(transaction=True)

BEFORE = ("gateway", "0004_listener_address")


def migrate(targets: list[tuple[str, str | None]]) -> MigrationExecutor:
    executor = MigrationExecutor(connection)
    executor.migrate(targets)
    return MigrationExecutor(connection)


def constraints() -> set[str]:
    with connection.cursor() as cursor:
        return set(connection.introspection.get_constraints(cursor, "gateway_certificate"))


def test_a_database_of_before_keeps_its_certificates_and_constraints() -> None:
    configured(certificates=[in_document("Mail 2026", made("mx.corp.example"))])
    rows, known = list(Certificate.objects.values()), constraints()
    assert rows[-1]["name"] == "Mail 2026"
    latest = MigrationExecutor(connection).loader.graph.leaf_nodes()
    try:
        state = migrate([("certificates", None), BEFORE]).loader.project_state(BEFORE)
        old = state.apps.get_model("gateway", "Certificate")
        # Written by the build of before: the new one finds it.
        (changed,) = old._default_manager.filter(pk=rows[-1]["id"]).only("name")
        changed.name = "Mail 2027"
        changed.save()
    finally:
        migrate(latest)
    assert list(Certificate.objects.values()) == [*rows[:-1], rows[-1] | {"name": "Mail 2027"}]
    assert constraints() == known
    assert {"gateway_certificate_uid", "gateway_certificate_name"} <= known
    configured(certificates=[in_document("Written after", made("mx.corp.example"))])
    assert Certificate.objects.latest("pk").name == "Written after"


def test_no_model_is_ahead_of_its_migrations() -> None:
    call_command("makemigrations", check=True, dry_run=True, stdout=StringIO())
