"""Profiles as files: read over the service's own settings, refused by name, written whole."""

import asyncio
import math
import os
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from penchant_adapters import profiles
from penchant_adapters.profiles import FILE_BYTES, PROFILES, profile_files, read_profile, write_profile
from penchant_core.errors import InvalidSetting
from penchant_core.profiles import Profile
from penchant_core.tuning import TYPE_WEIGHTS, Covisitation, Scoring, Tuning, Weights

OWN = Tuning(
    Weights({**TYPE_WEIGHTS, "share": 2.0, "ignored": 0.0}),
    Covisitation(reach=7),
    Scoring(half_life_days=30.0, depth=200),
)


def written(folder: Path, text: str, name: str = "bold") -> Path:
    path = folder / f"{name}.toml"
    path.write_text(text)
    return path


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def refusal(path: Path) -> InvalidSetting:
    with pytest.raises(InvalidSetting) as refused:
        read_profile(path, OWN)
    return refused.value


def test_what_a_profile_leaves_out_is_the_services_own(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        """
        version = "spring sale, 3"
        [scoring]
        content = 1
        depth = 300
        [weights]
        view = 0.25
        hide = -2
        [about]  # for people
        figures = { ndcg = 0.14 }
        anything = ["goes", 1]
        """,
    )
    found = read_profile(path, OWN)
    assert found.label == "bold@spring sale, 3"
    assert found.scoring == replace(OWN.scoring, content=1.0, depth=300)
    assert found.weights.by_type == {**OWN.weights.by_type, "view": 0.25, "hide": -2.0}
    assert found.instead(OWN) == Tuning(found.weights, OWN.covisitation, found.scoring)


def test_a_profile_of_a_version_alone_is_the_service_itself(tmp_path: Path) -> None:
    assert read_profile(written(tmp_path, 'version = "1"'), OWN).instead(OWN) == OWN


def test_the_word_none_takes_a_number_away_where_there_may_be_none(tmp_path: Path) -> None:
    path = written(tmp_path, 'version = "1"\n[scoring]\nhalf_life_days = "none"')
    assert read_profile(path, OWN).scoring == replace(OWN.scoring, half_life_days=None)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", 'profiles.bold.version: is required, for example version = "1"'),
        ("version = 3", "profiles.bold.version: 3 is not text; write version ="),
        ('version = ""', "profiles.bold.version: '' must be 1–64 printable characters"),
        (f'version = "{"x" * 65}"', "profiles.bold.version: 'xxx"),
        (r'version = "a\nb"', r"profiles.bold.version: 'a\nb' must be"),
        ('version = " 1"', "profiles.bold.version: ' 1' must be"),
        ('version = "1"\ncovisitation = {}', "profiles.bold.covisitation: unknown; known: version, scoring, weights"),
        ('version = "1"\nscoring = 7', "profiles.bold.scoring: 7 is not a table"),
        ('version = "1"\nweights = []', "profiles.bold.weights: [] is not a table"),
        ('version = "1"\nabout = "me"', "profiles.bold.about: 'me' is not a table"),
        ("version =", "profiles.bold: "),
        ("x = " + "[" * 100_000, "profiles.bold: "),
    ],
)
def test_a_file_that_is_no_profile_is_refused_by_profile_and_field(tmp_path: Path, text: str, told: str) -> None:
    assert str(refusal(written(tmp_path, text))).startswith(told)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("depht = 30", "profiles.bold.scoring.depht: unknown; known: apart, balance, content, depth"),
        ("depth = 9", "profiles.bold.scoring.depth: 9 is not within 10 and 1000"),
        ("depth = 12.5", "profiles.bold.scoring.depth: 12.5 is not a whole number"),
        ("depth = true", "profiles.bold.scoring.depth: True is not a whole number"),
        ("depth = 'none'", "profiles.bold.scoring.depth: None is not a whole number"),
        ("content = 'much'", "profiles.bold.scoring.content: 'much' is not a number"),
        ("content = nan", "profiles.bold.scoring.content: nan is not within 0 and 100"),
        ("content = 100.5", "profiles.bold.scoring.content: 100.5 is not within 0 and 100"),
        ("half_life_days = 0", "profiles.bold.scoring.half_life_days: 0 is not within 0.01 and 36500"),
    ],
)
def test_a_number_of_the_mixture_is_refused_by_its_name_and_limits(tmp_path: Path, line: str, told: str) -> None:
    error = refusal(written(tmp_path, f'version = "1"\n[scoring]\n{line}'))
    assert str(error).startswith(told)
    assert error.field == told.partition(": ")[0]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("view = -0.5", "profiles.bold.weights.view: -0.5 has not the sign of the service's own 0.5"),
        ("view = 0", "profiles.bold.weights.view: 0 has not the sign of the service's own 0.5"),
        ("hide = 0.1", "profiles.bold.weights.hide: 0.1 has not the sign of the service's own -1"),
        ("ignored = 1e-9", "profiles.bold.weights.ignored: 1e-09 has not the sign of the service's own 0"),
        ("teleport = 1", "profiles.bold.weights.teleport: is no type of event that the service knows (add_to_cart,"),
    ],
)
def test_what_the_counts_depend_on_is_refused_and_needs_counting_anew(tmp_path: Path, line: str, told: str) -> None:
    error = str(refusal(written(tmp_path, f'version = "1"\n[weights]\n{line}')))
    assert error.startswith(told)
    assert "needs another setting `weights` and counting anew (penchant rebuild)" in error


