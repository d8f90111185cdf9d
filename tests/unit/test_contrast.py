"""Words can be read on what they stand on, in both schemes: contrast of the token pairs that components use together
(WCAG 2.2, 1.4.3: 4.5:1 for words; 1.4.11: 3:1 for the edges of controls and the marks of states)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

CSS = Path(__file__).resolve().parents[2] / "static" / "css"
TOKENS = (CSS / "tokens.css").read_text()
# What words stand on, outside boxes with a colour of their own.
GROUNDS = ("paper", "panel", "label", "bar", "hover", "pending")
WORDS = {
    "ink": (*GROUNDS, "control", "button", "button-deep", "ok-back", "info-back", "warn-back", "bad-back"),
    "muted": (*GROUNDS, "warn-back"),
    "link": (*GROUNDS, "ok-back", "info-back", "warn-back", "bad-back"),
    "info": ("paper", "panel", "info-back"),
    "ok": ("panel", "hover", "label", "ok-back"),
    "warn": ("panel", "hover", "pending", "warn-back"),
    "bad": ("panel", "hover", "label", "button", "button-deep", "bad-back"),
    "on-band": ("band", "band-deep", "band-active"),
    "on-band-muted": ("band", "band-deep"),
    "commit-ink": ("commit", "commit-hover"),
    "on-primary": ("primary", "primary-deep"),
}
MARKS = {
    "control-line": ("control", "panel"),
    "pending-edge": ("pending",),
    "commit": ("band", "band-deep", "band-active"),
    "link": ("panel", "paper"),
}


def _schemes() -> dict[str, dict[str, str]]:
    light_text, dark_text = TOKENS.split("@media screen and (prefers-color-scheme: dark)")
    light = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{3,6});", light_text))
    return {"light": light, "dark": light | dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{3,6});", dark_text))}


SCHEMES = _schemes()


def _luminance(colour: str) -> float:
    """Relative luminance as WCAG 2.2 defines it, of `#rgb` or `#rrggbb`."""
    digits = colour[1:] if len(colour) == 7 else "".join(digit * 2 for digit in colour[1:])
    parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def _weak(pairs: dict[str, tuple[str, ...]], scheme: dict[str, str], least: float) -> list[str]:
    found = {
        f"{front} on {ground}": contrast(scheme[front], scheme[ground]) for front in pairs for ground in pairs[front]
    }
    return [f"{pair}: {ratio:.2f}" for pair, ratio in found.items() if ratio < least]


def test_the_measure_is_that_of_the_guideline() -> None:
    assert contrast("#000", "#ffffff") == pytest.approx(21)
    assert contrast("#767676", "#fff") == pytest.approx(4.54, abs=0.01)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_words_reach_four_and_a_half_to_one(scheme: str) -> None:
    assert _weak(WORDS, SCHEMES[scheme], 4.5) == []


@pytest.mark.parametrize("scheme", SCHEMES)
def test_edges_of_controls_and_marks_of_states_reach_three_to_one(scheme: str) -> None:
    assert _weak(MARKS, SCHEMES[scheme], 3) == []


def test_every_colour_of_the_light_scheme_is_a_token() -> None:
    """Components name no colour of their own, so that the dark scheme and the pairs above hold for all of them."""
    own = {
        f"{sheet.name}: {colour}"
        for sheet in sorted(CSS.glob("*.css"))
        if sheet.name != "tokens.css"
        for colour in re.findall(r"#[0-9a-fA-F]{3,8}\b|\brgba?\([^)]*\)|\bhsla?\([^)]*\)", sheet.read_text())
    }
    assert own == set()
