"""The event loop of a worker: uvloop with a clock in microseconds."""

from __future__ import annotations

import time

import uvloop


class PreciseLoop(uvloop.Loop):
    """uvloop's own `time` is in whole milliseconds, and stands still within a turn: too coarse for the parts of a latency.
    Both count from the same start, so timers set by one and read by the other agree to a millisecond."""

    time = staticmethod(time.monotonic)
