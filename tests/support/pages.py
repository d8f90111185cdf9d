"""What the tests of pages share: a signed-in browser stand-in, a configured system, what is stored, and a look at
the answer."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from policies.models import IncomingMailPolicy, PolicyMember
from seg_console.accounts import sessions
from seg_console.accounts.models import User
from seg_console.accounts.roles import Role
from seg_console.config import document, pending, running
from seg_console.config.models import Configuration
from seg_console.delivery.models import DestinationControl
from tests.support.configurations import full

PASSPHRASE = "correct horse 9"


def person(role: Role = Role.ADMINISTRATOR, name: str = "") -> User:
    return User.objects.create_user(name or role.value, password=PASSPHRASE, role=role)


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    store = client.session
    sessions.begin(store, user, agent="", now=timezone.now())
    store.save()
    return client


def configured(**sections: Any) -> Configuration:
    """The configuration of tests.support.configurations, committed; some sections replaced."""
    running.forget()
    pending.commit_document(full(**sections), "for the test")
    return pending.committed()


def policy_uid(user: User, name: str) -> UUID:
    return IncomingMailPolicy.objects.get(configuration=pending.shown_to(user), name=name).uid


def policy_names(user: User) -> list[str]:
    """In their order, without the Default Policy."""
    rows = IncomingMailPolicy.objects.filter(configuration=pending.shown_to(user))
    return list(rows.order_by("position").values_list("name", flat=True))


def members_of(user: User, name: str) -> list[dict[str, Any]]:
    """The rows of users of the policy `name`, as the document says them."""
    rows = PolicyMember.objects.filter(configuration=pending.shown_to(user), policy_uid=policy_uid(user, name))
    return [row.values() for row in rows.order_by("position")]


def control_uid(user: User, domain: str = "corp.example") -> UUID:
    return DestinationControl.objects.get(configuration=pending.shown_to(user), domain=domain).uid


def section(user: User, key: str) -> Any:
    """What the document says in its section `key`, pending changes of `user` included."""
    return document.dump(pending.shown_to(user))[key]


def change_choice(user: User, client: Client, *, policy: str = "Board", mode: str = "no_scan") -> None:
    """One pending change: the connector's choice for a policy."""
    client.post(reverse("tdc:policy-choice", args=[policy_uid(user, policy)]), {"mode": mode})


def said(client: Client, url: str) -> str:
    """The page at `url`."""
    return client.get(url).content.decode()


def configuration_queries(client: Client, url: str, *, posts: bool = False, **query: Any) -> int:
    """How many queries a page takes for the configuration; those of session and user are counted elsewhere."""
    with CaptureQueriesContext(connection) as captured:
        assert (client.post if posts else client.get)(url, query).status_code == 200
    own = ('"config_', '"policies_', '"tdc_')
    return sum(any(table in query["sql"] for table in own) for query in captured.captured_queries)


def htmx(current: str = "/") -> dict[str, str]:
    """Headers of a request that htmx makes."""
    return {"HX-Request": "true", "HX-Current-URL": f"http://testserver{current}"}
