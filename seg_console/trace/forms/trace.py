from __future__ import annotations

import base64
import binascii
import re
from typing import IO, Any, Final

from django import forms
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

from seg_console.config.problems import in_words
from seg_console.mail.addresses import AddressError, check_address, check_domain
from seg_console.mail.lines import printable, visible
from seg_console.tables.entries import parse
from seg_console.trace.engine import Question
from seg_console.ui.choices import choice_field

MOST_RECIPIENTS: Final = 100
NAMED_ENTRIES: Final = 20
SHOWN_VALUE: Final = 80
LONGEST_PATH: Final = 1_000
# A message larger than this is not carried in the page for its downloads: as base64 it would not come back.
LARGEST_CARRIED: Final = 5 * 1024 * 1024
PENDING, COMMITTED = "pending", "committed"

_LINE_END: Final = re.compile("\r\n|\r|\n")


def asked_path(text: str) -> str:
    """An address as a client would say it, international domains in ASCII. What is no address is left as it is, so
    that the listener answers it. Raises AddressError for what no client could say in one line."""
    text = text.strip()
    if text.startswith("<") and text.endswith(">"):
        text = text[1:-1].strip()
    if printable(text) != text:
        raise AddressError("%(address)s holds control characters.", address=visible(text[:SHOWN_VALUE]))
    if len(text) > LONGEST_PATH:
        raise AddressError("%(address)s... is too long for a line of SMTP.", address=visible(text[:SHOWN_VALUE]))
    try:
        return check_address(text)
    except AddressError:
        return text


def asked_paths(text: str) -> tuple[str, ...]:
    """The recipients of a field or an argument, separated by comma or new line. Raises ValidationError."""
    parsed = parse(text, asked_path, most=MOST_RECIPIENTS)
    if parsed.unread:
        raise forms.ValidationError(_now("Give at most %(most)d recipients.") % {"most": MOST_RECIPIENTS})
    if parsed.bad:
        sentence = _now("Line %(line)d: %(reason)s")
        raise forms.ValidationError(
            [sentence % {"line": bad.line, "reason": in_words(bad.error)} for bad in parsed.bad[:NAMED_ENTRIES]]
        )
    return parsed.entries


def as_sent(content: bytes) -> bytes:
    """A file as a mail program would send it: one with only LF line ends gets CRLF; any other is left as it is."""
    return content if b"\r\n" in content else content.replace(b"\n", b"\r\n")


class TraceForm(forms.Form):
    """An imagined message (seg-webui 8.10). `max_size`: the listener's, in bytes."""

    source_ip = forms.GenericIPAddressField(
        label=_("Source IP Address"),
        unpack_ipv4=True,
        error_messages={"required": _("Enter the IP address of a client, for example 192.0.2.1.")},
        widget=forms.TextInput(attrs={"size": 34, "autocapitalize": "off", "spellcheck": "false"}),
    )
    source_name = forms.CharField(
        label=_("Fully Qualified Domain Name of the Source IP"),
        required=False,
        max_length=255,
        widget=forms.TextInput(attrs={"size": 34, "autocapitalize": "off", "spellcheck": "false"}),
        help_text=_("Empty: looked up in the DNS, for two seconds at most."),
    )
    sender = forms.CharField(
        label=_("Envelope Sender"),
        required=False,
        widget=forms.TextInput(attrs={"class": "long", "autocapitalize": "off", "spellcheck": "false"}),
        help_text=_("Empty: the null sender, as of delivery reports."),
    )
    recipients = forms.CharField(
        label=_("Envelope Recipients"),
        strip=False,
        error_messages={"required": _("Enter at least one recipient, for example user@example.com.")},
        widget=forms.Textarea(attrs={"rows": 3, "class": "code", "autocapitalize": "off", "spellcheck": "false"}),
        help_text=_("Separated by comma or new line; up to 100."),
    )
    text = forms.CharField(
        label=_("Message Body"),
        required=False,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 9, "class": "code", "spellcheck": "false"}),
        help_text=_("The whole message: headers, an empty line, the text. Empty: a message without anything in it."),
    )
    upload = forms.FileField(
        label=_("Upload Message Body"),
        required=False,
        help_text=_("A message as a file, in place of the text above."),
    )
    configuration = forms.ChoiceField(label=_("Configuration"), required=False, widget=forms.RadioSelect)
    # The message of the trace before, in base64: a browser does not fill in a file again.
    kept = forms.CharField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, has_pending: bool, max_size: int, **options: Any) -> None:
        super().__init__(*args, **options)
        self._max_size = max_size
        self._default = PENDING if has_pending else COMMITTED
        choices = [(COMMITTED, _("Running configuration"))]
        if has_pending:
            choices.insert(0, (PENDING, _("With my pending changes")))
        choice_field(self, "configuration").choices = choices
        self.fields["configuration"].initial = self._default
        self.content = b""
        self._given: bytes | None = None

    def give(self, content: bytes) -> None:
        """The message as a file that no browser has uploaded. Call it before the form is validated."""
        self._given = as_sent(content)

    def clean_source_name(self) -> str:
        name = self.cleaned_data["source_name"]
        if not name:
            return ""
        try:
            return check_domain(name.rstrip("."))
        except AddressError as error:
            raise forms.ValidationError(in_words(error)) from error

    def clean_sender(self) -> str:
        try:
            return asked_path(self.cleaned_data["sender"])
        except AddressError as error:
            raise forms.ValidationError(in_words(error)) from error

    def clean_recipients(self) -> tuple[str, ...]:
        recipients = asked_paths(self.cleaned_data["recipients"])
        if not recipients:
            raise forms.ValidationError(self.fields["recipients"].error_messages["required"])
        return recipients

    def clean_configuration(self) -> str:
        return self.cleaned_data["configuration"] or self._default

    def clean(self) -> dict[str, Any]:
        cleaned = self.cleaned_data
        upload, text, kept = cleaned.get("upload"), cleaned.get("text", ""), cleaned.get("kept", "")
        if upload and text.strip():
            self.add_error("upload", _("Give the message as text or as a file, not both."))
            return cleaned
        field = "upload" if upload or kept else "text"
        if upload and upload.size > self._max_size:
            self._too_large(field)
            return cleaned
        self.content = self._read(upload, text, kept)
        if len(self.content) > self._max_size:
            self._too_large(field)
        return cleaned

    def question(self) -> Question:
        """Call it on a valid form."""
        cleaned = self.cleaned_data
        return Question(
            source_ip=cleaned["source_ip"],
            source_name=cleaned["source_name"],
            sender=cleaned["sender"],
            recipients=cleaned["recipients"],
            content=self.content,
        )

    @property
    def can_carry(self) -> bool:
        return len(self.content) <= LARGEST_CARRIED

    @property
    def carried(self) -> str:
        """The message as `kept` takes it back; "" for one that is too large to be carried."""
        return base64.b64encode(self.content).decode("ascii") if self.can_carry else ""

    def _read(self, upload: IO[bytes] | None, text: str, kept: str) -> bytes:
        if self._given is not None:
            return self._given
        if upload:
            return as_sent(upload.read())
        if text.strip() or not kept:
            return _LINE_END.sub("\r\n", text).encode("utf-8", "surrogateescape")
        try:
            return base64.b64decode(kept, validate=True)
        except (binascii.Error, ValueError):
            self.add_error("upload", _("The message of the trace before is not here any more. Give it again."))
            return b""

    def _too_large(self, field: str) -> None:
        sentence = _("The message is larger than the listener takes: %(most)d bytes.")
        self.add_error(field, forms.ValidationError(sentence, params={"most": self._max_size}))
