"""What a policy's users match and why a policy was passed, in plain sentences in the language in force."""

from __future__ import annotations

from collections.abc import Sequence

from django.utils.text import get_text_list
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from policies.matching import Explanation, Member, MemberMiss, Miss, Policy, SenderHeader
from policies.models import SenderHeader as Header
from seg_console.mail.addresses import readable

ENTRIES_SHOWN = 4


def describe(member: Member) -> tuple[str, ...]:
    """Who matches a row of users, in one or two sentences: `From any sender to @finance.corp.example or cfo@.`"""
    senders, recipients = member.senders, member.recipients
    # One condition that must match is the same as one of which one must.
    join = "any" if len(recipients.entries) == 1 else recipients.join
    side = "any recipient" if recipients.match == "any" else f"{join} of"
    sentence = {
        ("any", "any recipient"): _("From any sender to any recipient."),
        ("any", "any of"): _("From any sender to %(recipients)s."),
        ("any", "all of"): _("From any sender to %(recipients)s, if the message goes to all of these."),
        ("following", "any recipient"): _("From %(senders)s to any recipient."),
        ("following", "any of"): _("From %(senders)s to %(recipients)s."),
        ("following", "all of"): _("From %(senders)s to %(recipients)s, if the message goes to all of these."),
        ("not", "any recipient"): _("From any sender other than %(senders)s to any recipient."),
        ("not", "any of"): _("From any sender other than %(senders)s to %(recipients)s."),
        ("not", "all of"): _(
            "From any sender other than %(senders)s to %(recipients)s, if the message goes to all of these."
        ),
    }[senders.match, side]
    said = sentence % {
        "senders": one_of(senders.entries),
        "recipients": one_of(recipients.entries) if join == "any" else all_of(recipients.entries),
    }
    if not recipients.except_:
        return (said,)
    return said, _("Not if the message goes to %(exceptions)s.") % {"exceptions": all_of(recipients.except_)}


def one_of(entries: Sequence[str]) -> str:
    """`a@, b@ or c@`; of a long list its beginning."""
    return get_text_list(_beginning(entries), _("or"))


def all_of(entries: Sequence[str]) -> str:
    """`a@, b@ and c@`; of a long list its beginning."""
    return get_text_list(_beginning(entries), _("and"))


def winner(found: Explanation) -> str:
    """Why the policy that takes a recipient does."""
    if not found.number:
        return _("No policy matches, so the Default Policy takes it.")
    values = {
        "header": header(found.header) if found.header else "",
        "priority": found.priority,
        "senders": one_of(found.sender_entries),
        "recipients": one_of(found.entries),
    }
    if found.header and found.entries:
        return (
            _("%(header)s (priority P%(priority)d) matches %(senders)s, and the recipient matches %(recipients)s.")
            % values
        )
    if found.header:
        return _("%(header)s (priority P%(priority)d) matches %(senders)s; any recipient will do.") % values
    if found.entries:
        return _("The recipient matches %(recipients)s; nothing keeps the sender out.") % values
    return _("Any recipient will do; nothing keeps the sender out.")


def reason(miss: MemberMiss) -> str:
    """Why a row of users passed a recipient by."""
    values = {
        "header": header(miss.header) if miss.header else "",
        "priority": miss.priority,
        "entries": all_of(miss.entries) if miss.miss == Miss.EXCEPTED else one_of(miss.entries),
    }
    sentence = {
        Miss.NOT_FROM: _("The sender matches none of Following Senders."),
        Miss.BARRED: _("%(header)s matches %(entries)s, one of Following Senders are Not."),
        Miss.NOT_TO: _("The recipient matches none of Following Recipients."),
        Miss.NOT_ALL: _("All conditions must match, and no recipient of the message matches %(entries)s."),
        Miss.EXCEPTED: _("The message goes to %(entries)s: all of Following Recipients are Not."),
        Miss.OUTRANKED: _(
            "%(header)s matches, but only with priority P%(priority)d: another policy takes the recipient before that."
        ),
    }[miss.miss]
    return sentence % values


def never_reached(by: Sequence[Policy]) -> str:
    """What the table says of a policy all of whose mail earlier ones take."""
    sentence = ngettext(
        "Never reached: %(names)s takes this mail first.", "Never reached: %(names)s take this mail first.", len(by)
    )
    return sentence % {"names": _quoted([policy.name for policy in by])}


def warning_of_never_reached(named: Sequence[tuple[str, Sequence[Policy]]]) -> str:
    """What a change of the table made unreachable: the name of each such policy, and those that take its mail."""
    if len(named) == 1:
        (name, by), *_others = named
        sentence = ngettext(
            "Policy “%(name)s” is never reached: %(names)s takes its mail first.",
            "Policy “%(name)s” is never reached: %(names)s take its mail first.",
            len(by),
        )
        return sentence % {"name": name, "names": _quoted([policy.name for policy in by])}
    sentence = ngettext(
        "%(n)d policy is never reached, because earlier ones take its mail first: %(names)s.",
        "%(n)d policies are never reached, because earlier ones take their mail first: %(names)s.",
        len(named),
    )
    return sentence % {"n": len(named), "names": _quoted([name for name, _by in named])}


def _quoted(names: Sequence[str]) -> str:
    return all_of([_("“%(name)s”") % {"name": name} for name in names])


def header(name: SenderHeader) -> str:
    """What a page calls a header that says who a message is from."""
    return str(Header(name).label)


def _beginning(entries: Sequence[str]) -> list[str]:
    more = len(entries) - ENTRIES_SHOWN
    shown = [readable(entry) for entry in entries[:ENTRIES_SHOWN]]
    if more <= 0:
        return shown
    return [*shown, ngettext("%(n)d more", "%(n)d more", more) % {"n": more}]
