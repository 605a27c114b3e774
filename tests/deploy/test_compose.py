"""The compose file is one, and what it starts fits together."""

import json
import re
import subprocess
from typing import Any

import pytest
import yaml

from tests.deploy import tools

FILE = tools.DEPLOY / "compose.yaml"
OWN = {"topics", "consume", "serve"}


@pytest.fixture(scope="session")
def compose() -> dict[str, Any]:
    """The file as Compose itself understands it."""
    done = subprocess.run(
        [str(tools.built(tools.COMPOSE)), "-format", "json", FILE.name],
        cwd=tools.DEPLOY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    read: dict[str, Any] = json.loads(done.stdout)
    return read


def services(compose: dict[str, Any]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = compose["services"]
    return found


def test_all_parts_are_there(compose: dict[str, Any]) -> None:
    assert set(services(compose)) == {*OWN, "kafka", "qdrant", "prometheus", "grafana", "web"}
    # Compose starts what has no profile.
    assert {name: one["profiles"] for name, one in services(compose).items() if "profiles" in one} == {"web": ["web"]}


@pytest.mark.parametrize("name", sorted(OWN))
def test_every_process_takes_its_settings_and_command(compose: dict[str, Any], name: str) -> None:
    service = services(compose)[name]
    read = tools.settings_of(service["environment"])
    assert read.kafka.bootstrap.partition(":")[0] in services(compose)
    assert re.match(r"qdrant://(\w+):", read.store)[1] in services(compose)  # type: ignore[index]
    tools.parsed(service["command"])


def test_the_log_listens_where_it_is_looked_for(compose: dict[str, Any]) -> None:
    kafka = services(compose)["kafka"]["environment"]
    listeners = dict(one.split("://") for one in kafka["KAFKA_LISTENERS"].split(","))
    advertised = dict(one.split("://") for one in kafka["KAFKA_ADVERTISED_LISTENERS"].split(","))
    assert advertised["INSIDE"] == tools.settings_of(services(compose)["serve"]["environment"]).kafka.bootstrap
    protocols = dict(one.split(":") for one in kafka["KAFKA_LISTENER_SECURITY_PROTOCOL_MAP"].split(","))
    assert set(protocols) == set(listeners) == set(advertised) | {kafka["KAFKA_CONTROLLER_LISTENER_NAMES"]}
    assert all(advertised[name].rpartition(":")[2] == listeners[name].strip(":") for name in advertised)
    volumes = [one["target"] for one in services(compose)["kafka"]["volumes"]]
    assert kafka["KAFKA_LOG_DIRS"] in volumes


def test_own_processes_have_no_rights(compose: dict[str, Any]) -> None:
    for name in OWN:
        service = services(compose)[name]
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        written = {*service["tmpfs"], *(one["target"] for one in service["volumes"])}
        assert written == {"/tmp", str(tools.settings_of(service["environment"]).data_dir)}
        assert service["build"]["context"] == str(tools.ROOT)
        assert (tools.ROOT / service["build"]["dockerfile"]).is_file()


def test_the_proxy_has_no_rights_and_calls_the_server(compose: dict[str, Any]) -> None:
    web = services(compose)["web"]
    assert web["user"] == "10001:10001"
    assert web["read_only"] is True
    assert web["cap_drop"] == ["ALL"]
    assert web["security_opt"] == ["no-new-privileges:true"]
    assert web["tmpfs"] == ["/tmp"]
    told = yaml.safe_load((tools.DEPLOY / "envoy" / "envoy.yaml").read_text())["static_resources"]
    address = told["clusters"][0]["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]["address"]
    host, port = address["socket_address"]["address"], address["socket_address"]["port_value"]
    assert tools.settings_of(services(compose)[host]["environment"]).listen == f"0.0.0.0:{port}"
    assert [(one["target"], one["published"]) for one in web["ports"]] == [(8080, "8080")]


def test_nothing_is_published_beyond_this_machine(compose: dict[str, Any]) -> None:
    ports = [port for service in services(compose).values() for port in service.get("ports", [])]
    assert len(ports) >= 5
    assert {port["host_ip"] for port in ports} == {"127.0.0.1"}


def test_images_are_pinned(compose: dict[str, Any]) -> None:
    for service in services(compose).values():
        assert re.fullmatch(r"[a-z/-]+:v?\d+\.\d+\.\d+", service["image"])


def test_files_that_are_mounted_are_there(compose: dict[str, Any]) -> None:
    binds = [
        volume
        for service in services(compose).values()
        for volume in service.get("volumes", [])
        if volume["type"] == "bind"
    ]
    assert len(binds) >= 4
    for bind in binds:
        source = tools.DEPLOY / bind["source"]
        assert source.exists()
        assert bind["read_only"] is True


def test_everything_waits_for_what_it_needs(compose: dict[str, Any]) -> None:
    def waits(name: str) -> dict[str, str]:
        return {other: rule["condition"] for other, rule in services(compose)[name]["depends_on"].items()}

    assert waits("topics") == {"kafka": "service_healthy"}
    assert waits("consume") == {"topics": "service_completed_successfully", "qdrant": "service_healthy"}
    assert waits("serve") == {"consume": "service_healthy"}
    assert waits("web") == {"serve": "service_healthy"}
    for name in ("kafka", "qdrant", "consume", "serve", "web"):
        assert services(compose)[name]["healthcheck"]["test"][0] == "CMD"
    listen = tools.settings_of(services(compose)["serve"]["environment"]).listen
    assert services(compose)["serve"]["healthcheck"]["test"][-1] == f"grpc://127.0.0.1:{listen.rpartition(':')[2]}"


def test_prometheus_looks_where_the_processes_tell() -> None:
    (job,) = yaml.safe_load((tools.DEPLOY / "prometheus" / "prometheus.yml").read_text())["scrape_configs"]
    (names,) = job["dns_sd_configs"]
    environments = yaml.safe_load(FILE.read_text())["services"]
    assert set(names["names"]) == {"consume", "serve"}
    for name in names["names"]:
        listen = environments[name]["environment"]["PENCHANT_TELEMETRY__METRICS_LISTEN"]
        assert listen == f"0.0.0.0:{names['port']}"


def test_grafana_finds_its_source_and_its_dashboard(compose: dict[str, Any]) -> None:
    provisioning = tools.DEPLOY / "grafana" / "provisioning"
    (source,) = yaml.safe_load((provisioning / "datasources" / "prometheus.yml").read_text())["datasources"]
    assert source["url"] == "http://prometheus:9090"
    (provider,) = yaml.safe_load((provisioning / "dashboards" / "penchant.yml").read_text())["providers"]
    grafana = services(compose)["grafana"]
    targets = [one["target"] for one in grafana["volumes"]]
    home = grafana["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert home in targets
    assert home.startswith(provider["options"]["path"] + "/")
