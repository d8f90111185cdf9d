from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth import authenticate
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.password_validation import validate_password
from django.utils.translation import gettext_lazy as _

from seg_console.accounts.models import (
    LONGEST_EXPIRY_DAYS,
    LONGEST_MINIMUM,
    MOST_FAILED_ATTEMPTS,
    SHORTEST_MINIMUM,
    User,
)
from seg_console.accounts.roles import Role
from seg_console.accounts.usernames import check_new_username
from seg_console.config.problems import in_words
from seg_console.mail.lines import visible
from seg_console.ui.requests import ConsoleRequest

# Longer than any that may be chosen: one that is too long is told so, and no longer text is ever hashed.
LONGEST_TYPED = 1000
PASSPHRASE, AGAIN = _("Passphrase"), _("Retype Passphrase")


def passphrase_field(label: Any, *, purpose: str, **options: Any) -> forms.CharField:
    """`purpose`: what browsers and passphrase keepers call it (HTML autocomplete)."""
    widget = forms.PasswordInput(attrs={"autocomplete": purpose, "class": "long"})
    return forms.CharField(label=label, strip=False, max_length=LONGEST_TYPED, widget=widget, **options)


class SignInForm(AuthenticationForm):
    """Username and passphrase (seg-webui 2.4). One message for every failure: it must not tell which names exist,
    nor which are locked; the authentication backend turns a locked account away like a wrong passphrase."""

    error_messages = {
        "invalid_login": _("Invalid username or passphrase."),
        "inactive": _("Invalid username or passphrase."),
    }

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["username"].label = _("Username")
        self.fields["password"].label = _("Passphrase")

    @property
    def attempted_username(self) -> str:
        """The name that was tried with a passphrase; "" where one of the two was missing, which is no attempt."""
        typed: dict[str, Any] = getattr(self, "cleaned_data", {})
        return str(typed.get("username") or "") if typed.get("password") else ""


class NewPassphraseForm(forms.Form):
    """A passphrase typed twice; put by a subclass under its own fields, which says in its `clean` whose it is to be.

    `generated`: one to start from, which the fields then hold.
    """

    passphrase = passphrase_field(PASSPHRASE, purpose="new-password")
    again = passphrase_field(AGAIN, purpose="new-password")

    def __init__(self, *args: Any, generated: str = "", **options: Any) -> None:
        super().__init__(*args, **options)
        if generated:
            self.initial = {**self.initial, "passphrase": generated, "again": generated}
            for name in ("passphrase", "again"):
                self.fields[name].widget.render_value = True

    def judged_for(self, owner: User) -> dict[str, Any]:
        """The cleaned values, with an error beside a passphrase that was typed in two ways or that is too easily
        guessed. `owner`: whose it is to be, as far as the form knows."""
        cleaned = self.cleaned_data
        chosen, again = cleaned.get("passphrase"), cleaned.get("again")
        if chosen is not None and again is not None and chosen != again:
            self.add_error("again", _("The two passphrases are not the same."))
        elif chosen:
            self._judge(chosen, owner)
        return cleaned

    def _judge(self, chosen: str, owner: User) -> None:
        try:
            validate_password(chosen, owner)
        except forms.ValidationError as error:
            self.add_error("passphrase", error)


class FullNameField(forms.CharField):
    """It stands in tables and sentences, where a mark that nobody sees would make it look like another name."""

    def __init__(self) -> None:
        super().__init__(label=_("Full Name"), max_length=150)

    def clean(self, value: Any) -> str:
        name = str(super().clean(value))
        if visible(name) != name:
            raise forms.ValidationError(
                _("Write a name without control characters and without marks that nobody sees.")
            )
        return name


