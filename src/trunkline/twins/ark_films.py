"""The Seedance models that the ModelArk twin knows, with what each refuses. Source: wire-formats.md D.2 (table of models,
frame sizes) and D.6. Sizes that the sheet does not name are scaled from those that it does."""

from __future__ import annotations

import msgspec

from trunkline.twins.ask import Problem

#: Pictures per second.
FPS = 24

RESOLUTIONS = ("480p", "720p", "1080p", "4k")
RATIOS = ("16:9", "4:3", "1:1", "3:4", "9:16", "21:9", "9:21")


class FilmModel(msgspec.Struct, frozen=True, kw_only=True):
    """One model. `seconds` are the shortest and longest duration, `references` how many images, videos and audios it takes
    (None: no references at all), `frames` which of first and last frame it can start from."""

    id: str
    seconds: tuple[int, int]
    resolutions: tuple[str, ...]
    usual_resolution: str = "720p"
    usual_ratio: str = "adaptive"
    references: tuple[int, int, int] | None = None
    frames: tuple[str, ...] = ("first_frame", "last_frame")
    needs_image: bool = False
    audio_alone: bool = False
    decides_length: bool = False
    counts_frames: bool = False
    narrow: bool = False
    sound: bool = False
    drafts: bool = False
    fixed_camera: bool = True
    flex: bool = True
    tools: bool = False
    wide_480p: bool = False


_TO_1080P = ("480p", "720p", "1080p")
_TO_720P = ("480p", "720p")


def _second(name: str, resolutions: tuple[str, ...]) -> FilmModel:
    return FilmModel(
        id=name,
        seconds=(4, 15),
        resolutions=resolutions,
        references=(9, 3, 3),
        decides_length=True,
        sound=True,
        fixed_camera=False,
        flex=False,
        tools=True,
    )


def _half(name: str, resolutions: tuple[str, ...]) -> FilmModel:
    return FilmModel(
        id=name,
        seconds=(4, 30),
        resolutions=resolutions,
        references=(30, 10, 10),
        audio_alone=True,
        decides_length=True,
        sound=True,
        tools=True,
        wide_480p=True,
    )


def _first(name: str, seconds: tuple[int, int], usual: str = "720p", **more: object) -> FilmModel:
    fields = {"usual_resolution": usual, "usual_ratio": "16:9", "counts_frames": True, "narrow": True, **more}
    return msgspec.convert({"id": name, "seconds": seconds, "resolutions": _TO_1080P, **fields}, FilmModel)


def _fifteen(name: str) -> FilmModel:
    return FilmModel(id=name, seconds=(4, 12), resolutions=_TO_1080P, decides_length=True, sound=True, drafts=True)


FILMS: dict[str, FilmModel] = {
    model.id: model
    for model in (
        _half("doubao-seedance-2-5-260628", _TO_1080P),
        _half("dreamina-seedance-2-5-260628", _TO_720P),
        *(_second(f"{brand}-seedance-2-0-260128", RESOLUTIONS) for brand in ("doubao", "dreamina")),
        *(_second(f"{brand}-seedance-2-0-fast-260128", _TO_720P) for brand in ("doubao", "dreamina")),
        *(_second(f"{brand}-seedance-2-0-mini-260615", _TO_720P) for brand in ("doubao", "dreamina")),
        *(_fifteen(f"{brand}seedance-1-5-pro-251215") for brand in ("doubao-", "")),
        *(_first(f"{brand}seedance-1-0-pro-250528", (2, 12), "1080p") for brand in ("doubao-", "")),
        *(
            _first(f"{brand}seedance-1-0-pro-fast-251015", (2, 12), "1080p", frames=("first_frame",))
            for brand in ("doubao-", "")
        ),
        *(_first(f"{brand}seedance-1-0-lite-t2v-250428", (3, 12), frames=()) for brand in ("doubao-", "")),
        *(
            _first(f"{brand}seedance-1-0-lite-i2v-250428", (3, 12), references=(4, 0, 0), needs_image=True)
            for brand in ("doubao-", "")
        ),
    )
}

#: What stands behind an inference endpoint whose id does not name one of these.
_BEHIND = (
    ("2-5", "doubao-seedance-2-5-260628"),
    ("2-0-fast", "doubao-seedance-2-0-fast-260128"),
    ("2-0-mini", "doubao-seedance-2-0-mini-260615"),
    ("1-5-pro", "doubao-seedance-1-5-pro-251215"),
    ("1-0-pro-fast", "doubao-seedance-1-0-pro-fast-251015"),
    ("1-0-pro", "doubao-seedance-1-0-pro-250528"),
    ("1-0-lite-t2v", "doubao-seedance-1-0-lite-t2v-250428"),
    ("1-0-lite-i2v", "doubao-seedance-1-0-lite-i2v-250428"),
)
_USUAL = "doubao-seedance-2-0-260128"


def film_model(name: str) -> FilmModel | Problem:
    """The model of that name or endpoint. An endpoint `ep-…` is 2.0, or the model that its id ends with (`ep-…-1-5-pro`)."""
    model = FILMS.get(name)
    if model is not None:
        return model
    if name.startswith("ep-"):
        return FILMS[next((known for ending, known in _BEHIND if name.endswith("-" + ending)), _USUAL)]
    text = f"The model or endpoint {name} does not exist or you do not have access to it."
    return Problem(message=text, status=404, code="InvalidEndpointOrModel.NotFound")


_SIZES: dict[str, dict[str, tuple[int, int]]] = {
    "480p": {"16:9": (864, 496), "4:3": (752, 560), "1:1": (640, 640), "21:9": (992, 432)},
    "720p": {"16:9": (1280, 720), "4:3": (1112, 834), "1:1": (960, 960), "21:9": (1470, 630)},
    "1080p": {"16:9": (1920, 1080), "4:3": (1664, 1248), "1:1": (1440, 1440), "21:9": (2206, 946)},
    "4k": {"16:9": (3840, 2160), "4:3": (3328, 2496), "1:1": (2880, 2880), "21:9": (4412, 1892)},
}


def size_of(model: FilmModel, resolution: str, ratio: str) -> tuple[int, int]:
    """Pixels of a frame, width and height. `ratio` is not `adaptive` any more."""
    if model.wide_480p and resolution == "480p" and ratio in ("16:9", "9:16"):
        return (854, 480) if ratio == "16:9" else (480, 854)
    sizes = _SIZES[resolution]
    if ratio in sizes:
        return sizes[ratio]
    left, _, right = ratio.partition(":")
    height, width = sizes[f"{right}:{left}"]
    return width, height
