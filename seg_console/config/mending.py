"""Where what is wrong with a configuration is mended: the page, and the object on it."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.urls import reverse

from seg_console.config import registry
from seg_console.config.models import Configuration
from seg_console.config.problems import Problem


@dataclass(frozen=True, slots=True)
class Place:
    """Paths that begin so (whatever stands in the brackets) are mended on the page `view`; those of one object, where
    there is a page for each, on `object_view`, which takes its uid."""

    path: str
    view: str
    object_view: str = ""

    def holds(self, path: str) -> bool:
        pattern = re.escape(self.path).replace(re.escape("[]"), r"\[\d+\]")
        return re.match(rf"{pattern}(?![a-z_])", path) is not None


# The first that holds a path counts. A section that has no page of its own is mended in the Configuration File.
PLACES = (
    Place("threat_defense_connector", "tdc:edit-settings"),
    Place("incoming_mail_policies[].threat_defense_connector", "policies:list", "tdc:policy-choice"),
    Place("incoming_mail_policies", "policies:list", "policies:edit"),
    Place("default_policy.threat_defense_connector", "policies:list", "tdc:policy-choice"),
    Place("default_policy", "policies:list"),
    Place("certificates", "certificates:list", "certificates:replace"),
    Place("listener", "listeners:edit"),
    Place("host_access", "host-access:list", "host-access:edit"),
    Place("recipient_access", "recipient-access:list", "recipient-access:edit"),
    Place("smtp_routes", "smtp-routes:list", "smtp-routes:edit"),
    Place("destination_controls", "destination-controls:list", "destination-controls:edit"),
    Place("destination_control_settings", "destination-controls:edit-global-settings"),
    Place("bounce_profiles", "bounce-profiles:list", "bounce-profiles:edit"),
    Place("bounce_profile", "bounce-profiles:edit-default"),
    Place("dns", "dns:edit-settings"),
    Place("general_settings", "configuration:edit-general-settings"),
    Place("", "configuration:file"),
)


@dataclass(frozen=True, slots=True)
class Mend:
    """A problem with the URL of the page where it is mended. `name`: of the object there, "" for a page of many."""

    path: str
    message: str
    url: str
    name: str = ""


def mends(problems: Iterable[Problem], shown: Configuration) -> list[Mend]:
    """`shown` is the set that the pages show: an object that it does not have is mended where all of them are. A query
    for each section that something is wrong with."""
    found = list(problems)
    there = _there(found, shown)
    return [_mend(problem, there) for problem in found]


def _mend(problem: Problem, there: set[str]) -> Mend:
    place = next(place for place in PLACES if place.holds(problem.path))
    if place.object_view and problem.uid in there:
        return Mend(problem.path, problem.message, reverse(place.object_view, args=[problem.uid]), problem.name)
    return Mend(problem.path, problem.message, reverse(place.view))


def _there(problems: Iterable[Problem], shown: Configuration) -> set[str]:
    by_section: dict[str, set[str]] = defaultdict(set)
    for problem in problems:
        if problem.uid:
            by_section[problem.section].add(problem.uid)
    there: set[str] = set()
    for key, uids in by_section.items():
        section = registry.section(key)
        if not section.many:
            there |= uids  # the one object that every set has
            continue
        manager: Any = section.model._default_manager
        wanted = manager.filter(configuration=shown, uid__in=[UUID(uid) for uid in uids])
        there |= {str(uid) for uid in wanted.values_list("uid", flat=True)}
    return there
