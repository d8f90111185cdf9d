from __future__ import annotations

from django.urls import path

from seg_console.monitor.views import delivery, overview, services, tracking

app_name = "monitor"
urlpatterns = [
    path("overview/", overview.overview, name="overview"),
    path("delivery-status/", delivery.destinations, name="delivery-status"),
    path("delivery-status/export/", delivery.export, name="delivery-status-export"),
    path("delivery-status/search/", delivery.search, name="delivery-status-search"),
    path("delivery-status/retry/", delivery.retry_all, name="delivery-status-retry-all"),
    path("delivery-status/destination/<str:destination>/", delivery.details, name="delivery-status-details"),
    path("delivery-status/destination/<str:destination>/retry/", delivery.retry_one, name="delivery-status-retry"),
    path(
        "delivery-status/destination/<str:destination>/delete-held/",
        delivery.delete_held,
        name="delivery-status-delete-held",
    ),
    path("message-tracking/", tracking.search, name="message-tracking"),
    path("message-tracking/export/", tracking.export, name="message-tracking-export"),
    path("message-tracking/<int:mid>/", tracking.details, name="message-tracking-details"),
]

services_overview = [path("", services.overview, name="overview")]
