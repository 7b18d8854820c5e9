"""Our own links: for one file of one job, until a moment."""

from __future__ import annotations

from trunkline.jobs.links import check_link, sign_link

JOB = "01a2b3c4d5e6f708192a3b4c5d6e7f80"


def test_a_link_is_good_for_its_file_until_its_time() -> None:
    query = sign_link(b"pepper", JOB, "video", 1000).encode()
    assert check_link(b"pepper", JOB, "video", query, 999.9) == ""
    assert check_link(b"pepper", JOB, "video", query, 1000.0) == "it has expired"
    assert check_link(b"pepper", JOB, "last_frame", query, 0.0) == "its signature is wrong"
    assert check_link(b"pepper", JOB.replace("0", "1"), "video", query, 0.0) == "its signature is wrong"
    assert check_link(b"other", JOB, "video", query, 0.0) == "its signature is wrong"


def test_time_and_tag_cannot_be_changed() -> None:
    query = sign_link(b"pepper", JOB, "video", 1000)
    assert check_link(b"pepper", JOB, "video", query.replace("1000", "9000").encode(), 0.0) == "its signature is wrong"
    for broken in (b"", b"signature=", b"expires=1000", b"expires=x&signature=y", b"expires=1000&signature=\xc3\xa4"):
        assert check_link(b"pepper", JOB, "video", broken, 0.0) != ""
    tag = query.rpartition("=")[2]
    assert len(tag) * 4 >= 128


def test_another_file_says_so_in_its_link() -> None:
    assert sign_link(b"p", JOB, "last_frame", 1).startswith("variant=last_frame&")
