"""Frame sizes and tokens of videos that are billed by tokens: wire-formats.md D (frame size examples) and D.3 (formula)."""

from __future__ import annotations

from trunkline.catalogue.contract import Priced, VideoModel

#: D's examples; portrait is landscape turned round.
SIZES_720P: dict[str, tuple[int, int]] = {
    "16:9": (1280, 720),
    "4:3": (1112, 834),
    "1:1": (960, 960),
    "21:9": (1470, 630),
}
#: 16:9; 480p differs by family, this is the larger of the two.
SIZES_16_9: dict[str, tuple[int, int]] = {
    "480p": (864, 496),
    "720p": (1280, 720),
    "1080p": (1920, 1080),
    "4k": (3840, 2160),
}
TURNED = {"3:4": "4:3", "9:16": "16:9", "9:21": "21:9"}
#: What a scaled frame may be larger than its area says, in per cent: vendors round sides to what codecs like.
SCALED_MARGIN = 1

#: Pixels × frames that make one token.
PIXELS_PER_TOKEN = 1024
#: A reference video is 2 to 15 s long (D.2). Nobody has looked into it when the estimate is made.
REFERENCE_SECONDS = 15


def pixels(model: VideoModel, resolution: str, ratio: str) -> int | None:
    """Of one frame. A ratio that is open (`adaptive`, "") or not known counts as the dearest. None: no such resolution.

    D gives sizes of all ratios for 720p, and of 16:9 for every resolution. Others are scaled by area: the pixels of that ratio
    at 720p, times those of 16:9 at the resolution over those of 16:9 at 720p, and a margin, rounded up.
    """
    if resolution not in SIZES_16_9:
        return None
    landscape = TURNED.get(ratio, ratio)
    if landscape not in SIZES_720P:
        return max(_pixels(model, resolution, known) for known in SIZES_720P)
    return _pixels(model, resolution, landscape)


def _pixels(model: VideoModel, resolution: str, landscape: str) -> int:
    if landscape == "16:9" and resolution == "480p":
        return _area(model.size_480p)
    if landscape == "16:9":
        return _area(SIZES_16_9[resolution])
    exact = _area(SIZES_720P[landscape])
    if resolution == "720p":
        return exact
    scaled = exact * _area(SIZES_16_9[resolution]) * (100 + SCALED_MARGIN)
    return -(-scaled // (_area(SIZES_16_9["720p"]) * 100))


def _area(size: tuple[int, int]) -> int:
    return size[0] * size[1]


def tokens(model: VideoModel, priced: Priced) -> int | None:
    """By the observed formula: width × height × (fps × seconds + 1) / 1024, rounded up. Reference videos count as seconds of
    the same frame (D.3: 4 s and a reference of 4 s make 173 700 at 720p). None: no such resolution."""
    area = pixels(model, priced.resolution, priced.ratio)
    if area is None:
        return None
    output = model.fps * priced.seconds + 1 if priced.frames is None else priced.frames
    return -(-area * (output + model.fps * priced.video_seconds) // PIXELS_PER_TOKEN)
