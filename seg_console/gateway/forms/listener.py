from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from seg_console.gateway.models import BareLineEnds
from seg_console.ui.choices import choice_field


class ListenerForm(forms.Form):
    """The listener's limits (seg-webui 8.3). `certificates`: the names there are to choose from."""

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
        help_text=_("Clean: each becomes a proper line end. Reject: such a message is refused with 550."),
    )
    certificate = forms.ChoiceField(
        label=_("TLS Certificate"),
        required=False,
        help_text=_("The next TLS handshake after the commit uses it; nothing needs a restart."),
    )

    def __init__(self, *args: Any, certificates: Sequence[str], **options: Any) -> None:
        super().__init__(*args, **options)
        choices = [("", _("The gateway's own")), *((name, name) for name in certificates)]
        choice_field(self, "certificate").choices = choices
