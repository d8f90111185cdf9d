from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from django import forms
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

from policies.matching import Member, RecipientCondition, SenderCondition, check_entry
from policies.models import LONGEST_NAME, RESERVED_NAMES
from seg_console.config.problems import in_words
from seg_console.mail.addresses import AddressError

SENDER, RECIPIENT = "sender", "recipient"
MOST_MEMBERS = 100
# How many bad entries one message names; the rest are counted.
NAMED_ENTRIES = 5
_SEPARATORS = re.compile(r"[,\n]")


class EntriesField(forms.CharField):
    """Addresses and partial addresses, separated by comma or new line; cleans to a tuple of normalised entries."""

    def __init__(self, **options: Any) -> None:
        widget = forms.Textarea(attrs={"rows": 3, "class": "code", "spellcheck": "false", "autocapitalize": "off"})
        super().__init__(required=False, widget=widget, **options)

    def clean(self, value: Any) -> tuple[str, ...]:
        entries = [entry.strip() for entry in _SEPARATORS.split(super().clean(value)) if entry.strip()]
        checked: list[str] = []
        bad: list[str] = []
        for entry in entries:
            try:
                checked.append(check_entry(entry))
            except AddressError as error:
                bad.append(in_words(error))
        if bad:
            more = [_now("and %(n)d more.") % {"n": len(bad) - NAMED_ENTRIES}] if len(bad) > NAMED_ENTRIES else []
            raise forms.ValidationError([*bad[:NAMED_ENTRIES], *more])
        return tuple(dict.fromkeys(checked))


class MemberForm(forms.Form):
    """One pair of the Add User dialog: who sends and who receives (seg-webui 3.5)."""

    sender_match = forms.ChoiceField(
        label=_("Sender"),
        choices=[
            ("any", _("Any Sender")),
            ("following", _("Following Senders")),
            ("not", _("Following Senders are Not")),
        ],
        initial="any",
        widget=forms.RadioSelect,
    )
    sender_entries = EntriesField(
        label=_("Senders"), help_text=_("user@example.com, user@, @example.com or @.example.com; any one is enough.")
    )
    recipient_match = forms.ChoiceField(
        label=_("Recipient"),
        choices=[("any", _("Any Recipient")), ("following", _("Following Recipients"))],
        initial="following",
        widget=forms.RadioSelect,
    )
    join = forms.ChoiceField(
        label=_("How recipients join"),
        choices=[("all", _("Only if all conditions match")), ("any", _("If one or more conditions match"))],
        initial="all",
    )
    recipient_entries = EntriesField(label=_("Recipients"), help_text=_("Separated by comma or new line."))
    except_entries = EntriesField(
        label=_("Following Recipients are Not"),
        help_text=_("Empty: no exception. With several entries the exception holds when all of them are recipients."),
    )

    def clean(self) -> dict[str, Any]:
        cleaned = self.cleaned_data
        if cleaned.get("sender_match") in {"following", "not"} and not cleaned.get("sender_entries", "bad"):
            self.add_error("sender_entries", _("Give at least one sender, or choose Any Sender."))
        if cleaned.get("recipient_match") == "following" and not cleaned.get("recipient_entries", "bad"):
            self.add_error("recipient_entries", _("Give at least one recipient, or choose Any Recipient."))
        return cleaned

    def member(self) -> Member:
        """The pair, without entries that its choices make meaningless. Call it on a valid form."""
        cleaned = self.cleaned_data
        any_sender, any_recipient = cleaned["sender_match"] == "any", cleaned["recipient_match"] == "any"
        return Member(
            senders=SenderCondition(
                match=cleaned["sender_match"], entries=() if any_sender else cleaned["sender_entries"]
            ),
            recipients=RecipientCondition(
                match=cleaned["recipient_match"],
                join="all" if any_recipient else cleaned["join"],
                entries=() if any_recipient else cleaned["recipient_entries"],
                except_=cleaned["except_entries"],
            ),
        )

    @staticmethod
    def initial_of(member: Member) -> dict[str, Any]:
        return {
            "sender_match": member.senders.match,
            "sender_entries": "\n".join(member.senders.entries),
            "recipient_match": member.recipients.match,
            "join": member.recipients.join,
            "recipient_entries": "\n".join(member.recipients.entries),
            "except_entries": "\n".join(member.recipients.except_),
        }


