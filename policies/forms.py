from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from django import forms
from django.core.validators import RegexValidator
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from policies.address_lists import check_member_entry, name_in, reference
from policies.document import MOST_ENTRIES, MOST_MEMBERS, check_description
from policies.matching import SENDER_HEADERS, Member, RecipientCondition, SenderCondition, Senders, check_entry
from policies.models import (
    LONGEST_DESCRIPTION,
    LONGEST_NAME,
    NAME_PATTERN,
    NAME_RULE,
    RESERVED_NAMES,
    RecipientJoin,
    RecipientMatch,
    SenderHeader,
    SenderMatch,
)
from seg_console.config.problems import in_words
from seg_console.mail.addresses import AddressError, check_address
from seg_console.mail.headers import first_mailbox
from seg_console.mail.lines import visible
from seg_console.tables.entries import EntriesField, in_sentences, parse
from seg_console.ui.choices import choice_field

SENDER, RECIPIENT = "sender", "recipient"
MOST_RECIPIENTS = 50

ListNames = Mapping[str, str]
"""The address lists there are: their names as they are written, by case-folded name."""


class AddressesField(EntriesField):
    """Addresses and parts of addresses. `lists`: those that may be referred to, None where none may."""

    most = MOST_ENTRIES
    lists: ListNames | None = None

    def checked(self, text: str) -> str:
        if self.lists is None:
            return check_entry(text)
        entry = check_member_entry(text)
        name = name_in(entry)
        if name is None:
            return entry
        if name.casefold() not in self.lists:
            raise AddressError("There is no address list %(name)s.", name=visible(name))
        return reference(self.lists[name.casefold()])


ENTRIES_FIELDS = ("sender_entries", "recipient_entries", "except_entries")
CHOICE_FIELDS = ("sender_match", "recipient_match", "join")
# What makes a list of entries one that would not count, and what is said of it.
UNUSED_WITH_ANY = {"sender_entries": "sender_match", "recipient_entries": "recipient_match"}
UNUSED_SENTENCES = {
    "sender_entries": _(
        "Any Sender is chosen, so the senders given would not count: choose Following Senders, or empty the field."
    ),
    "recipient_entries": _(
        "Any Recipient is chosen, so the recipients given would not count: "
        "choose Following Recipients, or empty the field."
    ),
}


@dataclass(frozen=True, slots=True)
class Draft:
    """A row of users as far as it is typed. `bad`: how many entries cannot be read; `unused`: the fields whose entries
    would not count, for which the row will be refused."""

    member: Member
    bad: int
    unused: tuple[str, ...]


