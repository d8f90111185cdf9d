"""Settings, read once from the environment. What an administrator changes while the system runs is configuration,
kept in the database with a page of its own (docs/configuration.md), not a setting."""

from __future__ import annotations

import hashlib
import os
import secrets
import socket
from datetime import timedelta
from pathlib import Path
from typing import Any

from csp.constants import NONE, SELF
from django.utils.translation import gettext_lazy as _

from seg_console import environment

BASE_DIR = Path(__file__).resolve().parent.parent

# Where everything that is not code lives: database, logs, keys, sockets.
SEG_DATA_DIR = environment.folder("SEG_DATA_DIR", "var", base=BASE_DIR)
SEG_HOSTNAME = environment.host_name("SEG_HOSTNAME", socket.getfqdn())
SEG_HTTP_HOST = environment.text("SEG_HTTP_HOST", "127.0.0.1")
SEG_HTTP_PORT = environment.port("SEG_HTTP_PORT", 8000)
# Where people find the console, and the proxies that lead there: these alone are believed what they say of a request.
SEG_PUBLIC_URL = environment.public_url("SEG_PUBLIC_URL")
SEG_TRUSTED_PROXIES = environment.networks("SEG_TRUSTED_PROXIES")
_IS_SECURE = SEG_PUBLIC_URL is not None and SEG_PUBLIC_URL.scheme == "https"
SEG_SMTP_HOST = environment.text("SEG_SMTP_HOST", "127.0.0.1")
SEG_SMTP_PORT = environment.port("SEG_SMTP_PORT", 2525)
SEG_SMTP_MEMORY_MB = environment.megabytes("SEG_SMTP_MEMORY_MB", 256, least=16)
SEG_TLS_CERTIFICATE = environment.text("SEG_TLS_CERTIFICATE", "")
SEG_TLS_KEY = environment.text("SEG_TLS_KEY", "")
SEG_REDIS_SOCKET = SEG_DATA_DIR / "run" / "redis.sock"
SEG_REDIS_URL = environment.redis_url("REDIS_URL", f"unix://{SEG_REDIS_SOCKET}")
SEG_MAIL_LOG = SEG_DATA_DIR / "log" / "mail_logs"


def _secret_key() -> str:
    """The key from the environment, else one made on first use and kept, readable by the owner alone."""
    given = environment.text("SEG_SECRET_KEY", "")
    if given:
        return given
    path = SEG_DATA_DIR / "secret_key"
    if not path.exists():
        fresh = path.with_suffix(f".{os.getpid()}")
        fresh.touch(mode=0o600)
        fresh.write_text(secrets.token_urlsafe(48))
        try:
            # Linked into place, so that of several processes starting at once all read the first one's key.
            os.link(fresh, path)
        except FileExistsError:
            pass
        finally:
            fresh.unlink()
    return path.read_text()


SECRET_KEY = _secret_key()


def _serial() -> str:
    """A serial number in the form of a virtual appliance's (mail-logs 1.3), the same for the life of the key."""
    digest = hashlib.sha256(f"serial:{SECRET_KEY}".encode()).hexdigest().upper()
    return f"{digest[:20]}-{digest[20:32]}"


SEG_SERIAL = _serial()
DEBUG = environment.switch("SEG_DEBUG", default=False)
ALLOWED_HOSTS = environment.words("SEG_ALLOWED_HOSTS", f"127.0.0.1,localhost,[::1],{SEG_HOSTNAME}")
if SEG_PUBLIC_URL:
    ALLOWED_HOSTS.append(SEG_PUBLIC_URL.name)
    # Also where a proxy hands on another host than the browser's.
    CSRF_TRUSTED_ORIGINS = [SEG_PUBLIC_URL.origin]
# Behind a TLS-terminating proxy cookies must be marked secure; on plain loopback a browser would drop them.
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = LANGUAGE_COOKIE_SECURE = environment.switch(
    "SEG_SECURE_COOKIES", default=_IS_SECURE
)
FORCE_SCRIPT_NAME = SEG_PUBLIC_URL.prefix if SEG_PUBLIC_URL and SEG_PUBLIC_URL.prefix else None
SECURE_SSL_REDIRECT = _IS_SECURE
SECURE_SSL_HOST = SEG_PUBLIC_URL.host if SEG_PUBLIC_URL else None
# A month, for this host alone: what else the domain serves is not the console's to decide, nor what browsers preload.
SECURE_HSTS_SECONDS = 30 * 24 * 3600 if _IS_SECURE else 0
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]

INSTALLED_APPS = [
    "seg_console.accounts",
    "seg_console.audit",
    "seg_console.config",
    "seg_console.mail",
    "seg_console.certificates",
    "seg_console.delivery",
    "policies",
    "tdc",
    "seg_console.gateway",
    "seg_console.monitor",
    "seg_console.ui",
    "seg_console.cli",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django_htmx",
    "template_partials",
    "axes",
    "csp",
]

