"""What the images are made of is there, in the versions of the locks, and the images' own probe tells the truth."""

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from concurrent import futures
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib import import_module
from pathlib import Path
from threading import Thread

import grpc
import pytest
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from tests.deploy import tools

DOCKERFILE = tools.DEPLOY / "docker" / "Dockerfile"
PROJECT = tomllib.loads((tools.ROOT / "pyproject.toml").read_text())


def instructions() -> list[tuple[str, list[str]]]:
    """Return the instructions of the Dockerfile with their words."""
    lines = [line for line in DOCKERFILE.read_text().splitlines() if not line.lstrip().startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ").splitlines()
    return [(line.split()[0], line.split()[1:]) for line in joined if line.strip()]


def copied() -> list[str]:
    """Return what is copied from the repository."""
    copies = [words for name, words in instructions() if name == "COPY" and not words[0].startswith("--from")]
    return [source for words in copies for source in [word for word in words if not word.startswith("--")][:-1]]


def locked(lock: str) -> dict[str, set[str]]:
    """Return the packages of a lock with their versions."""
    found: dict[str, set[str]] = {}
    for name, version in re.findall(r"^([a-z0-9-]+)==([^ \\]+)", (tools.ROOT / lock).read_text(), re.MULTILINE):
        found.setdefault(name, set()).add(version)
    return found


def test_everything_that_is_copied_is_there_and_sent_to_the_builder() -> None:
    sent = [
        line.removeprefix("!").rstrip("/")
        for line in (tools.ROOT / ".dockerignore").read_text().splitlines()
        if line.startswith("!")
    ]
    assert len(copied()) >= 10
    for source in copied():
        assert (tools.ROOT / source).exists(), source
        assert any(source == place or source.startswith(f"{place}/") for place in sent), source
    for place in sent:
        assert any(source == place or source.startswith(f"{place}/") for source in copied()), place


def test_every_package_of_the_wheel_is_copied() -> None:
    packages = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    for package in packages:
        assert any(package == source or package.startswith(f"{source}/") for source in copied()), package
    assert {PROJECT["project"]["readme"], "LICENSE", "pyproject.toml"} <= set(copied())


def test_all_packages_are_installed_by_their_hashes() -> None:
    runs = [" ".join(words) for name, words in instructions() if name == "RUN"]
    commands = [one for run in runs for one in run.split("&&") if " install " in one and "install -d" not in one]
    assert len(commands) >= 7
    for command in commands:
        # Without one comes only what was built in the stage before, and the wheel whose address ends with its hash.
        assert "--require-hashes -r " in command or re.search(r"--no-deps\s+(/dist/|\"torch @ \$)", command), command


@pytest.mark.parametrize(
    "lock", ["requirements-cluster.lock", "requirements-consumer.lock", "deploy/docker/build.lock"]
)
def test_every_line_of_a_lock_has_a_hash(lock: str) -> None:
    entries = re.split(r"\n(?=[a-z])", (tools.ROOT / lock).read_text().strip())
    packages = [entry for entry in entries if not entry.startswith("#")]
    assert len(packages) >= 5
    assert all("--hash=sha256:" in entry for entry in packages)


def test_the_locks_hold_the_versions_that_are_tested() -> None:
    dev = locked("requirements-dev.lock")
    for lock in ("requirements-cluster.lock", "requirements-consumer.lock"):
        for name, versions in locked(lock).items():
            assert versions <= dev[name], name
    extras = PROJECT["project"]["optional-dependencies"]
    wanted = {re.split(r"[<>=\[; ]", one)[0].lower() for name in ("cluster", "otel") for one in extras[name]}
    assert wanted - {"penchant"} <= set(locked("requirements-cluster.lock"))
    assert {"torch", "transformers"} <= set(locked("requirements-consumer.lock"))
    assert not {"torch", "triton", "transformers"} & set(locked("requirements-cluster.lock"))


def test_what_builds_the_images_is_what_builds_here() -> None:
    build = locked("deploy/docker/build.lock")
    (uv,) = re.findall(r"uv==(\S+)", (tools.ROOT / "Makefile").read_text())
    assert build["uv"] == {uv}
    (hatchling,) = PROJECT["build-system"]["requires"]
    assert build["hatchling"] == {hatchling.partition("==")[2]}
    assert set((tools.DEPLOY / "docker" / "build.in").read_text().split()) >= {f"uv=={uv}", hatchling}


def test_the_image_for_cpus_leaves_out_exactly_what_cuda_needs() -> None:
    lines = (tools.DEPLOY / "docker" / "cuda.txt").read_text().splitlines()
    left_out = {line for line in lines if line and not line.startswith("#")}
    cuda = {
        name for name in locked("requirements-consumer.lock") if re.match(r"(torch|triton|(nvidia|cuda)-.*)$", name)
    }
    assert left_out == cuda


def test_the_python_of_the_images_is_one_that_penchant_runs_on() -> None:
    (minor,) = re.findall(r"^ARG PYTHON=3\.(\d+)-slim", DOCKERFILE.read_text(), re.MULTILINE)
    low, high = re.findall(r"3\.(\d+)", PROJECT["project"]["requires-python"])
    assert int(low) <= int(minor) < int(high)


def test_images_start_the_command_line_without_a_shell_or_rights() -> None:
    module, _, function = PROJECT["project"]["scripts"]["penchant"].partition(":")
    assert callable(getattr(import_module(module), function))
    found = instructions()
    assert ("ENTRYPOINT", ['["penchant"]']) in found
    for words in [words for name, words in found if name == "CMD"]:
        tools.parsed([word.strip('[]",') for word in words])
    assert ("USER", ["10001:10001"]) in found
    assert ("STOPSIGNAL", ["SIGTERM"]) in found
    assert found[-1] == ("CMD", ['["serve"]'])


def test_the_variables_of_the_images_are_settings() -> None:
    read = tools.settings_of({})
    assert str(read.data_dir) == "/var/lib/penchant"
    (probe,) = [words for name, words in instructions() if name == "HEALTHCHECK"]
    assert f"http://{read.telemetry.metrics_listen}/healthz" in " ".join(probe)


def test_labels_and_names_have_the_version_of_the_project() -> None:
    version = PROJECT["project"]["version"]
    assert f'org.opencontainers.image.version="{version}"' in DOCKERFILE.read_text()
    chart = (tools.CHART / "Chart.yaml").read_text()
    assert f"\nappVersion: {version}\n" in chart
    assert set(re.findall(r"penchant-\w+:(\d[\w.]*)", (tools.DEPLOY / "compose.yaml").read_text())) == {version}


def test_hadolint_finds_nothing_to_complain_about() -> None:
    hadolint = str(Path(sys.executable).with_name("hadolint"))
    done = subprocess.run([hadolint, str(DOCKERFILE)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def probe(address: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, str(tools.DEPLOY / "docker" / "healthy.py"), address],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    return done.returncode, done.stderr.strip()


@contextmanager
def serving(status: int) -> Iterator[str]:
    """A gRPC service that says how it is."""
    server = grpc.server(futures.ThreadPoolExecutor(2))
    checks = health.HealthServicer()
    checks.set("", status)
    health_pb2_grpc.add_HealthServicer_to_server(checks, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"grpc://127.0.0.1:{port}"
    finally:
        server.stop(None).wait()


@contextmanager
def telling(code: int) -> Iterator[str]:
    """An HTTP endpoint that says how it is."""

    class Endpoint(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(code)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Endpoint) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/ready"
        finally:
            server.shutdown()
            thread.join()


def test_the_probe_tells_who_is_well_from_who_is_not() -> None:
    with serving(health_pb2.HealthCheckResponse.SERVING) as address:
        assert probe(address) == (0, "")
    with serving(health_pb2.HealthCheckResponse.NOT_SERVING) as address:
        assert probe(address) == (1, "NOT_SERVING")
    with telling(200) as address:
        assert probe(address) == (0, "")
    with telling(503) as address:
        code, told = probe(address)
        assert code == 1
        assert "503" in told
    for gone in ("grpc://127.0.0.1:1", "http://127.0.0.1:1/ready"):
        code, told = probe(gone)
        assert code == 1
        assert told.startswith(f"{gone} does not answer")
