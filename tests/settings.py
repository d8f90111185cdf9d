"""Settings of the test run: the program's own, on a data folder that is thrown away."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path
from typing import cast

# Short, because a Unix socket's path may not exceed 107 octets.
DATA_DIR = Path(tempfile.mkdtemp(prefix="seg-"))
atexit.register(shutil.rmtree, DATA_DIR, ignore_errors=True)
os.environ["SEG_DATA_DIR"] = str(DATA_DIR)
os.environ["SEG_HOSTNAME"] = "gw1.corp.example"
os.environ["SEG_TIME_ZONE"] = "UTC"
os.environ["SEG_SECRET_KEY"] = "only for tests"
os.environ["SEG_LOG_LEVEL"] = "WARNING"
os.environ.pop("REDIS_URL", None)

from seg_console.settings import *  # noqa: E402, F403 - the environment above has to be in place first
from seg_console.settings import DATABASES  # noqa: E402

if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # A file, not memory: threads and other processes of a test open it too.
    DATABASES["default"]["TEST"] = {"NAME": str(DATA_DIR / "test.sqlite3")}
    # No power cut happens in a test, and emptying the tables after each is most of the waiting for the disk.
    OPTIONS = cast(dict[str, str], DATABASES["default"]["OPTIONS"])
    OPTIONS["init_command"] = OPTIONS["init_command"].replace("synchronous=FULL", "synchronous=OFF")
else:
    DATABASES["default"]["ENGINE"] = "tests.quick_postgresql"
# Signing in is not what these tests are about, and a slow hash would be most of their time.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
