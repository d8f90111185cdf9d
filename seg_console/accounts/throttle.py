"""How many failed attempts to log in are read before further ones are turned away for a while.

django-axes counts them and knows one limit; here are three (docs/decisions.md#two-looser-limits), and a browser that is
known has its own alone.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from axes.attempts import get_cool_off_threshold
from axes.handlers.database import AxesDatabaseHandler
from axes.helpers import get_client_username
from axes.models import AccessAttempt
from django.conf import settings
from django.db.models import Q, QuerySet, Sum
from django.http import HttpRequest

from seg_console.accounts import known_browser
from seg_console.accounts.known_browser import KNOWN_FOR
from seg_console.audit.models import Act, Entry

# Of one address with whatever names, and of one name from whatever addresses. Looser than the limit of the two
# together: several people may share an address, and a stranger must not shut out a user.
LOOSE_LIMIT = 20
# In place of the name that a browser gives itself, where the browser is known.
KNOWN_AGENT = "known browser "


class AxesRequest(HttpRequest):
    """With what django-axes found out of the attempt."""

    axes_ip_address: str | None
    axes_user_agent: str
    axes_attempt_time: datetime


class Throttle(AxesDatabaseHandler):  # type: ignore[misc]  # the package has no types
    """The limit of a known browser is AXES_FAILURE_LIMIT, whatever others do. For all others it is that of a name and
    an address together; the loose ones hold for those who have not logged in from that address lately. An attempt that
    was turned away counts nowhere."""

    def get_failures(self, request: AxesRequest, credentials: dict[str, Any] | None = None) -> int:
        """The failures to hold against AXES_FAILURE_LIMIT; one that is reached elsewhere counts as that many."""
        name, address = get_client_username(request, credentials) or "", request.axes_ip_address
        own = self._of_known_browser(request, name)
        if own is not None:
            found = own.filter(attempt_time__gte=get_cool_off_threshold(request))
            return int(found.aggregate(failures=Sum("failures_since_start", default=0))["failures"])
        by_name, by_address = Q(username=name), Q(ip_address=address)
        recent = AccessAttempt.objects.filter(attempt_time__gte=get_cool_off_threshold(request))
        failures = recent.filter(by_name | by_address).aggregate(
            together=Sum("failures_since_start", filter=by_name & by_address, default=0),
            of_name=Sum("failures_since_start", filter=by_name, default=0),
            of_address=Sum("failures_since_start", filter=by_address, default=0),
        )
        together: int = failures["together"]
        if max(failures["of_name"], failures["of_address"]) < LOOSE_LIMIT or self._is_known(request, name):
            return together
        return max(together, settings.AXES_FAILURE_LIMIT)

    def user_login_failed(
        self, sender: Any, credentials: dict[str, Any], request: AxesRequest | None = None, **more: Any
    ) -> None:
        if request is not None:
            key = known_browser.key_for(request, get_client_username(request, credentials) or "")
            if key:
                request.axes_user_agent = KNOWN_AGENT + key
        super().user_login_failed(sender, credentials, request, **more)

    def reset_user_attempts(self, request: AxesRequest, credentials: dict[str, Any] | None = None) -> int:
        """After a success. In a known browser it says nothing of whoever else tries the name from the same address."""
        own = self._of_known_browser(request, get_client_username(request, credentials) or "")
        if own is None:
            return int(super().reset_user_attempts(request, credentials))
        return own.delete()[0]

    def _of_known_browser(self, request: AxesRequest, name: str) -> QuerySet[AccessAttempt] | None:
        """The failures in this browser, from wherever; None for one that is not known for this user."""
        key = known_browser.key_for(request, name)
        return AccessAttempt.objects.filter(username=name, user_agent=KNOWN_AGENT + key) if key else None

    def _is_known(self, request: AxesRequest, name: str) -> bool:
        """Whether this user has logged in from this address lately."""
        since = request.axes_attempt_time - KNOWN_FOR
        address = request.axes_ip_address or ""
        return Entry.objects.filter(username=name, act=Act.SIGN_IN, at__gte=since, address=address).exists()
