from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from seg_console.accounts.forms.new_passphrase import AGAIN, PASSPHRASE, NewPassphraseForm, passphrase_field
from seg_console.accounts.models import User
from seg_console.accounts.roles import Role
from seg_console.accounts.usernames import check_new_username
from seg_console.config.problems import in_words
from seg_console.mail.lines import visible


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
