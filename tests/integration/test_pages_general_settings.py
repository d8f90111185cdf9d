"""General Settings: whether a commit needs a comment."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from seg_console.accounts.models import User
from tests.support.pages import said

pytestmark = [pytest.mark.django_db, pytest.mark.filterwarnings("ignore:No directory at")]


def test_general_settings_are_shown_and_edited(user: User, client: Client) -> None:
    assert "<dd>No</dd>" in client.get(reverse("configuration:general-settings")).content.decode()
    response = client.post(reverse("configuration:edit-general-settings"), {"comment_required": "on"})
    assert response["Location"] == reverse("configuration:general-settings")
    assert "<dd>Yes</dd>" in client.get(reverse("configuration:general-settings")).content.decode()
    content = said(client, reverse("configuration:uncommitted-changes"))
    assert "<del>No</del>" in content
    assert "<ins>Yes</ins>" in content
