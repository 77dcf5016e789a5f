"""Which threads come first where a user wants it and the system allows it: those that move a robot before those that compute.

Linux's SCHED_FIFO, as ros2_control's own controllers use it (they ask for 50): a thread of it is never kept waiting by an
ordinary one. It takes the right to (`rtprio` in /etc/security/limits.conf), and cores to spare: what comes first can starve the
rest.
"""

from __future__ import annotations

import contextlib
import os


def first(priority: int) -> bool:
    """The calling thread, and those that it starts, from now on; 0: as all others again. False where that is not allowed."""
    if not hasattr(os, "sched_setscheduler"):
        return False
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO if priority else os.SCHED_OTHER, os.sched_param(priority))
    except OSError:
        return False
    return True


def everything_first(priority: int) -> bool:
    """All threads of this process that there are by now, and those that they start."""
    if not first(priority):
        return False
    for thread in os.listdir("/proc/self/task"):
        with contextlib.suppress(ProcessLookupError):  # ended meanwhile
            os.sched_setscheduler(int(thread), os.SCHED_FIFO, os.sched_param(priority))
    return True


def priority() -> int:
    """The calling thread's; 0: as all others."""
    return os.sched_getparam(0).sched_priority if hasattr(os, "sched_getparam") else 0
