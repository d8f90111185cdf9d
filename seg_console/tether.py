"""Runs a command that ends with its parent, even when the parent is killed outright: `tether.py PARENT_PID COMMAND...`.

Without it a killed `manage.py up` would leave its processes behind, holding the ports. The wish survives exec, so the
command runs in this very process. Standard library only; on systems without prctl(2) the command just runs.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def end_with_parent(parent: int) -> None:
    """Ask for SIGTERM when the parent ends; exits at once if it has ended meanwhile."""
    if not sys.platform.startswith("linux"):
        return
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit(0)


if __name__ == "__main__":
    end_with_parent(int(sys.argv[1]))
    os.execvp(sys.argv[2], sys.argv[2:])