if TYPE_CHECKING:
    MemberFormSetBase = forms.BaseFormSet[MemberForm]
else:
    MemberFormSetBase = forms.BaseFormSet


class MemberFormSet(MemberFormSetBase):
    """The Users of a policy, at least one."""

    def clean(self) -> None:
        if not self.forms:
            raise forms.ValidationError(_now("A policy needs at least one row of users."))

    def raw_values(self) -> list[dict[str, Any]]:
        """What stands in each form as it was typed, for showing the forms again with one more or one less."""
        return [{name: form[name].value() for name in form.fields} for form in self.forms]


def member_forms(*, data: Any = None, initial: Sequence[dict[str, Any]] | None = None) -> MemberFormSet:
    """The forms as submitted in `data`, or one for each of `initial`."""
    kind = forms.formset_factory(
        MemberForm,
        formset=MemberFormSet,
        extra=0,
        max_num=MOST_MEMBERS,
        absolute_max=MOST_MEMBERS,
        validate_max=True,
    )
    # A form left as it came is not "no form": it is refused like any other that says nothing.
    strict = {"empty_permitted": False}
    made = kind(data, initial=None if data is not None else initial, prefix="member", form_kwargs=strict)
    return cast(MemberFormSet, made)


class PolicyForm(forms.Form):
    """Name and place of a policy. `others`: (uid, name) of the other policies, in order."""

    name = forms.CharField(label=_("Policy Name"), max_length=LONGEST_NAME, widget=forms.TextInput(attrs={"size": 44}))
    before = forms.ChoiceField(label=_("Insert Before Policy"), required=False)

    def __init__(self, *args: Any, others: Sequence[tuple[str, str]], **options: Any) -> None:
        super().__init__(*args, **options)
        self._taken = {name.casefold() for _uid, name in others}
        choices = [(uid, f"{place} ({name})") for place, (uid, name) in enumerate(others, start=1)]
        self.fields["before"].choices = [*choices, ("", _("Default Policy"))]  # type: ignore[attr-defined]

    def clean_name(self) -> str:
        name = " ".join(self.cleaned_data["name"].split())
        if name.casefold() in RESERVED_NAMES:
            raise forms.ValidationError(_("This name is the Default Policy's; give another one."))
        if name.casefold() in self._taken:
            raise forms.ValidationError(_("A policy of this name exists already."))
        return name


class FindPoliciesForm(forms.Form):
    address = forms.CharField(
        label=_("Email Address"),
        max_length=320,
        error_messages={"required": _("Enter a full address, for example user@example.com.")},
        widget=forms.TextInput(attrs={"size": 34, "placeholder": "user@example.com"}),
    )
    side = forms.ChoiceField(
        label=_("Look among"),
        choices=[(RECIPIENT, _("Recipient")), (SENDER, _("Sender"))],
        initial=RECIPIENT,
        widget=forms.RadioSelect,
    )


class OrderForm(forms.Form):
    """One number for each policy; `policies`: (uid, name) in the present order."""

    def __init__(self, *args: Any, policies: Sequence[tuple[str, str]], **options: Any) -> None:
        super().__init__(*args, **options)
        self._present = {uid: place for place, (uid, _name) in enumerate(policies, start=1)}
        for uid, name in policies:
            self.fields[uid] = forms.IntegerField(
                label=name, min_value=1, max_value=99_999, initial=self._present[uid], localize=False
            )

    def order(self) -> list[str]:
        """The uids in their new order: a policy given a number that is in use goes before the one that had it."""
        moved = {uid for uid, place in self._present.items() if self.cleaned_data[uid] != place}
        order = [uid for uid in self._present if uid not in moved]
        for uid in sorted(moved, key=lambda uid: (self.cleaned_data[uid], self._present[uid])):
            order.insert(min(self.cleaned_data[uid] - 1, len(order)), uid)
        return order