@pytest.mark.parametrize("value", ["10.1", "inf", "nan", "-11", "'1'", "true"])
def test_a_weight_beyond_its_limits_is_refused(tmp_path: Path, value: str) -> None:
    error = refusal(written(tmp_path, f'version = "1"\n[weights]\nshare = {value}'))
    assert error.field == "profiles.bold.weights.share"


@pytest.mark.parametrize("line", ["share = 10", "share = 1e-6", "hide = -10", "ignored = 0"])
def test_any_size_of_a_weight_is_taken_up_to_its_limit(tmp_path: Path, line: str) -> None:
    assert read_profile(written(tmp_path, f'version = "1"\n[weights]\n{line}'), OWN)


@pytest.mark.parametrize("name", ["", "a b", "a@b", "é", ".a", "a/b", "x" * 41])
def test_a_name_that_requests_could_not_say_is_refused(name: str) -> None:
    with pytest.raises(InvalidSetting, match="is no name for a profile"):
        Profile(name, "1", OWN.scoring, OWN.weights)


def test_a_file_that_is_too_large_is_none_or_not_text_is_refused(tmp_path: Path) -> None:
    assert "more than 1,048,576 bytes" in str(refusal(written(tmp_path, "#" * (FILE_BYTES + 1))))
    assert "cannot read" in str(refusal(tmp_path / "nobody.toml"))
    (tmp_path / "bold.toml").write_bytes(b'version = "\xff"')
    assert "is not TOML" in str(refusal(tmp_path / "bold.toml"))


def test_a_folder_is_read_by_its_visible_toml_files(tmp_path: Path) -> None:
    for name in ("b.toml", "a.v2.toml", ".c.toml", "notes.txt", "..data"):
        (tmp_path / name).touch()
    assert profile_files(tmp_path) == {"a.v2": tmp_path / "a.v2.toml", "b": tmp_path / "b.toml"}
    with pytest.raises(InvalidSetting, match=r"^profiles: cannot read the folder .*nowhere.*; make it"):
        profile_files(tmp_path / "nowhere")
    for number in range(PROFILES):
        (tmp_path / f"{number}.toml").touch()
    with pytest.raises(InvalidSetting, match="has 102 profiles, at most 100 are allowed"):
        profile_files(tmp_path)


