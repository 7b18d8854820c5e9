"""The URL that a provider is given: nobody can make one up."""

from __future__ import annotations

from trunkline.jobs.hints import job_of, token_of

JOB = "01a2b3c4d5e6f708192a3b4c5d6e7f80"


def test_a_token_names_its_job_and_no_other_pepper_can_make_it() -> None:
    token = token_of(b"pepper", JOB)
    assert job_of(b"pepper", token) == JOB
    assert job_of(b"other", token) is None
    assert len(token) - len(JOB) - 1 == 40, "160 bits"


def test_what_is_no_token_names_nothing() -> None:
    token = token_of(b"pepper", JOB)
    for forged in (
        "",
        JOB,
        token[:-1],
        token + "0",
        token.upper(),
        token.replace("-", "_"),
        token[:-1] + "g",
        "../" + token,
    ):
        assert job_of(b"pepper", forged) is None
    other = f"{int(JOB, 16) + 1:032x}"
    assert job_of(b"pepper", other + token[32:]) is None
