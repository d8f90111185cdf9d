"""What the tests of pages share: a signed-in browser stand-in, a configured system, and a look at the answer."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from policies.models import IncomingMailPolicy
from seg_console.accounts import sessions
from seg_console.accounts.models import User
from seg_console.accounts.roles import Role
from seg_console.config import pending, running
from seg_console.config.models import Configuration
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


def configuration_queries(client: Client, url: str, *, posts: bool = False, **query: Any) -> int:
    """How many queries a page takes for the configuration; those of session and user are counted elsewhere."""
    with CaptureQueriesContext(connection) as captured:
        assert (client.post if posts else client.get)(url, query).status_code == 200
    own = ('"config_', '"policies_', '"tdc_')
    return sum(any(table in query["sql"] for table in own) for query in captured.captured_queries)


def give_table(client: Client, view: str, content: bytes | str) -> Any:
    """The answer to a file given to an import page: the faults, or the preview."""
    data = content.encode() if isinstance(content, str) else content
    return client.post(reverse(view), {"upload": SimpleUploadedFile("table.txt", data), "pasted": ""})


def import_table(client: Client, view: str, content: bytes | str) -> Any:
    """Give a file, look at the preview, import it; the page after that."""
    looked_at = give_table(client, view, content)
    assert looked_at.status_code == 200, looked_at.content.decode()
    return client.post(reverse(view), seen_in(looked_at), follow=True)


def seen_in(preview: Any) -> dict[str, str]:
    """What the button Import of a preview sends."""
    return {name: str(preview.context[name]) for name in ("key", "seen")}


def htmx(current: str = "/") -> dict[str, str]:
    """Headers of a request that htmx makes."""
    return {"HX-Request": "true", "HX-Current-URL": f"http://testserver{current}"}
