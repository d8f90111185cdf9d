"""Who uses a certificate: each package registers the section that names one, when its app is ready.

The pages ("used by", and what stands in the way of a deletion) and the checks of a configuration read this one list.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from django.urls import reverse
from django.utils.translation import gettext as _

from seg_console.certificates.document import CERTIFICATES, of_name
from seg_console.certificates.pem import check_taken
from seg_console.config import registry
from seg_console.config.models import Configuration, ConfigurationObject
from seg_console.config.problems import Problem, path_of
from seg_console.config.registry import ObjectSection, Plain
from seg_console.config.uses import Use
from seg_console.mail.lines import visible

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise


@dataclass(frozen=True, slots=True)
class NamedBy:
    """Settings that name a certificate in their field `certificate`. `view`: the page where it is chosen. `place`
    orders what a page says. `or_own`: where they name none, they use the gateway's own."""

    model: type[ConfigurationObject]
    label: StrOrPromise
    view: str
    place: int
    or_own: bool


_named_by: list[NamedBy] = []


def named_by(section: ObjectSection[Any], *, label: StrOrPromise, view: str, place: int, or_own: bool = False) -> None:
    """A certificate that this section names is in use, and a configuration where it cannot be used is refused. See
    `NamedBy`."""
    _named_by.append(NamedBy(section.model, label, view, place, or_own))
    _named_by.sort(key=lambda user: user.place)
    registry.check_together((CERTIFICATES.key, section.key), partial(_check, section.key))


def uses_in(configuration: Configuration) -> Mapping[str, Sequence[Use]]:
    """What uses each certificate, by its case-folded name; "" is the gateway's own. A query for each user."""
    uses: dict[str, list[Use]] = defaultdict(list)
    for user in _named_by:
        manager: Any = user.model._default_manager
        names = manager.filter(configuration=configuration).values_list("certificate", flat=True)
        name = (names.first() or "").casefold()
        if name or user.or_own:
            uses[name].append(Use(str(user.label), reverse(user.view)))
    return uses


def _check(key: str, known: list[Plain], settings: Plain) -> Iterator[Problem]:
    """The certificate that the section `key` names must be there, and OpenSSL must take it."""
    name = str(settings.get("certificate", ""))
    if not name:
        return
    chosen = of_name(name, known)
    if chosen is None:
        message = _("there is no certificate %(name)s.") % {"name": visible(name)}
        yield Problem(path_of(key, "certificate"), message)
        return
    try:
        check_taken(chosen["certificate"], chosen["private_key"])
    except ValueError as error:
        yield Problem(path_of(key, "certificate"), str(error))
