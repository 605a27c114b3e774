"""Lines of the log: for people or for machines, the libraries' among them, and nothing of users in any."""

import io
import json
import logging
import sys
import warnings
from collections.abc import Iterator
from typing import Any, Literal

import pytest
import structlog
from penchant_adapters.settings_groups import TelemetrySettings
from penchant_adapters.telemetry.logs import LONGEST, LONGEST_TRACE, PRIVATE, configured

SECRET = "alice likes apples"


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


Out = pytest.CaptureFixture[str]


def lines(told: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in told.splitlines()]


@pytest.mark.parametrize(
    ("log_format", "piped", "json_expected"),
    [
        ("auto", "json", True),
        ("auto", "console", False),
        ("json", "console", True),
        ("console", "json", False),
    ],
)
def test_a_pipe_gets_what_the_setting_or_else_the_command_says(
    capsys: Out,
    log_format: Literal["auto", "console", "json"],
    piped: Literal["console", "json"],
    json_expected: bool,
) -> None:
    configured(TelemetrySettings(log_format=log_format), piped=piped)
    structlog.get_logger().info("serving", address="127.0.0.1:7")
    told = capsys.readouterr().out
    if json_expected:
        (line,) = lines(told)
        assert line.pop("timestamp")
        assert line == {"event": "serving", "level": "info", "address": "127.0.0.1:7"}
    else:
        # What the tests and the measurements read.
        assert told.split("address=")[1].split()[0] == "127.0.0.1:7"
        assert "serving" in told


def test_a_terminal_gets_lines_for_people_and_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    configured(TelemetrySettings())
    structlog.get_logger().info("serving")
    assert "serving" in terminal.getvalue()
    assert "\x1b[" in terminal.getvalue()
    assert not terminal.getvalue().startswith("{")


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_what_tells_of_a_user_is_left_out_whoever_logs_it(capsys: Out, log_format: Literal["json", "console"]) -> None:
    configured(TelemetrySettings(log_format=log_format))
    private = dict.fromkeys(PRIVATE, SECRET)
    structlog.get_logger().info("learnt", batch=3, payload=SECRET.encode(), **private)
    logging.getLogger("aiokafka.consumer").warning("late", extra=private)
    told = capsys.readouterr().out
    assert "learnt" in told
    assert "late" in told
    assert "batch" in told
    assert "18 bytes" in told
    assert "alice" not in told


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_an_exception_is_told_with_its_place_and_without_local_variables(
    capsys: Out, log_format: Literal["json", "console"]
) -> None:
    configured(TelemetrySettings(log_format=log_format))

    def fail(words: str) -> None:
        number = len(words)
        raise ValueError(f"{number} is not enough")

    try:
        fail(SECRET)
    except ValueError as error:
        structlog.get_logger().error("call failed", exc_info=error)
        logging.getLogger("grpc").exception("a library failed")
    told = capsys.readouterr().out
    assert told.count("ValueError: 18 is not enough") == 2
    assert told.count("in fail") == 2
    assert "alice" not in told


def test_long_values_are_cut_and_of_a_long_traceback_the_end_is_kept(capsys: Out) -> None:
    configured(TelemetrySettings(log_format="json"))

    def deep(levels: int) -> None:
        if levels:
            other(levels - 1)
        raise ValueError("the cause")

    def other(levels: int) -> None:
        deep(levels)

    structlog.get_logger().info("long", told="x" * 10_000)
    try:
        deep(200)
    except ValueError as error:
        structlog.get_logger().error("failed", exc_info=error)
    long, failed = lines(capsys.readouterr().out)
    assert long["told"] == f"{'x' * LONGEST}… (10,000 characters)"
    assert len(failed["exception"]) <= LONGEST_TRACE + 1
    assert failed["exception"].endswith("ValueError: the cause")


def test_libraries_speak_from_warnings_on_and_in_the_same_stream(capsys: Out) -> None:
    configured(TelemetrySettings(log_format="json", log_level="debug"))
    library = logging.getLogger("aiokafka.conn")
    library.info("sent 3 requests")
    library.warning("closing %s", "broker 1")
    structlog.get_logger().debug("ours")
    assert [(line["event"], line["level"], line.get("logger")) for line in lines(capsys.readouterr().out)] == [
        ("closing broker 1", "warning", "aiokafka.conn"),
        ("ours", "debug", None),
    ]


def test_a_level_silences_what_is_below_it(capsys: Out) -> None:
    configured(TelemetrySettings(log_format="json", log_level="error"))
    structlog.get_logger().warning("ours")
    logging.getLogger("grpc").warning("theirs")
    structlog.get_logger().error("failed")
    assert [line["event"] for line in lines(capsys.readouterr().out)] == ["failed"]


def test_warnings_of_the_interpreter_are_lines_too(capsys: Out) -> None:
    configured(TelemetrySettings(log_format="json"))
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(capture=False)
        logging.captureWarnings(capture=True)
        warnings.warn("this goes away", DeprecationWarning, stacklevel=1)
    (line,) = lines(capsys.readouterr().out)
    assert "this goes away" in line["event"]
    assert line["level"] == "warning"