class AddUserForm(NewPassphraseForm):
    """System Administration > Users > Add User (seg-webui 8.6)."""

    username = forms.CharField(
        label=_("User Name"),
        max_length=150,
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "off", "spellcheck": "false"}),
        help_text=_("Lower-case letters, digits and dashes, at most 16 characters."),
    )
    full_name = FullNameField()
    role = forms.ChoiceField(label=_("User Role"), choices=Role.choices, initial=Role.GUEST)
    field_order = ("username", "full_name", "role", "passphrase", "again")

    def clean_username(self) -> str:
        try:
            name = check_new_username(self.cleaned_data["username"])
        except ValueError as error:
            raise forms.ValidationError(in_words(error)) from error
        if User.objects.filter(username=name).exists():
            raise forms.ValidationError(_("There is a user of this name already."))
        return name

    def clean(self) -> dict[str, Any]:
        typed = self.cleaned_data
        return self.judged_for(User(username=typed.get("username", ""), full_name=typed.get("full_name", "")))


class EditUserForm(NewPassphraseForm):
    """`user`: whom it is about. Fields for what may not be changed are left out."""

    full_name = FullNameField()
    role = forms.ChoiceField(label=_("User Role"), choices=Role.choices)
    passphrase = passphrase_field(
        PASSPHRASE,
        purpose="new-password",
        required=False,
        help_text=_("Empty: the passphrase stays as it is. A new one must be changed at the next login."),
    )
    again = passphrase_field(AGAIN, purpose="new-password", required=False)
    field_order = ("full_name", "role", "passphrase", "again")

    def __init__(self, *args: Any, user: User, with_role: bool, with_passphrase: bool, **options: Any) -> None:
        self.user = user
        super().__init__(*args, **options)
        unwanted = ([] if with_role else ["role"]) + ([] if with_passphrase else ["passphrase", "again"])
        for name in unwanted:
            del self.fields[name]

    def clean(self) -> dict[str, Any]:
        full_name = self.cleaned_data.get("full_name", "")
        return self.judged_for(User(username=self.user.username, full_name=full_name))


class ChangePassphraseForm(NewPassphraseForm):
    """Options > Change Passphrase, for the user who is signed in."""

    old = passphrase_field(_("Old Passphrase"), purpose="current-password")
    passphrase = passphrase_field(_("New Passphrase"), purpose="new-password")
    again = passphrase_field(_("Retype New Passphrase"), purpose="new-password")
    field_order = ("old", "passphrase", "again")

    def __init__(self, *args: Any, request: ConsoleRequest, **options: Any) -> None:
        self.request = request
        super().__init__(*args, **options)

    @property
    def old_is_wrong(self) -> bool:
        return self.has_error("old", code="wrong")

    def clean_old(self) -> str:
        old: str = self.cleaned_data["old"]
        # As at sign-in, so that whoever finds an open session cannot guess on without being throttled.
        if authenticate(self.request, username=self.request.user.username, password=old) is None:
            raise forms.ValidationError(_("This is not your present passphrase."), code="wrong")
        return old

    def clean(self) -> dict[str, Any]:
        cleaned = self.judged_for(self.request.user)
        chosen = cleaned.get("passphrase")
        if chosen and chosen == cleaned.get("old"):
            self.add_error("passphrase", _("Choose another passphrase than the present one."))
        return cleaned


class AccountSettingsForm(forms.Form):
    """System Administration > Account Settings."""

    lock_after = forms.IntegerField(
        label=_("Lock Account After Failed Logins"),
        min_value=0,
        max_value=MOST_FAILED_ATTEMPTS,
        help_text=_("Failed attempts in a row, from anywhere; 0: never. The user admin is never locked."),
    )
    minimum_length = forms.IntegerField(
        label=_("Minimum Passphrase Length"),
        min_value=SHORTEST_MINIMUM,
        max_value=LONGEST_MINIMUM,
        help_text=_("Holds for passphrases that are chosen from now on."),
    )
    passphrase_expiry = forms.IntegerField(
        label=_("Passphrases Expire After (Days)"),
        min_value=0,
        max_value=LONGEST_EXPIRY_DAYS,
        localize=False,
        help_text=_("An older passphrase must be changed at the next login; 0: never."),
    )
