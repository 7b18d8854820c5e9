"""Everything that other rooms ask of the catalogue about videos."""

from __future__ import annotations

from trunkline.catalogue.contract import CATALOGUE_VERSION, Price, Priced, PriceSettings, VideoModel
from trunkline.catalogue.cost import bill, estimate, nothing, priced, settle, unknown_cost
from trunkline.catalogue.fit import clamp, lacking
from trunkline.catalogue.models import MODELS, find

__all__ = [
    "CATALOGUE_VERSION",
    "MODELS",
    "Price",
    "PriceSettings",
    "Priced",
    "VideoModel",
    "bill",
    "clamp",
    "estimate",
    "find",
    "lacking",
    "nothing",
    "priced",
    "settle",
    "unknown_cost",
]
