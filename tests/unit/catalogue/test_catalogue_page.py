"""docs/reference/video-models.md says what the catalogue says, row by row."""

from __future__ import annotations

from pathlib import Path

from trunkline.catalogue import video
from trunkline.catalogue.contract import Price, VideoModel

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "video-models.md"
UNITS = {"token": "1 M tokens", "second": "second"}


def table(text: str, heading: str) -> list[str]:
    """The rows of the first table under a heading."""
    section = text.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    rows = [line for line in section.splitlines() if line.startswith("|")]
    return rows[2:]


def abilities(model: VideoModel) -> str:
    seconds = ", ".join(str(s) for s in model.durations)
    if len(model.durations) > 3:
        seconds = f"{model.shortest}–{model.longest}"
    seconds += ", −1" if model.decides else ""
    frames = "first and last" if model.last_frame else "first" if model.first_frame else "–"
    references = (model.reference_images, model.reference_videos, model.reference_audios)
    more = {
        "sound": model.sound,
        "sound alone": model.audio_alone,
        "`frames`": model.frames,
        "`camera_fixed`": model.camera_fixed,
        "draft": model.draft,
        "flex": "flex" in model.tiers,
        "tools": model.tools,
        "needs an image": model.needs_image,
        f"retired {model.retired}": model.retired is not None,
    }
    cells = [
        f"`{model.id}`",
        f"{seconds} ({model.default_seconds})",
        f"{' '.join(model.resolutions)} ({model.default_resolution})",
        f"{len(model.ratios)} ({model.default_ratio})",
        frames,
        " / ".join(str(n) for n in references) if model.takes_references else "–",
        ", ".join(word for word, is_so in more.items() if is_so) or "–",
        model.mark,
    ]
    return f"| {' | '.join(cells)} |"


def price_row(model: VideoModel, price: Price) -> str:
    conditions = [
        " ".join(price.resolutions),
        {None: "", True: "video input", False: "no video input"}[price.video_input],
        {None: "", True: "sound", False: "no sound"}[price.audio],
        price.tier,
    ]
    when = ", ".join(condition for condition in conditions if condition) or "otherwise"
    amount = f"{price.micros / 1_000_000:.2f} {price.currency}"
    return f"| `{model.id}` | {when} | {amount} | {UNITS[price.unit]} | {price.source} | {price.mark} |"


def test_the_abilities_are_those_of_the_catalogue() -> None:
    assert table(PAGE.read_text(), "What they can do") == [abilities(model) for model in video.MODELS]


def test_the_prices_are_those_of_the_catalogue() -> None:
    expected = [price_row(model, price) for model in video.MODELS for price in model.prices]
    assert table(PAGE.read_text(), "What they cost") == expected


def test_the_page_names_the_version() -> None:
    assert f"Catalogue of {video.CATALOGUE_VERSION}." in PAGE.read_text()
