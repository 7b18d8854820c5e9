"""Every model that the catalogue knows, and how one is found by the name a provider gives it."""

from __future__ import annotations

import re

from trunkline.catalogue.billed_by_second import BILLED_BY_SECOND
from trunkline.catalogue.contract import VideoModel
from trunkline.catalogue.seedance import SEEDANCE

MODELS: tuple[VideoModel, ...] = (*SEEDANCE, *BILLED_BY_SECOND)

#: What may follow a stem: a date or a revision, in the ways vendors write them.
_REVISION = re.compile(r"(?:-(?:[0-9]{3,8}|[0-9]{4}-[0-9]{2}-[0-9]{2}))?", re.ASCII)
_BY_ID = {model.id: model for model in MODELS}


def find(model_id: str) -> VideoModel | None:
    """The model of that id; else the family of which it is another revision (`…-2-0-mini-260901`, the stem alone). None for
    anything else: a name that goes on in another way may be another model at another price."""
    exact = _BY_ID.get(model_id)
    if exact is not None:
        return exact
    # No two families are stem and revision of one name: what is left after `…-2-0` is never `-fast-…`.
    for model in MODELS:
        if model_id.startswith(model.stem) and _REVISION.fullmatch(model_id, len(model.stem)):
            return model
    return None
