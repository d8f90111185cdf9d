"""The Host Access Table and the Recipient Access Table as files, with the words of their pages."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from seg_console.gateway.document import HOST_ACCESS, RECIPIENT_ACCESS
from seg_console.gateway.tables_text import (
    read_host_access,
    read_recipient_access,
    write_host_access,
    write_recipient_access,
)
from seg_console.tables.files import TableFile

HOST_ACCESS_FILE = TableFile(
    section=HOST_ACCESS,
    read=read_host_access,
    write=write_host_access,
    filename="host-access-table.txt",
    content_type="text/plain; charset=utf-8",
    title=_("Import HAT"),
    list_view="host-access:list",
    import_view="host-access:import",
    form_help=_(
        "A line with group and a name begins a sender group; below it stands a line for each value and for each "
        "sender. The group ALL is the row for all other hosts: it stands last, and without it that row gets its "
        "initial values. Lines that begin with # are passed by."
    ),
    example="group BLOCKED_LIST\n"
    "  comment Seen in March\n"
    "  action reject\n"
    "  response Not from there\n"
    "  203.0.113.0/24\n"
    "group ALL\n"
    "  max_recipients_per_hour 1000",
    too_many=_("The file has %(given)s rows; at most %(most)s can be imported."),
    when_empty=_("The row ALL stays, and then takes every host."),
    # The words of the file stand on the line itself.
    field_name=lambda _path, _item: "",
)

RECIPIENT_ACCESS_FILE = TableFile(
    section=RECIPIENT_ACCESS,
    read=read_recipient_access,
    write=write_recipient_access,
    filename="recipient-access-table.txt",
    content_type="text/plain; charset=utf-8",
    title=_("Import RAT"),
    list_view="recipient-access:list",
    import_view="recipient-access:import",
    form_help=_(
        "One row a line, in the order in which they are compared: the recipient address, the action and, if you like, "
        "the code and the text of the answer. What no row matches is refused, whether or not the file says so in its "
        "last line. Lines that begin with # are passed by."
    ),
    example="exit@corp.example REJECT 550 This mailbox is closed\ncorp.example ACCEPT\nALL REJECT",
    too_many=_("The file has %(given)s rows; at most %(most)s can be imported."),
    when_empty=_("Mail for every recipient is then refused."),
    field_name=lambda _path, _item: "",
)