class MemberForm(forms.Form):
    """One pair of the Add User dialog: who sends and who receives (seg-webui 3.5)."""

    sender_match = forms.ChoiceField(
        label=_("Sender"),
        choices=SenderMatch,
        initial="any",
        widget=forms.RadioSelect,
    )
    sender_entries = AddressesField(
        label=_("Senders"),
        required=False,
        help_text=_("user@example.com, user@, @example.com or @.example.com; any one is enough."),
    )
    recipient_match = forms.ChoiceField(
        label=_("Recipient"),
        choices=RecipientMatch,
        initial="following",
        widget=forms.RadioSelect,
    )
    join = forms.ChoiceField(
        label=_("How recipients join"),
        choices=RecipientJoin,
        initial="all",
    )
    recipient_entries = AddressesField(
        label=_("Recipients"), required=False, help_text=_("Separated by comma or new line.")
    )
    except_entries = AddressesField(
        label=_("Following Recipients are Not"),
        required=False,
        help_text=_("Empty: no exception. With several entries the exception holds when all of them are recipients."),
    )

    def __init__(self, *args: Any, lists: ListNames, **options: Any) -> None:
        super().__init__(*args, **options)
        for field in self._entries_fields():
            field.lists = lists

    @property
    def dropped(self) -> int:
        """How many entries stood there twice. Ask a valid form."""
        return sum(field.dropped for field in self._entries_fields())

    def clean(self) -> dict[str, Any]:
        cleaned = self.cleaned_data
        if cleaned.get("sender_match") in {"following", "not"} and not cleaned.get("sender_entries", "bad"):
            self.add_error("sender_entries", _("Give at least one sender, or choose Any Sender."))
        if cleaned.get("recipient_match") == "following" and not cleaned.get("recipient_entries", "bad"):
            self.add_error("recipient_entries", _("Give at least one recipient, or choose Any Recipient."))
        for field, choice in UNUSED_WITH_ANY.items():
            if cleaned.get(choice) == "any" and cleaned.get(field, "bad"):
                # Whoever forgets to choose would get a policy that matches everybody. That some of the entries are bad
                # matters only when they count.
                self.errors.pop(field, None)
                self.add_error(field, UNUSED_SENTENCES[field])
        return cleaned

    def member(self) -> Member:
        """The pair. Call it on a valid form."""
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

    def draft(self) -> Draft:
        """For a form that is not valid yet."""
        typed = {name: self[name].value() or "" for name in self.fields}
        read = {field: self._entries_field(field).parsed(str(typed[field])) for field in ENTRIES_FIELDS}
        for name in CHOICE_FIELDS:
            known = choice_field(self, name).valid_value(typed[name])
            typed[name] = typed[name] if known else self.fields[name].initial
        self.cleaned_data = typed | {field: parsed.entries for field, parsed in read.items()}
        used = {field: typed.get(UNUSED_WITH_ANY.get(field, "")) != "any" for field in ENTRIES_FIELDS}
        return Draft(
            member=self.member(),
            bad=sum(len(read[field].bad) for field in ENTRIES_FIELDS if used[field]),
            unused=tuple(field for field in ENTRIES_FIELDS if not used[field] and read[field].count),
        )

    def _entries_fields(self) -> list[AddressesField]:
        return [self._entries_field(name) for name in ENTRIES_FIELDS]

    def _entries_field(self, name: str) -> AddressesField:
        return cast(AddressesField, self.fields[name])

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


def member_forms(
    *, lists: ListNames, data: Any = None, initial: Sequence[dict[str, Any]] | None = None
) -> MemberFormSet:
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
    options = {"empty_permitted": False, "lists": lists}
    made = kind(data, initial=None if data is not None else initial, prefix="member", form_kwargs=options)
    return cast(MemberFormSet, made)


class PolicyForm(forms.Form):
    """Name and place of a policy. `others`: (uid, name) of the other policies, in order."""

    name = forms.CharField(label=_("Policy Name"), max_length=LONGEST_NAME, widget=forms.TextInput(attrs={"size": 44}))
    before = forms.ChoiceField(label=_("Insert Before Policy"), required=False)

    def __init__(self, *args: Any, others: Sequence[tuple[str, str]], **options: Any) -> None:
        super().__init__(*args, **options)
        self._taken = {name.casefold() for _uid, name in others}
        choices = [(uid, f"{place} ({name})") for place, (uid, name) in enumerate(others, start=1)]
        choice_field(self, "before").choices = [*choices, ("", _("Default Policy"))]

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


def _one_address(text: str) -> str:
    """A mailbox, also with a name before it and in angle brackets; "" for nothing and for `<>`. Raises
    ValidationError."""
    text = text.strip()
    if text in {"", "<>"}:
        return ""
    try:
        return check_address(first_mailbox(text) if "<" in text else text)
    except AddressError as error:
        raise forms.ValidationError(in_words(error)) from error


class MailboxField(forms.CharField):
    def __init__(self, **options: Any) -> None:
        widget = forms.TextInput(attrs={"class": "long", "autocapitalize": "off", "spellcheck": "false"})
        super().__init__(required=False, max_length=1000, widget=widget, **options)

    def clean(self, value: Any) -> str:
        return _one_address(super().clean(value))


