from __future__ import annotations

from django.urls import path

from seg_console.certificates.views import certificates

app_name = "certificates"
urlpatterns = [
    path("", certificates.certificate_list, name="list"),
    path("add/", certificates.add, name="add"),
    path("own/", certificates.show_own, name="show-own"),
    path("<uuid:uid>/", certificates.show, name="show"),
    path("<uuid:uid>/replace/", certificates.replace, name="replace"),
    path("<uuid:uid>/delete/", certificates.delete, name="delete"),
]
