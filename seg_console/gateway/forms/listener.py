from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from seg_console.delivery.forms.problems import checked
from seg_console.gateway.document import MOST_PROXIES, Listener
from seg_console.gateway.host_access import check_address_entry
from seg_console.gateway.models import AddressParsing, BareLineEnds
from seg_console.gateway.place import of_environment
from seg_console.tables.entries import EntriesField
from seg_console.ui.choices import choice_field


class AddressesField(EntriesField):
    """IP addresses, ranges and networks, separated by comma or new line; cleans to a tuple in their plain spelling."""

    most = MOST_PROXIES

    def checked(self, text: str) -> str:
        return check_address_entry(text)


class ListenerForm(forms.Form):
    """The listener's address, limits, address parsing and certificate (seg-webui 8.3). `certificates`: the names there
    are to choose from. What a field itself does not check is held to the rules of the document, in its words."""

    address = forms.CharField(label=_("IP Address"), required=False)
    port = forms.IntegerField(label=_("TCP Port"), required=False, localize=False)
    max_message_size = forms.IntegerField(
        label=_("Max. Message Size (Bytes)"),
        min_value=1_024,
        max_value=104_857_600,
        localize=False,
        help_text=_("1,024 to 104,857,600. Larger messages are refused with 552."),
    )
    max_recipients = forms.IntegerField(
        label=_("Max. Recipients Per Message"),
        min_value=1,
        max_value=50_000,
        localize=False,
        help_text=_("Further ones are answered 452 and come in another message."),
    )
    max_connections = forms.IntegerField(
        label=_("Max. Concurrent Connections"), min_value=1, max_value=10_000, localize=False
    )
    max_connections_per_client = forms.IntegerField(
        label=_("Max. Concurrent Connections From a Single IP"), min_value=1, max_value=10_000, localize=False
    )
    bare_line_ends = forms.ChoiceField(
        label=_("Messages With Bare CR or LF"),
        choices=BareLineEnds,
        widget=forms.RadioSelect,
        help_text=_(
            "Clean: LF, with any number of CR before it, becomes one proper line end, any other CR a blank, and NUL is "
            "taken out. Reject: such a message is refused with 550."
        ),
    )
    address_parsing = forms.ChoiceField(
        label=_("SMTP Address Parsing"),
        choices=AddressParsing,
        widget=forms.RadioSelect,
        help_text=_(
            "Loose: an address is also found without brackets or in several, among blanks and comments, with a dot "
            "behind its domain, or without a domain if there is a default one. Strict: only as the standard has it."
        ),
    )
    default_domain = forms.CharField(
        label=_("Add Default Domain"),
        required=False,
        widget=forms.TextInput(attrs={"size": 34, "autocapitalize": "off", "spellcheck": "false"}),
        help_text=_("For addresses without a domain, with Loose only. Empty: they are refused."),
    )
    reject_characters = forms.CharField(
        label=_("Reject These Characters in User Names"),
        required=False,
        strip=False,
        widget=forms.TextInput(attrs={"size": 12, "autocapitalize": "off", "spellcheck": "false"}),
        help_text=_(
            "Recipients with one of them before the @ are refused, unless the Recipient Access Table has the exact "
            "address. Empty: they are ordinary characters."
        ),
    )
    certificate = forms.ChoiceField(
        label=_("TLS Certificate"),
        required=False,
        help_text=_("The next TLS handshake after the commit uses it; nothing needs a restart."),
    )
    proxies = AddressesField(
        label=_("Proxies"),
        required=False,
        help_text=_(
            "Load balancers and mail proxies in front, which are believed when they say for whom they connect: "
            "192.0.2.1, 192.0.2.0/24, 192.0.2.10-20 or 2001:db8::/32, separated by comma or new line."
        ),
    )
    proxy_protocol = forms.BooleanField(
        label=_("PROXY Protocol"),
        required=False,
        help_text=_(
            "Every connection must then come from one of the proxies and begin with a PROXY header, version 1 or 2."
        ),
    )
    xclient = forms.BooleanField(
        label=_("XCLIENT"),
        required=False,
        help_text=_("The proxies may say by this command of Postfix's for whom they speak; nobody else is offered it."),
    )
    health_checks = AddressesField(
        label=_("Health Checks"),
        required=False,
        help_text=_(
            "Where load balancers and monitoring look from whether the listener lives. Connections from there without "
            "mail leave no lines in the mail log; they are only counted."
        ),
    )

    def __init__(self, *args: Any, certificates: Sequence[str], **options: Any) -> None:
        super().__init__(*args, **options)
        choices = [("", _("The gateway's own")), *((name, name) for name in certificates)]
        choice_field(self, "certificate").choices = choices
        default = of_environment()
        self.fields["address"].help_text = _(
            "An address of this machine, which only programs on it reach if it is 127.0.0.1 or ::1. Any other can be "
            "reached from the network; 0.0.0.0 is every IPv4 address, :: every IPv6 address. Empty: %(default)s, from "
            "SEG_SMTP_HOST."
        ) % {"default": default.host}
        self.fields["port"].help_text = _(
            "1 to 65535. Mail servers connect to 25, for which the listener needs a right. Empty: %(default)d, from "
            "SEG_SMTP_PORT."
        ) % {"default": default.port}

    def clean(self) -> dict[str, Any]:
        values = super().clean() or self.cleaned_data
        found = checked(self, Listener, values)
        plain = found.model_dump(include={"address", "default_domain", "reject_characters"}) if found else {}
        return values | plain
