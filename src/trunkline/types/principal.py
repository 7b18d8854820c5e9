"""Who is calling."""

from __future__ import annotations

import msgspec

from trunkline.types.constraint import Constraint


class Principal(msgspec.Struct, frozen=True, kw_only=True):
    """A virtual key and what hangs on it; `constraints` hold for every request with it. `key_id` may be logged, the key
    never."""

    key_id: str
    name: str = ""
    user: str = ""
    team: str = ""
    organisation: str = ""
    feature: str = ""
    constraints: tuple[Constraint, ...] = ()
