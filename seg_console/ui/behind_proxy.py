"""The request as the browser made it, where the console stands behind proxies."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from seg_console.proxies import Said, seen_by_proxies
from seg_console.ui.errors import unknown_proxy

log = logging.getLogger(__name__)

FOR: Final = "HTTP_X_FORWARDED_FOR"
PROTO: Final = "HTTP_X_FORWARDED_PROTO"
HOST: Final = "HTTP_X_FORWARDED_HOST"


class BehindProxy:
    """Gives a request of a trusted proxy the client, scheme and host that the proxy was asked with. Takes the path of
    SEG_PUBLIC_URL off its address, unless the proxy has, and puts it on every cookie: other applications of that host
    are not to get them. The first of all: the others believe what they read."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        prefix = settings.FORCE_SCRIPT_NAME or ""
        if prefix:
            _take_off(prefix, request)
        response = self._answer(request)
        for cookie in response.cookies.values() if prefix else ():
            cookie["path"] = f"{prefix}/"
        return response

    def _answer(self, request: HttpRequest) -> HttpResponseBase:
        meta = request.META
        said = Said(meta.get(FOR, ""), meta.get(PROTO, ""), meta.get(HOST, ""))
        seen = seen_by_proxies(meta.get("REMOTE_ADDR", ""), said, settings.SEG_TRUSTED_PROXIES)
        if seen is None:
            return self._from_nobody_known(request, said)
        meta["REMOTE_ADDR"] = seen.client
        # A proxy that does not say how it was asked stands for the address that people are given.
        scheme = seen.scheme or (settings.SEG_PUBLIC_URL.scheme if settings.SEG_PUBLIC_URL else "")
        if scheme:
            meta["wsgi.url_scheme"] = scheme
        if seen.host:
            meta["HTTP_HOST"] = seen.host
        return self.get_response(request)

    def _from_nobody_known(self, request: HttpRequest, said: Said) -> HttpResponseBase:
        if any(said):
            log.warning(
                "A request came through a proxy that SEG_TRUSTED_PROXIES does not name, at %s; what it says of the "
                "client is not believed (docs/howto/behind-a-proxy.md)",
                request.META.get("REMOTE_ADDR", ""),
            )
            if settings.SECURE_SSL_REDIRECT and not request.is_secure():
                # Sent to the public address, it would come back here in the same way for ever.
                return unknown_proxy(request)
        return self.get_response(request)


def _take_off(prefix: str, request: HttpRequest) -> None:
    if f"{request.path_info}/".startswith(f"{prefix}/"):
        request.path_info = request.path_info.removeprefix(prefix) or "/"
        request.path = prefix + request.path_info
        request.META["PATH_INFO"] = request.path_info