MIDDLEWARE = [
    "seg_console.ui.behind_proxy.BehindProxy",
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "seg_console.audit.middleware.SourceMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "seg_console.ui.errors.NoControlsInAddress",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "seg_console.accounts.middleware.SessionEndMiddleware",
    "seg_console.accounts.middleware.PreferencesMiddleware",
    "seg_console.accounts.middleware.SignInRequiredMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "seg_console.accounts.middleware.PassphraseGate",
    "axes.middleware.AxesMiddleware",
    "seg_console.ui.errors.PageForWrongMethod",
]

ROOT_URLCONF = "seg_console.urls"
WSGI_APPLICATION = "seg_console.wsgi.application"
TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "seg_console.ui.context.frame",
                "seg_console.config.context.configuration",
                "seg_console.help.context.online_help",
            ],
        },
    }
]

DATABASES = {"default": environment.database("DATABASE_URL", SEG_DATA_DIR / "seg.sqlite3")}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "seg_console.accounts.backend.AccountBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"seg_console.accounts.passphrases.{name}Validator"}
    for name in ("Length", "Characters", "Similarity", "Common", "Numeric", "Strength")
]
# The longest request line that gunicorn can be told to take, in octets. Searches send their fields in it, and a Chinese
# character takes nine: with its usual 4,094 the longest search of Message Tracking got the web server's bare 414.
LONGEST_REQUEST_LINE = 8190
# The order of 1,000 policies is one form, and so are the pasted lists of one policy.
DATA_UPLOAD_MAX_NUMBER_FIELDS = 2_500
DATA_UPLOAD_MAX_MEMORY_SIZE = 8 * 1024 * 1024
LOGIN_URL = "accounts:sign-in"
LOGIN_REDIRECT_URL = "monitor:overview"
LOGOUT_REDIRECT_URL = "accounts:sign-in"
# How long without activity is configuration (System Administration > Network Access, seg-webui 2.4), and looked at with
# every request; this is the most that any session lasts. A browser that is closed forgets it.
SESSION_COOKIE_AGE = 14 * 24 * 3600
SESSION_EXPIRE_AT_BROWSER_CLOSE = True
CSRF_FAILURE_VIEW = "seg_console.ui.errors.form_refused"
SESSION_COOKIE_HTTPONLY = LANGUAGE_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = LANGUAGE_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
# Throttling of sign-in: per user name and address together; looser limits of either alone are Throttle's.
AXES_HANDLER = "seg_console.accounts.throttle.Throttle"
AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = timedelta(minutes=15)
# What a success forgets.
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_LOCKOUT_CALLABLE = "seg_console.accounts.views.sign_in.turned_away"
AXES_RESET_ON_SUCCESS = True
# Who goes on trying while turned away does not make the wait longer, for himself or for others of his address.
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
# An attempt is stored with its form; these fields of it are not.
AXES_SENSITIVE_PARAMETERS = ["username", "password", "old", "passphrase", "again", "carried", "csrfmiddlewaretoken"]
AXES_VERBOSE = False

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    }
}
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"

LANGUAGE_CODE = "en"
LANGUAGE_COOKIE_AGE = 365 * 24 * 3600
LANGUAGES = [("en", _("English")), ("zh-hans", _("Chinese (Simplified)"))]
LOCALE_PATHS = [BASE_DIR / "seg_console" / "locale"]
FORMAT_MODULE_PATH = "seg_console.formats"
USE_I18N = True
USE_TZ = True
TIME_ZONE = environment.zone("SEG_TIME_ZONE", os.environ.get("TZ", "") or "UTC")
USE_THOUSAND_SEPARATOR = True

# Whole: Django would put the path before it as it is when somebody asks first.
STATIC_URL = f"{FORCE_SCRIPT_NAME or ''}/static/"
# The pictures of the documents are those of the online help.
STATICFILES_DIRS = [BASE_DIR / "static", ("docs", BASE_DIR / "docs" / "images")]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
# Static files are served from the source folders: no collecting step between a pull and a restart.
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = DEBUG

LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "plain": {"()": "seg_console.logs.PlainLines", "fmt": "%(asctime)s %(levelname)s %(name)s: %(message)s"}
    },
    "filters": {
        "outage": {"()": "seg_console.ui.outage.OneLineAMinute"},
        "once a minute": {"()": "seg_console.quiet.OnceAMinute"},
    },
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "plain"}},
    "root": {"handlers": ["stderr"], "level": environment.level("SEG_LOG_LEVEL", "INFO")},
    "loggers": {
        "axes": {"level": "WARNING"},
        # A refused form (422) and a page that is not there are answers, not warnings.
        "django.request": {"level": "ERROR", "filters": ["outage"]},
        # While Redis is away, each attempt to reach it is an error with a traceback to Celery, and each drain's first
        # one a warning of its own.
        "celery.beat": {"filters": ["once a minute"]},
        "celery.worker.consumer.consumer": {"filters": ["once a minute"]},
        "seg_console.delivery.broker": {"filters": ["once a minute"]},
        "seg_console.ui.behind_proxy": {"filters": ["once a minute"]},
        "celery.worker.strategy": {"level": "WARNING"},
        "celery.app.trace": {"level": "WARNING"},
    },
}
