"""Processes beside this one."""

from __future__ import annotations

import multiprocessing
import os
import threading
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import connection


def pool(processes: int) -> ProcessPoolExecutor:
    """So many workers, of one thread each, that end when this process does, however it ends."""
    # spawn: a forked child would share the parent's torch threads and physics clients
    return ProcessPoolExecutor(processes, multiprocessing.get_context("spawn"), _begin)


def _begin() -> None:
    # the processes are the parallelism; both are read when torch and transformers are imported, which is later
    os.environ["OMP_NUM_THREADS"] = "1"
    os.environ["HF_HUB_OFFLINE"] = "1"
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:  # a killed parent cannot stop its workers
        connection.wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
