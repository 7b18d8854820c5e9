"""Experiments and canaries: which arm of a split a request belongs to. A stable hash, so that an assignment sticks, and no
arm depends on another: a share that grows keeps those whom it had."""

from __future__ import annotations

import zlib

from trunkline.types.fleet import Route, Share
from trunkline.types.plan import Asked

_POINTS = 1_000_000


def arm_of(route: Route, asked: Asked) -> Share | None:
    """None: for whoever is in no arm."""
    if route.split is None or not asked.split:
        return None
    point = zlib.crc32(f"{route.name}\0{asked.split}".encode()) % _POINTS
    edge = 0.0
    for share in route.split.arms:
        edge += share.percent * _POINTS / 100.0
        if point < edge:
            return share
    return None
