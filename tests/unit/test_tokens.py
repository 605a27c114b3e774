"""Tokens: what we made is read back, anything else is refused by name, never with a crash."""

import base64

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from penchant_adapters.attribution import attributed_profile, attributed_request, attribution_token, token_of
from penchant_core.errors import InvalidField, StaleRequest
from penchant_server.tokens import (
    FRESHNESS_BYTES,
    RESUME_BYTES,
    Resume,
    freshness_marks,
    freshness_token,
    joined,
    resume_token,
    resumed,
)

STORE = "0123456789abcdef"
ids = st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1, max_size=32)


marks = st.dictionaries(st.integers(0, 499), st.integers(0, 2**63 - 1), min_size=1, max_size=300)


@given(marks)
def test_a_freshness_token_is_read_back_within_its_limit(written: dict[int, int]) -> None:
    token = freshness_token(STORE, written)
    assert freshness_marks(token, STORE) == written
    assert len(token.encode()) <= FRESHNESS_BYTES


@given(st.text(max_size=200))
@example(f"f1.{STORE}.")
@example(f"f1.{STORE}.-1")
@example(f"f1.{STORE}.٣")
@example(f"f1.{STORE}.1:2.2")
@example(f"f2.{STORE}.0:1")
@example(f"f1.{STORE}.1")
@example(f"f1.{STORE}.1:2,")
@example(f"f1.{STORE}.1:-2")
@example("f1." + STORE + ".0:" + "9" * 9000)
def test_what_is_no_freshness_token_is_refused_by_its_field(text: str) -> None:
    with pytest.raises(InvalidField, match=r"^min_freshness: ") as refused:
        freshness_marks(text, STORE)
    assert refused.value.field == "min_freshness"
    assert len(str(refused.value)) < 1_000


def test_a_freshness_token_of_another_store_is_told_from_a_broken_one() -> None:
    with pytest.raises(StaleRequest, match="another store"):
        freshness_marks(freshness_token("fedcba9876543210", {0: 1}), STORE)


@given(marks, marks)
def test_joined_marks_cover_both(one: dict[int, int], other: dict[int, int]) -> None:
    both = joined(one, other)
    assert both == joined(other, one)
    assert both.keys() == one.keys() | other.keys()
    for part in (one, other):
        assert all(both[stream] >= mark for stream, mark in part.items())


@given(ids, st.integers(0, 2**62))
def test_an_attribution_token_names_its_request(surface: str, now: int) -> None:
    one, other = attribution_token(surface, now), attribution_token(surface, now)
    assert len(attributed_request(one)) == 16
    assert attributed_request(one) == attributed_request(one) != attributed_request(other)


names = st.text("aZ0_-.", min_size=1, max_size=40).filter(lambda name: not name.startswith("."))
labels = st.just("") | st.builds("{}@{}".format, names, ids)


@given(st.text(max_size=64), labels)
def test_an_attribution_token_names_its_profile_and_goes_on_with_it(surface: str, profile: str) -> None:
    request = attributed_request(attribution_token(surface, 1, profile))
    assert len(request.partition(" ")[0]) == 16
    assert attributed_profile(request) == profile
    assert attributed_request(token_of(request)) == request


@pytest.mark.parametrize("tail", ["", "nobody", "@1", "bold@", "bold@\n", ".bold@1", "bold@" + "1" * 65])
def test_what_cannot_be_a_profile_is_none_and_the_request_is_still_known(tail: str) -> None:
    token = attribution_token("home\0" + tail, 1)
    assert len(attributed_request(token)) == 16
    forged = attribution_token("home", 1, tail or " ")
    assert len(attributed_request(forged)) == 16


def test_the_longest_attribution_token_is_within_its_limit() -> None:
    profile = "x" * 40 + "@" + "𝄞" * 64
    token = attribution_token("s" * 64, 2**63, profile)
    assert len(token) <= 512
    assert attributed_profile(attributed_request(token)) == profile


@given(st.text(max_size=100) | st.binary(max_size=15).map(lambda b: "a1." + base64.urlsafe_b64encode(b).decode()))
@example("a1.")
@example("a1.====")
@example("a1." + "A" * 23 + "%")
@example(attribution_token("home", 1).removeprefix("a1."))
def test_what_is_no_attribution_token_is_refused_by_its_field(text: str) -> None:
    with pytest.raises(InvalidField) as refused:
        attributed_request(text)
    assert refused.value.field == "event.attribution_token"


@given(st.integers(0, 10**17), st.lists(ids, max_size=100, unique=True), st.integers(0, 100))
def test_a_resume_token_is_read_back(sequence: int, order: list[str], shown: int) -> None:
    resume = Resume(sequence, tuple(order), min(shown, len(order)))
    assert resumed(resume_token(resume)) == resume


@pytest.mark.parametrize("letter", ['"', "\\", "a", "\u00e9", "香"])
def test_the_longest_resume_token_is_within_its_limit(letter: str) -> None:
    size = 128 // len(letter.encode()) - 2
    longest = Resume(10**17, tuple(letter * size + f"{n:02}"[-2:] for n in range(100)), 100)
    token = resume_token(longest)
    assert len(token.encode()) <= RESUME_BYTES
    assert resumed(token) == longest


def forged(text: str) -> str:
    return "r1." + base64.b85encode(text.encode()).decode()


@given(st.text(max_size=200) | st.text(max_size=100).map(lambda s: forged("x" + s)))
@example("")
@example("r1.")
@example("r1.\x00")
@example("r1.ÿ")
@example("r1." + base64.b85encode(b"\xff\xfe").decode())
@example(forged(""))
@example(forged("-1"))
@example(forged("٣"))
@example(forged("9" * 19))
@example(forged("9" * 5_000))
@example(forged("1"))
@example(forged("1\n0\n"))
@example(forged("1\n0\na\na"))
@example(forged("1\n2\na"))
@example(forged("\n".join(["1", "0", *(str(n) for n in range(101))])))
@example(resume_token(Resume(1, ("a",), 1)).removeprefix("r1."))
@example("r1." + "0" * 20_000)
def test_what_is_no_resume_token_is_refused_by_its_field(text: str) -> None:
    with pytest.raises(InvalidField) as refused:
        resumed(text)
    assert refused.value.field == "open.resume_token"
