"""The tables that are exported and imported as files: their pages, and giving them a file."""

from __future__ import annotations

from typing import Any

from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from seg_console.accounts.models import User
from seg_console.config import pending
from seg_console.config.models import LoadedFile

CONTROLS, ROUTES = "destination-controls:import", "smtp-routes:import"
HOSTS, RECIPIENTS = "host-access:import", "recipient-access:import"


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


def faults(response: Any) -> list[tuple[int | None, str]]:
    """Line and message of each fault of a file that was refused."""
    assert response.status_code == 422
    return [(fault.line, fault.message) for fault in response.context["faults"]]


def refused(client: Client, view: str, text: str) -> list[tuple[int | None, str]]:
    """The faults of a file of the one user; nothing is pending, nothing is kept."""
    found = faults(give_table(client, view, text))
    assert not LoadedFile.objects.exists()
    assert pending.pending_of(User.objects.get()) is None
    return found