SIZES = st.floats(1e-6, 10.0)
MIXTURES = st.builds(
    Scoring,
    recent=st.integers(1, 200),
    half_life_days=st.none() | st.floats(0.01, 36_500.0),
    evidence=st.floats(0.0, 10_000.0),
    apart=st.floats(-1.0, 1.0),
    depth=st.integers(10, 1000),
)
LEAVES = st.text(max_size=9) | st.integers(-(2**60), 2**60) | st.booleans() | st.floats(allow_nan=False)
ABOUT = st.dictionaries(
    st.text(max_size=9),
    st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner)),
    max_size=4,
)


@settings(max_examples=50)  # every example waits for the disk
@given(
    scoring=MIXTURES,
    sizes=st.fixed_dictionaries({"view": SIZES, "share": SIZES, "hide": SIZES.map(lambda size: -size)}),
    version=st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1, max_size=64),
    about=ABOUT,
)
def test_a_profile_that_was_written_is_read_back_by_any_service_with_those_types(
    tmp_path_factory: pytest.TempPathFactory,
    scoring: Scoring,
    sizes: dict[str, float],
    version: str,
    about: dict[str, Any],
) -> None:
    profile = Profile("bold", version, scoring, Weights({**OWN.weights.by_type, **sizes}))
    path = write_profile(tmp_path_factory.mktemp("profiles"), profile, about)
    # Whole: it does not matter what the service's own numbers are.
    assert read_profile(path, replace(OWN, scoring=Scoring())) == profile
    assert profiles._parsed(path, "").get("about", {}) == about


def test_figures_of_numpy_are_written_as_numbers_and_what_is_none_is_refused(tmp_path: Path) -> None:
    numpy = pytest.importorskip("numpy")
    profile = Profile("bold", "1", OWN.scoring, OWN.weights)
    path = write_profile(tmp_path, profile, {"ndcg": numpy.float32(0.5), "asks": numpy.int64(7), "lead": math.inf})
    assert profiles._parsed(path, "")["about"] == {"ndcg": 0.5, "asks": 7, "lead": math.inf}
    with pytest.raises(TypeError, match=r"about\.when: "):
        write_profile(tmp_path, profile, {"when": object()})
    with pytest.raises(InvalidSetting, match=r"profiles\.bold\.about: .* would have 1,\d+,\d+ bytes"):
        write_profile(tmp_path, profile, {"log": "x" * FILE_BYTES})
    assert names(tmp_path) == ["bold.toml"]


async def test_whoever_reads_while_a_profile_is_written_finds_the_old_or_the_new_one(tmp_path: Path) -> None:
    versions = [Profile("bold", str(n), replace(OWN.scoring, depth=100 + n), OWN.weights) for n in range(60)]
    write_profile(tmp_path, versions[0])

    def write() -> None:
        for version in versions:
            write_profile(tmp_path, version, {"filling": ["x" * 100] * 50})

    writing = asyncio.create_task(asyncio.to_thread(write))
    seen = 0
    while not writing.done():
        (path,) = profile_files(tmp_path).values()
        found = read_profile(path, OWN)
        assert found == versions[int(found.version)]
        seen += 1
        await asyncio.sleep(0)
    await writing
    assert seen
    assert read_profile(tmp_path / "bold.toml", OWN) == versions[-1]
    assert names(tmp_path) == ["bold.toml"]


def test_a_write_that_fails_leaves_the_old_file_and_no_draft(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old, new = (Profile("bold", version, OWN.scoring, OWN.weights) for version in ("1", "2"))
    write_profile(tmp_path, old)

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InvalidSetting, match=r"cannot write .*bold\.toml: No space left"):
        write_profile(tmp_path, new)
    assert read_profile(tmp_path / "bold.toml", OWN) == old
    assert names(tmp_path) == ["bold.toml"]


def test_every_number_of_the_mixture_may_stand_in_a_profile() -> None:
    assert Profile.of(OWN, "all", "1", asdict(Scoring()), {}).scoring == Scoring()
