"""What stands between a browser and a service: the shipped Envoy, the host of a page, somebody who knows sessions."""

import hashlib
import http.client
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from penchant.v1 import event_pb2, recommendation_pb2
from penchant_bench.neighbours.process import free_port

from tests.deploy import envoy

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "browser"
BUILT = ROOT / ".make" / "examples"
MADE = {"node_modules", "gen", "page.js", "page.js.map"}
BUILD = ("npm ci --no-audit --no-fund --loglevel=error", "./generate.sh", "npm run build")
PATIENCE = 30.0
"""Seconds that a program may take to start on a busy machine."""
BROWSERS = ("chromium-headless-shell", "chromium", "google-chrome")


def browser() -> str:
    """Return the path of a Chromium."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip(f"none of {', '.join(BROWSERS)} is here; Debian's package chromium-headless-shell is enough")
    return found


def page() -> Path:
    """Build the example in a folder named by all that goes into it; return the folder to be served."""
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not here to build examples/browser")
    sources = [
        path for path in sorted(EXAMPLE.rglob("*")) if path.is_file() and not MADE & {*path.relative_to(EXAMPLE).parts}
    ]
    protos = sorted((ROOT / "protos").rglob("*.proto"))
    digest = hashlib.sha256("\n".join(BUILD).encode())
    for path in [*sources, *protos]:
        digest.update(str(path.relative_to(ROOT)).encode() + path.read_bytes())
    folder = BUILT / f"browser-{digest.hexdigest()[:16]}"
    if not folder.exists():
        making = BUILT / f"making-browser-{os.getpid()}"
        for path in sources:
            (making / path.relative_to(EXAMPLE)).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, making / path.relative_to(EXAMPLE))
        variables = {
            **os.environ,
            "PROTOS": str(ROOT / "protos"),
            "PROTOC": f"{sys.executable} -m grpc_tools.protoc",
            "GOOGLEAPIS": str(Path(yaml.__file__).parents[1]),
        }
        for command in BUILD:
            done = subprocess.run(
                command.split(), cwd=making, env=variables, capture_output=True, text=True, timeout=300, check=False
            )
            assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        making.rename(folder)
    return folder / "public"


@contextmanager
def hosted(handler: Callable[..., BaseHTTPRequestHandler]) -> Iterator[int]:
    """Answer HTTP on a port of this machine inside the block."""
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


class _Files(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


def files_of(folder: Path) -> Callable[..., BaseHTTPRequestHandler]:
    """A host of files, as any web server is."""
    return partial(_Files, directory=str(folder))


WHO: dict[str, Callable[[bytes], str]] = {
    "Recommend": lambda body: recommendation_pb2.RecommendRequest.FromString(body).user_id,
    "WatchRecommendations": lambda body: recommendation_pb2.WatchRecommendationsRequest.FromString(body).open.user_id,
    "RecordEvent": lambda body: event_pb2.RecordEventRequest.FromString(body).event.user_id,
}
"""Method → whom a request speaks of; others speak of nobody."""


def sessions(users: Mapping[str, str]) -> type[BaseHTTPRequestHandler]:
    """Somebody who knows which session is whose, and lets nobody speak of another user."""

    class Sessions(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            # Envoy asks with the call's own path, session and message: five bytes of gRPC, then the request.
            message = self.rfile.read(int(self.headers["content-length"]))[5:]
            user = users.get(self.headers.get("authorization", "").removeprefix("Bearer "))
            who = WHO.get(self.path.rpartition("/")[2])
            own = user is not None and (who is None or who(message) == user)
            self.send_response(200 if own else 403)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    return Sessions


class Proxy:
    """Envoy with a shipped configuration; only ports, addresses and folders are this machine's."""

    def __init__(self, folder: Path, path: Path) -> None:
        self._folder, self._path = folder, path
        self.port, self.metrics = free_port(), free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def change(self, change: Callable[[dict[str, Any]], None]) -> None:
        """Let a function change the configuration."""
        told = envoy.read(self._path.read_text())
        change(told)
        self._path.write_text(yaml.safe_dump(told))

    def direct(self, cluster: str, host: str, port: int) -> None:
        """Say where a neighbour is."""

        def address(told: dict[str, Any]) -> None:
            (found,) = [one for one in told["static_resources"]["clusters"] if one["name"] == cluster]
            (end,) = found["load_assignment"]["endpoints"][0]["lb_endpoints"]
            end["endpoint"]["address"]["socket_address"] = {"address": host, "port_value": port}

        self.change(address)

    def start(self) -> None:
        """Start it, and return when it is ready."""

        def ports(told: dict[str, Any]) -> None:
            for listener in told["static_resources"]["listeners"]:
                port = {"web": self.port, "metrics": self.metrics}[listener["name"]]
                listener["address"]["socket_address"] = {"address": "127.0.0.1", "port_value": port}

        self.change(ports)
        with (self._folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [envoy.program(), "--config-path", str(self._path), "--concurrency", "2", "--disable-hot-restart"],
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        over = time.monotonic() + PATIENCE
        while (told := self.asked("/ready")) != "LIVE\n":
            assert self._process.poll() is None, self.log
            assert time.monotonic() < over, (told, self.log)
            time.sleep(0.05)

    def end(self) -> None:
        """End it and wait until it is gone."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(PATIENCE)
            self._process = None

    def asked(self, path: str) -> str:
        """Return what it tells beside its metrics; empty: nothing."""
        connection = http.client.HTTPConnection("127.0.0.1", self.metrics, timeout=5)
        try:
            connection.request("GET", path)
            return connection.getresponse().read().decode()
        except OSError:
            return ""
        finally:
            connection.close()

    @property
    def log(self) -> str:
        """What it said."""
        return (self._folder / "log").read_text()


@contextmanager
def proxied(files: Mapping[str, str], secrets: envoy.Secrets | None = None) -> Iterator[Proxy]:
    """Give a proxy that is to be directed and started; it is ended with the block."""
    with tempfile.TemporaryDirectory(prefix="web-") as folder:
        proxy = Proxy(Path(folder), envoy.laid_out(files, Path(folder), secrets))
        try:
            yield proxy
        finally:
            proxy.end()


def lets_in(*origins: str) -> Callable[[dict[str, Any]], None]:
    """Return the change that lets pages of these origins call."""

    def change(told: dict[str, Any]) -> None:
        (host,) = envoy.manager(told)["route_config"]["virtual_hosts"]
        policy = host["typed_per_filter_config"]["envoy.filters.http.cors"]
        policy["allow_origin_string_match"] = [{"exact": origin} for origin in origins]

    return change
