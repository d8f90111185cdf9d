"""The pages of the way in; each list of patterns has a namespace and a prefix of its own in seg_console.urls."""

from __future__ import annotations

from django.urls import path

from seg_console.gateway.views import host_access as hosts
from seg_console.gateway.views import incoming_relays as relays
from seg_console.gateway.views import listener
from seg_console.gateway.views import recipient_access as recipients

app_name = "recipient-access"
urlpatterns = [
    path("", recipients.access_list, name="list"),
    path("add/", recipients.add, name="add"),
    path("order/", recipients.order, name="order"),
    path("import/", recipients.import_table, name="import"),
    path("export/", recipients.export, name="export"),
    path("<uuid:uid>/", recipients.edit, name="edit"),
    path("<uuid:uid>/delete/", recipients.delete, name="delete"),
]
host_access = [
    path("", hosts.group_list, name="list"),
    path("add/", hosts.add, name="add"),
    path("order/", hosts.order, name="order"),
    path("import/", hosts.import_table, name="import"),
    path("export/", hosts.export, name="export"),
    path("<uuid:uid>/", hosts.edit, name="edit"),
    path("<uuid:uid>/delete/", hosts.delete, name="delete"),
]
listeners = [
    path("", listener.show, name="show"),
    path("edit/", listener.edit, name="edit"),
]

incoming_relays = [
    path("", relays.relay_list, name="list"),
    path("add/", relays.add, name="add"),
    path("global-settings/", relays.edit_global_settings, name="edit-global-settings"),
    path("<uuid:uid>/", relays.edit, name="edit"),
    path("<uuid:uid>/delete/", relays.delete, name="delete"),
]
