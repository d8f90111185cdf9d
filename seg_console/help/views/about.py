"""Help and Support > About: what this console is."""

from __future__ import annotations

import platform
from pathlib import Path

import django
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

import seg_console

LICENCE: Path = settings.BASE_DIR / "LICENSE"


@require_safe
def about(request: HttpRequest) -> HttpResponse:
    context = {
        "version": seg_console.VERSION,
        "python_version": platform.python_version(),
        "django_version": django.get_version(),
        "serial_number": settings.SEG_SERIAL,
        "licence": LICENCE.read_text(encoding="utf-8") if LICENCE.exists() else "",
    }
    return render(request, "help/about.html", context)
