"""The console as a WSGI application, for the production server."""

from __future__ import annotations

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "seg_console.settings")

application = get_wsgi_application()
