"""Who is calling."""

from __future__ import annotations

from typing import Literal

import msgspec

from trunkline.types.constraint import Constraint

#: Whose requests are shed first and wait longest: those of `batch`.
Priority = Literal["interactive", "batch"]


class Principal(msgspec.Struct, frozen=True, kw_only=True):
    """A virtual key and what hangs on it; `constraints` hold for every request with it, `task` is what its requests are about
    where they do not say so. `key_id` may be logged, the key never."""

    key_id: str
    name: str = ""
    user: str = ""
    team: str = ""
    organisation: str = ""
    feature: str = ""
    task: str = ""
    priority: Priority = "interactive"
    constraints: tuple[Constraint, ...] = ()
