"""Which models there are, and by which names they are found."""

from __future__ import annotations

import pytest

from trunkline.catalogue import video


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("doubao-seedance-2-0-260128", "doubao-seedance-2-0-260128"),
        ("doubao-seedance-2-0-261231", "doubao-seedance-2-0-260128"),
        ("doubao-seedance-2-0", "doubao-seedance-2-0-260128"),
        # The longest family that the name begins with.
        ("doubao-seedance-2-0-fast-270101", "doubao-seedance-2-0-fast-260128"),
        ("dreamina-seedance-2-0-mini", "dreamina-seedance-2-0-mini-260615"),
        ("dreamina-seedance-2-0-mini-260701", "dreamina-seedance-2-0-mini-260615"),
        ("seedance-1-0-pro-fast-260301", "seedance-1-0-pro-fast-251015"),
        ("seedance-1-0-pro-260301", "seedance-1-0-pro-250528"),
        ("veo-3.1-generate", "veo-3.1-generate"),
        ("veo-3.1-generate-001", "veo-3.1-generate-preview"),
        ("veo-3.1-lite-generate-preview", "veo-3.1-lite-generate-preview"),
        ("sora-2-2025-10-06", "sora-2"),
        ("sora-2-pro-2025-10-06", "sora-2-pro"),
    ],
)
def test_a_name_finds_its_model_or_another_revision_of_its_family(name: str, found: str) -> None:
    model = video.find(name)
    assert model is not None
    assert model.id == found


@pytest.mark.parametrize(
    "name",
    [
        "",
        "ep-20260101-abcde",
        "kling-9",
        "seedance",
        "seedance-2-0-260128",
        "doubao-seedance-2-0-turbo-260901",
        "doubao-seedance-2-0-",
        "doubao-seedance-2-0-26012８",
        "doubao-seedance-2-0-260128 ",
        "doubao-seedance-2-0-260128\n",
        "Doubao-Seedance-2-0-260128",
        "veo-3.1",
        "veo-3.0-generate-001",
        "sora-20",
        "doubao-seedance-2-0-" + "1" * 100_000,
    ],
)
def test_other_names_find_nothing(name: str) -> None:
    """A name that goes on otherwise may be a dearer model."""
    assert video.find(name) is None


def test_the_ids_are_those_of_the_vendors() -> None:
    """wire-formats.md D (Models) and G.3."""
    assert [model.id for model in video.MODELS] == [
        "doubao-seedance-2-5-260628",
        "doubao-seedance-2-0-260128",
        "doubao-seedance-2-0-fast-260128",
        "doubao-seedance-2-0-mini-260615",
        "doubao-seedance-1-5-pro-251215",
        "doubao-seedance-1-0-pro-250528",
        "doubao-seedance-1-0-pro-fast-251015",
        "doubao-seedance-1-0-lite-t2v-250428",
        "doubao-seedance-1-0-lite-i2v-250428",
        "dreamina-seedance-2-5-260628",
        "dreamina-seedance-2-0-260128",
        "dreamina-seedance-2-0-fast-260128",
        "dreamina-seedance-2-0-mini-260615",
        "seedance-1-5-pro-251215",
        "seedance-1-0-pro-250528",
        "seedance-1-0-pro-fast-251015",
        "seedance-1-0-lite-t2v-250428",
        "seedance-1-0-lite-i2v-250428",
        "veo-3.1-generate-preview",
        "veo-3.1-fast-generate-preview",
        "veo-3.1-lite-generate-preview",
        "veo-3.1-generate",
        "veo-3.1-fast-generate",
        "veo-3.1-lite-generate",
        "sora-2",
        "sora-2-pro",
    ]


@pytest.mark.parametrize("model", video.MODELS, ids=lambda model: model.id)
def test_every_entry_is_sound(model: video.VideoModel) -> None:
    assert model.id.startswith(model.stem)
    assert list(model.durations) == sorted(set(model.durations))
    assert model.default_seconds in model.durations
    assert model.default_resolution in model.resolutions
    assert model.default_ratio in model.ratios
    assert model.tiers[0] == "default"
    assert model.sound or not model.default_audio
    assert model.first_frame or not model.last_frame
    assert 10 <= model.typical_seconds <= 600
    assert len({price.unit for price in model.prices}) == 1
    assert all(price.micros > 0 and price.mark and price.source for price in model.prices)
    assert model.prices[-1].since is None and model.prices[-1].until is None
