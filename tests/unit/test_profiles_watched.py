"""The profiles of a service: refused at the start, kept while it runs."""

from pathlib import Path
from typing import Any

import pytest
from penchant_adapters.profiles import read_profile
from penchant_core.errors import InvalidField, InvalidSetting
from penchant_core.profiles import Profile
from penchant_core.tuning import Tuning
from penchant_server import profiles
from penchant_server.profiles import Profiles
from structlog.testing import capture_logs

OWN = Tuning()


def write(folder: Path, name: str, version: str, line: str = "") -> None:
    """Put a whole file in place of the one before, in one step."""
    draft = folder / "draft"
    draft.write_text(f'version = "{version}"\n[scoring]\n{line}')
    draft.replace(folder / f"{name}.toml")


def label(profile: Profile | None) -> str:
    assert profile is not None
    return profile.label


async def looked(watched: Profiles) -> list[Any]:
    with capture_logs() as told:
        await watched._look()
    return told


def test_without_a_folder_there_are_none_and_a_default_is_refused() -> None:
    none = Profiles(None, "", OWN)
    assert none.default is none.named("") is None
    with pytest.raises(InvalidField, match=r"^options\.profile: 'bold' is no profile of this service; there is none"):
        none.named("bold")
    with pytest.raises(InvalidSetting, match=r"^profile: 'bold' stands in no folder: set profiles too"):
        Profiles(None, "bold", OWN)


def test_what_is_missing_or_broken_at_the_start_is_refused_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(InvalidSetting, match=r"^profiles: cannot read the folder .*nowhere"):
        Profiles(tmp_path / "nowhere", "", OWN)
    write(tmp_path, "bold", "1")
    with pytest.raises(InvalidSetting, match=r"^profile: 'bald' is not in .*; there are: bold"):
        Profiles(tmp_path, "bald", OWN)
    write(tmp_path, "calm", "1", "depth = 9")
    with pytest.raises(InvalidSetting, match=r"^profiles\.calm\.scoring\.depth: 9 is not within"):
        Profiles(tmp_path, "bold", OWN)


def test_a_refusal_is_short_and_names_what_there_is(tmp_path: Path) -> None:
    for number in range(12):
        write(tmp_path, f"p{number:02}", "1")
    watched = Profiles(tmp_path, "", OWN)
    with pytest.raises(InvalidField, match=r"there are: p00, .*, p09 and 2 more$"):
        watched.named("bold")
    with pytest.raises(InvalidField, match=r"^options\.profile: has 65 bytes, at most 64 are allowed"):
        watched.named("x" * 65)


async def test_new_changed_and_removed_files_are_taken_over_and_told(tmp_path: Path) -> None:
    write(tmp_path, "bold", "1")
    watched = Profiles(tmp_path, "bold", OWN)
    assert await looked(watched) == []
    write(tmp_path, "bold", "2", "depth = 77")
    write(tmp_path, "calm", "1")
    told = await looked(watched)
    assert [(one["event"], one["profile"], one["version"]) for one in told] == [
        ("a profile was taken over", "bold", "2"),
        ("a profile was taken over", "calm", "1"),
    ]
    assert (label(watched.default), label(watched.named("calm"))) == ("bold@2", "calm@1")
    assert watched.named("") == watched.named("bold")
    (tmp_path / "calm.toml").unlink()
    (one,) = await looked(watched)
    assert (one["event"], one["profile"], one["log_level"]) == ("a profile is gone", "calm", "info")
    with pytest.raises(InvalidField, match="'calm' is no profile"):
        watched.named("calm")
    assert await looked(watched) == []


async def test_a_broken_file_keeps_the_last_good_profile_and_is_told_once_with_its_field(tmp_path: Path) -> None:
    write(tmp_path, "bold", "1")
    watched = Profiles(tmp_path, "", OWN)
    write(tmp_path, "bold", "2", "depth = 9")
    write(tmp_path, "calm", "1", "depht = 30")
    first, second = await looked(watched)
    assert (first["log_level"], first["profile"], first["stays"]) == ("warning", "bold", "1")
    assert first["error"].startswith("profiles.bold.scoring.depth: 9 is not within")
    assert second["error"].startswith("profiles.calm.scoring.depht: unknown")
    assert await looked(watched) == []
    assert label(watched.named("bold")) == "bold@1"
    with pytest.raises(InvalidField):
        watched.named("calm")
    write(tmp_path, "bold", "3")
    (told,) = await looked(watched)
    assert (told["profile"], told["version"]) == ("bold", "3")


async def test_a_default_whose_file_goes_stays_with_a_warning(tmp_path: Path) -> None:
    write(tmp_path, "bold", "1")
    watched = Profiles(tmp_path, "bold", OWN)
    (tmp_path / "bold.toml").unlink()
    (told,) = await looked(watched)
    assert (told["log_level"], told["profile"]) == ("warning", "bold")
    assert label(watched.default) == label(watched.named("bold")) == "bold@1"
    assert await looked(watched) == []
    write(tmp_path, "bold", "2")
    await looked(watched)
    assert label(watched.default) == "bold@2"


async def test_a_folder_that_goes_away_ends_nothing_and_is_told_once(tmp_path: Path) -> None:
    folder = tmp_path / "profiles"
    folder.mkdir()
    write(folder, "bold", "1")
    watched = Profiles(folder, "", OWN)
    folder.rename(tmp_path / "elsewhere")
    (told,) = await looked(watched)
    assert told["log_level"] == "warning"
    assert "cannot read the folder" in told["error"]
    assert await looked(watched) == []
    assert label(watched.named("bold")) == "bold@1"
    (tmp_path / "elsewhere").rename(folder)
    assert await looked(watched) == []
    folder.rename(tmp_path / "elsewhere")
    assert len(await looked(watched)) == 1


async def test_other_numbers_under_the_same_version_are_taken_over_with_a_warning(tmp_path: Path) -> None:
    write(tmp_path, "bold", "1", "depth = 20")
    watched = Profiles(tmp_path, "", OWN)
    write(tmp_path, "bold", "1", "depth = 21")
    (told,) = await looked(watched)
    assert (told["log_level"], told["event"]) == ("warning", "a profile changed under its version")
    assert (found := watched.named("bold")) is not None
    assert found.scoring.depth == 21


async def test_an_open_stream_keeps_the_newest_of_its_name_and_the_last_one_when_it_is_gone(tmp_path: Path) -> None:
    write(tmp_path, "bold", "1")
    watched = Profiles(tmp_path, "", OWN)
    last = watched.named("bold")
    write(tmp_path, "bold", "2")
    await looked(watched)
    last = watched.newest("bold", last)
    assert label(last) == "bold@2"
    (tmp_path / "bold.toml").unlink()
    await looked(watched)
    assert watched.newest("bold", last) is last
    assert watched.newest("", None) is None


async def test_a_file_that_changes_while_it_is_read_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, "bold", "1")
    watched = Profiles(tmp_path, "", OWN)
    write(tmp_path, "bold", "2")

    def overtaken(path: Path, own: Tuning) -> Profile:
        found = read_profile(path, own)
        write(tmp_path, "bold", "3")
        return found

    with monkeypatch.context() as patched:
        patched.setattr(profiles, "read_profile", overtaken)
        (told,) = await looked(watched)
    assert "changed while it was read" in told["error"]
    assert label(watched.named("bold")) == "bold@1"
    await looked(watched)
    assert label(watched.named("bold")) == "bold@3"
