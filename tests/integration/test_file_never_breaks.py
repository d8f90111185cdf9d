"""Whatever is given as a configuration file, the page answers: with a preview or with what is wrong."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from seg_console.config import pending
from tests.support.configurations import full
from tests.support.pages import configured, person, signed_in

pytestmark = [pytest.mark.django_db, pytest.mark.filterwarnings("ignore:No directory at")]

WHOLE = full()
TEXTS = st.text() | st.sampled_from(["\ud800", "\x00", "\u202e", "ALL", "a.example", "*****", "any", "9" * 400])
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | TEXTS
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3), max_leaves=6
)
SETTINGS = settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@pytest.fixture
def client() -> Client:
    configured()
    return signed_in(person())


def give(client: Client, content: bytes) -> None:
    response = client.post(reverse("configuration:file"), {"upload": SimpleUploadedFile("c.json", content or b" ")})
    assert response.status_code in {200, 422}
    assert pending.committed().number == 2


@SETTINGS
@given(content=st.binary() | st.text(alphabet='{}[]",:.-+eE0123456789 \n\\u"tn').map(str.encode))
@example(content=b'{"format":1' + b"0" * 5_000 + b"}")
@example(content=b'{"format":1,"a":[' + b"9" * 5_000 + b'],"b":1}')
@example(content=b'{"format":1e999}')
@example(content=b'{"\\ud800": 1, "\\u202e\\u0000": 1}')
def test_any_bytes_are_answered(client: Client, content: bytes) -> None:
    give(client, content)


@SETTINGS
@given(value=st.dictionaries(st.sampled_from(["format", *WHOLE]) | TEXTS, VALUES, max_size=4))
def test_any_json_is_answered(client: Client, value: dict[str, Any]) -> None:
    give(client, json.dumps(value).encode())


@st.composite
def damaged(draw: st.DrawFn) -> Any:
    """A whole configuration of which one value, anywhere in it, is another one, or stands there twice."""
    whole = json.loads(json.dumps(WHOLE))
    here: Any = whole
    while True:
        steps = list(here) if isinstance(here, dict) else list(range(len(here)))
        step = draw(st.sampled_from(steps))
        below = here[step]
        if not isinstance(below, dict | list) or not below or draw(st.booleans()):
            break
        here = below
    if isinstance(here, list) and draw(st.booleans()):
        here.append(below)
    else:
        here[step] = draw(VALUES)
    return whole


@SETTINGS
@given(value=damaged())
def test_a_whole_configuration_with_one_value_damaged_is_answered(client: Client, value: Any) -> None:
    give(client, json.dumps(value).encode())
