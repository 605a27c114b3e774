"""``penchant demo`` as people run it: a process of its own, with a terminal and without."""

import asyncio
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import penchant
import pytest
from penchant_adapters.settings import Settings
from penchant_cli.demo.data import items
from penchant_cli.demo.summary import FOUNDING
from penchant_server.app import running

BANANA, APPLE = "香蕉是一种美味的水果", "苹果含有丰富的维生素"
DEMO = [sys.executable, "-c", "from penchant_cli.entry import main; main()", "demo"]
LIMIT = 120.0
"""Seconds; the machines that run this may be busy."""
PROMISES = 7


def environment(**extra: str) -> dict[str, str]:
    plain = {name: value for name, value in os.environ.items() if not name.startswith("PENCHANT_")}
    return {**plain, "TERM": "xterm-256color", "PYTHONUTF8": "1", **extra}


def demo(*options: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*DEMO, *options],
        env=environment(**variables),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=LIMIT,
        check=False,
    )


class Terminal:
    """A terminal with the demonstration on it."""

    def __init__(self, process: subprocess.Popen[bytes], screen: int) -> None:
        self.process = process
        self._screen = screen
        self.raw = b""

    @property
    def seen(self) -> str:
        """Everything that was drawn, without what moves the cursor or gives colour."""
        return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", self.raw.decode("utf-8", "ignore"))

    def wait_for(self, text: str) -> str:
        """Read until *text* was drawn and return everything seen."""
        deadline = time.monotonic() + LIMIT
        while text not in self.seen:
            assert time.monotonic() < deadline, f"{text!r} was not drawn; seen: {self.seen[-2000:]}"
            assert self._read(1.0), f"the command ended without {text!r}; seen: {self.seen[-2000:]}"
        return self.seen

    def drained(self) -> str:
        """Read to the end and return everything seen."""
        deadline = time.monotonic() + LIMIT
        while self._read(1.0):
            assert time.monotonic() < deadline, f"the command does not end; seen: {self.seen[-2000:]}"
        return self.seen

    def _read(self, patience: float) -> bool:
        if not select.select([self._screen], [], [], patience)[0]:
            return True
        try:
            some = os.read(self._screen, 1 << 16)
        except OSError:  # Linux: the other side is closed
            return False
        self.raw += some
        return bool(some)


@contextmanager
def terminal(columns: int, rows: int, *options: str, **variables: str) -> Iterator[Terminal]:
    screen, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    process = subprocess.Popen(
        [*DEMO, *options],
        env=environment(**variables),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    try:
        yield Terminal(process, screen)
    finally:
        process.kill()
        process.wait()
        os.close(screen)


def test_it_plays_to_the_end_without_a_terminal_and_shows_the_founding_example_first(tmp_path: Path) -> None:
    done = demo("--once", TMPDIR=str(tmp_path))
    assert (done.returncode, done.stderr) == (0, "")
    lines = [line.strip() for line in done.stdout.splitlines() if line.strip()]
    assert lines[1] == "mei says “我今天去超市买了很多水果”"
    assert lines[2] == "mei says “我喜欢吃苹果、香蕉和橙子”"
    assert [line for line in lines if line.startswith(("1. ", "2. "))] == [f"1. {BANANA}", f"2. {APPLE}"]
    assert sum(line.startswith("✓") for line in lines) == PROMISES
    assert re.search(r"event → push p50 [\d.]+ ms, p99 [\d.]+ ms", done.stdout)
    assert re.search(r"[\x00-\x09\x0b-\x1f\x7f]", done.stdout) is None
    assert list(tmp_path.iterdir()) == [], "its data is removed"


async def test_its_data_stays_where_it_is_asked_to(tmp_path: Path) -> None:
    done = await asyncio.to_thread(demo, "--data-dir", str(tmp_path))
    assert (done.returncode, done.stderr) == (0, "")
    again = Settings(listen="127.0.0.1:0", data_dir=tmp_path)
    async with running(again) as service, penchant.aio.Client(service.address) as client:
        assert (await client.interests("mei")).event_count == 5


async def test_it_plays_on_a_running_service(tmp_path: Path) -> None:
    async with running(Settings(listen="127.0.0.1:0", data_dir=tmp_path)) as service:
        done = await asyncio.to_thread(demo, "--once", "--target", service.address)
        assert (done.returncode, done.stderr) == (0, "")
        async with penchant.aio.Client(service.address) as client:
            assert (await client.interests("mei")).event_count == 5
            assert (await client.get_item(FOUNDING[0])).title == BANANA


async def test_it_says_what_was_not_found_when_the_founding_articles_are_not_first(tmp_path: Path) -> None:
    async with running(Settings(listen="127.0.0.1:0", data_dir=tmp_path)) as service:
        rival = penchant.Item("rival", "我喜欢吃苹果、香蕉和橙子", "我今天去超市买了很多水果")
        async with penchant.aio.Client(service.address) as client:
            await client.upsert_items([rival])
        done = await asyncio.to_thread(demo, "--once", "--target", service.address)
        assert done.returncode == 1
        assert re.search(r"Not kept: two sayings .*'article-zh-banana'.* first and second, not .*'rival'", done.stderr)


def test_a_target_where_nobody_answers_is_named() -> None:
    done = demo("--once", "--target", "127.0.0.1:1")
    assert done.returncode == 1
    assert done.stderr == "No service answers at 127.0.0.1:1. Start one with: penchant up\n"


@pytest.mark.parametrize(("columns", "rows", "coloured"), [(80, 24, False), (140, 40, True)])
def test_the_view_plays_on_a_terminal_and_stays_until_it_is_interrupted(
    columns: int, rows: int, coloured: bool
) -> None:
    with terminal(columns, rows, "--pace", "0.01", **({} if coloured else {"NO_COLOR": "1"})) as shown:
        seen = shown.wait_for("penchant recommend you --watch")
        assert "what mei would like next" in seen
        assert f"{len(items())}/{len(items())}" in seen
        assert re.search(r"1 .{0,6}" + BANANA, seen)
        assert "47/47" in seen
        address = re.search(r"--target (127\.0\.0\.1:\d+)", seen)
        assert address
        with penchant.Client(address[1]) as client:
            client.record("you", "search", text="a tent for two")
        shown.wait_for("what you would like next")
        shown.process.send_signal(signal.SIGINT)
        ended = shown.drained()
        assert shown.process.wait(LIMIT) == 0
        assert ended.count("✓") == PROMISES
        assert "Traceback" not in ended
        assert bool(re.search(rb"\x1b\[[0-9;]*(3[0-7]|9[0-7]|38;|48;)[0-9;]*m", shown.raw)) == coloured


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_in_the_middle_of_the_story_ends_it_cleanly(tmp_path: Path, number: signal.Signals) -> None:
    with terminal(100, 30, "--pace", "60", TMPDIR=str(tmp_path)) as shown:
        shown.wait_for("what mei would like next")
        shown.process.send_signal(number)
        ended = shown.drained()
        assert shown.process.wait(LIMIT) == 0
        assert "Traceback" not in ended
        assert list(tmp_path.iterdir()) == [], "its data is removed"


def test_a_play_that_was_stopped_before_its_end_does_not_pass_for_one_that_kept_its_promises(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [*DEMO, "--once"], env=environment(TMPDIR=str(tmp_path)), stdout=subprocess.PIPE, encoding="utf-8"
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("catalogue:")
        process.terminate()
        assert process.wait(LIMIT) == 130
        assert "✓" not in process.stdout.read()
    assert list(tmp_path.iterdir()) == [], "its data is removed"