class RecipientsField(forms.CharField):
    """Envelope recipients, separated by comma or new line."""

    def __init__(self, **options: Any) -> None:
        super().__init__(strip=False, **options)

    def clean(self, value: Any) -> tuple[str, ...]:
        parsed = parse(super().clean(value), check_address, most=MOST_RECIPIENTS)
        if parsed.unread:
            raise forms.ValidationError(_now("Give at most %(most)d recipients.") % {"most": MOST_RECIPIENTS})
        if parsed.bad:
            raise forms.ValidationError(in_sentences(parsed.bad))
        if not parsed.entries:
            raise forms.ValidationError(self.error_messages["required"])
        return parsed.entries


class ExplainForm(forms.Form):
    """A message as far as policies look at it."""

    envelope_sender = MailboxField(
        label=_("Envelope Sender"), help_text=_("Empty: the null sender, as of delivery reports.")
    )
    recipients = RecipientsField(
        label=_("Envelope Recipients"),
        error_messages={"required": _("Enter at least one recipient, for example user@example.com.")},
        widget=forms.Textarea(attrs={"rows": 3, "class": "code", "autocapitalize": "off", "spellcheck": "false"}),
        help_text=_(
            "All recipients of the message, separated by comma or new line: conditions may ask who else receives it."
        ),
    )
    from_address = MailboxField(label=pgettext_lazy("name of a header", "From"))
    reply_to = MailboxField(label=pgettext_lazy("name of a header", "Reply-To"))
    sender = MailboxField(label=_("Sender header"))

    def senders(self) -> Senders:
        return Senders(**{name: self.cleaned_data[name] for name in Senders._fields})


class AddressListForm(forms.Form):
    """`others`: names of the other lists."""

    name = forms.CharField(
        label=_("List Name"),
        max_length=LONGEST_NAME,
        validators=[RegexValidator(rf"\A{NAME_PATTERN}\Z", NAME_RULE)],
        widget=forms.TextInput(attrs={"size": 44}),
    )
    description = forms.CharField(
        label=_("Description"),
        max_length=LONGEST_DESCRIPTION,
        required=False,
        widget=forms.TextInput(attrs={"class": "long"}),
    )
    entries = AddressesField(
        label=_("Entries"),
        error_messages={"required": _("Give at least one entry.")},
        help_text=_(
            "user@example.com, user@, @example.com or @.example.com, separated by comma or new line; up to 10,000."
        ),
    )

    def __init__(self, *args: Any, others: Sequence[str], **options: Any) -> None:
        super().__init__(*args, **options)
        self._taken = {name.casefold() for name in others}
        self.fields["entries"].widget.attrs["rows"] = 14

    @property
    def dropped(self) -> int:
        return cast(AddressesField, self.fields["entries"]).dropped

    def clean_name(self) -> str:
        name = str(self.cleaned_data["name"])
        if name.casefold() in self._taken:
            raise forms.ValidationError(_("An address list of this name exists already."))
        return name

    def clean_description(self) -> str:
        try:
            return check_description(self.cleaned_data["description"])
        except ValueError as error:
            raise forms.ValidationError(_("Write one line of text without control characters.")) from error


class MailPolicySettingsForm(forms.Form):
    """The priority of each header that may say who a message is from; headers may share one."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        places = range(1, len(SENDER_HEADERS) + 1)
        choices = [("", _("not used")), *((str(place), f"P{place}") for place in places)]
        for header in SENDER_HEADERS:
            self.fields[header] = forms.ChoiceField(label=SenderHeader(header).label, choices=choices, required=False)

    def clean(self) -> dict[str, Any]:
        cleaned = self.cleaned_data
        if not any(cleaned.values()) and not self.errors:
            raise forms.ValidationError(_("Give at least one header a priority."))
        return cleaned

    def priorities(self) -> list[list[str]]:
        """The headers of each priority, without priorities that have none."""
        places = sorted({place for place in self.cleaned_data.values() if place})
        return [[header for header in SENDER_HEADERS if self.cleaned_data[header] == place] for place in places]

    @staticmethod
    def initial_of(priorities: Sequence[Sequence[str]]) -> dict[str, str]:
        return {header: str(place) for place, headers in enumerate(priorities, start=1) for header in headers}
