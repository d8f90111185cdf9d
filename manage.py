#!/usr/bin/env python
"""Entry point for every management command."""

from __future__ import annotations

import os
import sys

from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line
from django.db import DatabaseError

from seg_console import environment

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "seg_console.settings")
    environment.keep_files_private()
    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        # The sentence names the variable and what would be right; where in the code it was read helps nobody.
        sys.exit(str(error))
    except DatabaseError as error:
        if "--traceback" in sys.argv:
            raise
        reason = str(error).strip().splitlines()[0]
        sys.exit(
            f"The database cannot be used: {reason}. Is it the one that SEG_DATA_DIR or DATABASE_URL names where the "
            "system runs, and has the system been started once since it was installed or updated? "
            "--traceback shows where it failed."
        )
