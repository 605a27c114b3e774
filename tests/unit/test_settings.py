"""Settings: strict about names and ranges, and clear about which source wins."""

from pathlib import Path

import pytest
from penchant_adapters.settings import Settings
from penchant_core.errors import InvalidSetting
from pydantic import ValidationError


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for name in list(os.environ):
        if name.startswith("PENCHANT_"):
            monkeypatch.delenv(name)


def refusal() -> str:
    with pytest.raises(InvalidSetting) as refused:
        Settings.read()
    return str(refused.value)


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "penchant.toml"
    path.write_text("")
    monkeypatch.setenv("PENCHANT_CONFIG", str(path))
    return path


@pytest.mark.parametrize("name", ["PENCHANT_PORT", "PENCHANT_DATADIR", "PENCHANT_SCORINGS__DEPTH", "PENCHANT_"])
def test_an_unknown_variable_is_refused_and_the_known_ones_are_named(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "1")
    told = refusal()
    assert told.startswith(f"{name}: unknown setting; known: ")
    assert all(known in told for known in ("PENCHANT_DATA_DIR", "PENCHANT_LISTEN", "PENCHANT_SCORING"))


@pytest.mark.parametrize("name", ["PENCHANT_TEST_DATA", "PENCHANT_TARGET"])
def test_variables_of_tests_and_clients_are_none_of_the_services_business(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "anything")
    assert Settings.read() == Settings()


def test_an_unknown_name_inside_a_group_is_refused_and_its_known_ones_are_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PENCHANT_SCORING__DEPHT", "30")
    told = refusal()
    assert told.startswith("scoring.depht: ")
    assert "known settings: apart, balance, content, depth" in told


def test_an_unknown_name_in_the_file_is_refused_and_the_known_ones_are_named(file: Path) -> None:
    file.write_text("depth = 30")
    told = refusal()
    assert told.startswith("depth: ")
    assert "known settings: access, covisitation, data_dir, encoder" in told


@pytest.mark.parametrize(
    ("name", "value", "field"),
    [
        ("MAX_CALLS", "0", "max_calls"),
        ("MAX_CALLS", "many", "max_calls"),
        ("MAX_STREAMS", "100001", "max_streams"),
        ("STREAM_MAX_AGE", "nan", "stream_max_age"),
        ("PUSH_INTERVAL", "-0.1", "push_interval"),
        ("FLUSH_INTERVAL", "inf", "flush_interval"),
        ("MIN_FREE_BYTES", "-1", "min_free_bytes"),
        ("ENCODER_THREADS", "0", "encoder_threads"),
        ("LISTEN", "", "listen"),
        ("SCORING__DEPTH", "9", "depth"),
        ("SCORING__DEPTH", "12.5", "scoring.depth"),
        ("SCORING__CONTENT", "nan", "content"),
        ("COVISITATION__REACH", "51", "reach"),
        ("WEIGHTS__SHARE", "10.1", "weights"),
        ("WEIGHTS__SHARE", "nan", "weights"),
        ("WEIGHTS", '{"' + "x" * 65 + '": 1}', "weights"),
        ("WEIGHTS", "[1]", "weights"),
        ("SCORING", "7", "scoring"),
    ],
)
def test_a_value_outside_its_range_is_refused_by_its_name(
    name: str, value: str, field: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"PENCHANT_{name}", value)
    assert refusal().startswith(f"{field}: ")


def test_json_that_is_none_is_refused_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PENCHANT_WEIGHTS", "share=1")
    assert '"weights"' in refusal()


def test_a_file_that_is_not_toml_or_not_there_is_refused_by_its_path(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_text("max_calls =")
    assert refusal().startswith(f"PENCHANT_CONFIG: {file} is not TOML")
    monkeypatch.setenv("PENCHANT_CONFIG", "/nowhere/at.toml")
    assert refusal() == "PENCHANT_CONFIG: there is no file /nowhere/at.toml"


def test_arguments_come_before_variables_before_the_file_before_defaults(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_text('max_calls = 1\nmax_streams = 1\nlisten = "file:1"\n[scoring]\ndepth = 11\nrecent = 11\n')
    monkeypatch.setenv("PENCHANT_MAX_CALLS", "2")
    monkeypatch.setenv("PENCHANT_MAX_STREAMS", "2")
    monkeypatch.setenv("PENCHANT_SCORING__DEPTH", "12")
    found = Settings.read(max_calls=3, listen=None, data_dir=None)
    assert (found.max_calls, found.max_streams, found.listen) == (3, 2, "file:1")
    assert (found.scoring.depth, found.scoring.recent) == (12, 11)
    assert found.data_dir == Path(".penchant")


def test_own_weights_stand_beside_the_built_in_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PENCHANT_WEIGHTS__SHARE", "2")
    monkeypatch.setenv("PENCHANT_WEIGHTS__VIEW", "-1")
    weights = Settings.read().tuning.weights
    assert weights.weigh("share", None) == 2.0
    assert weights.weigh("view", None) == -1.0
    assert weights.weigh("hide", None) == -1.0


def test_settings_do_not_change() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Settings.read().max_calls = 7


def test_every_setting_says_what_it_means() -> None:
    assert all(field.description for field in Settings.model_fields.values())
