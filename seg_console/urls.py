from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path

from policies.services import services
from policies.urls import address_lists, mail_policy_settings
from seg_console.delivery.urls import bounce_profiles, destination_controls, dns_settings
from seg_console.gateway.urls import host_access, incoming_relays, listeners
from seg_console.monitor.urls import services_overview

urlpatterns: list[URLPattern | URLResolver] = [
    path("", include("seg_console.accounts.urls")),
    path("help/", include("seg_console.help.urls")),
    path("", include("seg_console.config.urls")),
    path("security-services/overview/", include((services_overview, "services"))),
    *(path("", include(service.urls)) for service in services()),
    path("monitor/", include("seg_console.monitor.urls")),
    path("mail-policies/incoming/", include("policies.urls")),
    path("mail-policies/address-lists/", include((address_lists, "address-lists"))),
    path("mail-policies/settings/", include((mail_policy_settings, "mail-policy-settings"))),
    path("mail-policies/host-access/", include((host_access, "host-access"))),
    path("mail-policies/recipient-access/", include("seg_console.gateway.urls")),
    path("mail-policies/destination-controls/", include((destination_controls, "destination-controls"))),
    path("network/listeners/", include((listeners, "listeners"))),
    path("network/certificates/", include("seg_console.certificates.urls")),
    path("network/smtp-routes/", include("seg_console.delivery.urls")),
    path("network/incoming-relays/", include((incoming_relays, "incoming-relays"))),
    path("network/bounce-profiles/", include((bounce_profiles, "bounce-profiles"))),
    path("network/dns/", include((dns_settings, "dns"))),
    path("system-administration/trace/", include("seg_console.trace.urls")),
    path("system-administration/audit-log/", include("seg_console.audit.urls")),
]

handler400 = "seg_console.ui.errors.bad_request"
handler500 = "seg_console.ui.errors.server_error"
