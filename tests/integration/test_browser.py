"""The page of examples/browser in a real browser, through the Envoy that is shipped, to a real service."""

import hashlib
import http.client
import re
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest
import trustme
from penchant.v1 import recommendation_pb2, user_pb2
from penchant_bench.neighbours.process import free_port
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.conformance.player import Service
from tests.deploy import envoy, tools
from tests.deploy.conftest import helm
from tests.deploy.test_web import printed
from tests.integration.browsing import Proxy, browser, files_of, hosted, lets_in, page, proxied, sessions
from tests.integration.conftest import copied

__all__ = ["helm"]

expect.set_options(timeout=15_000)
LISTED = 8


@dataclass
class Shop:
    """A service with a dozen items, a proxy before it, and a page that may call it."""

    service: Service
    proxy: Proxy
    origin: str
    page: Page
    scheme: str = "http"

    def open(self, origin: str = "", **parameters: str) -> None:
        asked = "".join(f"&{name}={value}" for name, value in parameters.items())
        self.page.goto(f"{origin or self.origin}/?at={self.scheme}://127.0.0.1:{self.proxy.port}{asked}")

    @property
    def sequence(self) -> int:
        return int(self.page.locator("#for-you").get_attribute("data-sequence") or 0)

    @property
    def listed(self) -> list[str]:
        return [str(one.get_attribute("data-item")) for one in self.page.locator("#followed li").all()]

    def expect_live(self) -> None:
        expect(self.page.locator("#state")).to_have_text("live")

    def search(self, words: str) -> None:
        self.page.locator("#query").fill(words)
        self.page.get_by_role("button", name="Search").click()


@pytest.fixture(scope="module")
def origin(stocked: Path) -> Iterator[str]:
    """Where the page is. The store is stocked first: Playwright keeps the thread's event loop for itself."""
    with hosted(files_of(page())) as port:
        yield f"http://127.0.0.1:{port}"


@pytest.fixture(scope="module")
def chromium(origin: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=browser())
        yield running
        running.close()


@contextmanager
def opened(service: Service, proxy: Proxy, origin: str, chromium: Browser) -> Iterator[Shop]:
    """A shop whose service and proxy run inside the block."""
    proxy.direct("penchant", *_parted(service.target))
    proxy.change(lets_in(origin))
    # Certificates of the test's own are none that a browser knows.
    context = chromium.new_context(ignore_https_errors=True)
    try:
        service.start()
        proxy.start()
        yield Shop(service, proxy, origin, context.new_page())
    finally:
        context.close()
        service.end()


@pytest.fixture
def shop(stocked: Path, tmp_path: Path, origin: str, chromium: Browser) -> Iterator[Shop]:
    """What compose starts."""
    copied(stocked, tmp_path / "data")
    with (
        proxied({"envoy.yaml": envoy.COMPOSE.read_text()}) as proxy,
        opened(Service(tmp_path, free_port()), proxy, origin, chromium) as shop,
    ):
        yield shop


GUARDED = """
access: {tls: {existingSecret: tls}, apiKeys: {existingSecret: keys}}
web:
  tls: {existingSecret: web}
  upstream: {apiKey: {existingSecret: key}, ca: {existingSecret: ca}, serverName: reco.example.com}
"""


@pytest.fixture
def guarded(stocked: Path, tmp_path: Path, origin: str, chromium: Browser, helm: Path) -> Iterator[Shop]:
    """What the chart starts with TLS on both sides, an API key, and somebody who knows sessions."""
    copied(stocked, tmp_path / "data")
    ca = trustme.CA()
    own, key = ca.issue_cert("reco.example.com"), "pk_of_the_proxy"
    pair = {"tls.crt": own.cert_chain_pems[0].bytes(), "tls.key": own.private_key_pem.bytes()}
    for name, content in {**pair, "keys": f"web {hashlib.sha256(key.encode()).hexdigest()}\n".encode()}.items():
        (tmp_path / name).write_bytes(content)
    variables = {"CERT_FILE": "tls.crt", "KEY_FILE": "tls.key", "API_KEYS_FILE": "keys"}
    service = Service(
        tmp_path,
        free_port(),
        {"variables": {f"PENCHANT_ACCESS__{name}": str(tmp_path / file) for name, file in variables.items()}},
    )
    (tmp_path / "guarded.yaml").write_text(GUARDED)
    (tmp_path / "sessions.yaml").write_text(printed("docs/browsers.md", "yaml")[0])
    code, rendered, error = tools.template(
        helm, "--values", str(tmp_path / "guarded.yaml"), "--values", str(tmp_path / "sessions.yaml")
    )
    assert code == 0, error
    secrets = {"web-tls": pair, "web-ca": {"ca.crt": ca.cert_pem.bytes()}, "web-api-key": {"api-key": key.encode()}}
    with (
        hosted(sessions({"of-mei": "mei", "of-ada": "ada"})) as port,
        proxied(envoy.configuration(tools.documents(rendered)), secrets) as proxy,
    ):
        proxy.direct("sessions", "127.0.0.1", port)
        with opened(service, proxy, origin, chromium) as shop:
            shop.scheme = "https"
            yield shop


def _parted(target: str) -> tuple[str, int]:
    host, _, port = target.rpartition(":")
    return host, int(port)


def _speak_connect(proxy: Proxy) -> None:
    """What docs/browsers.md adds for it."""
    kind = "type.googleapis.com/envoy.extensions.filters.http.connect_grpc_bridge.v3.FilterConfig"
    bridge = {"name": "envoy.filters.http.connect_grpc_bridge", "typed_config": {"@type": kind}}
    proxy.end()
    proxy.change(lambda told: envoy.manager(told)["http_filters"].insert(2, bridge))
    proxy.start()


@pytest.mark.parametrize("protocol", ["grpc-web", "connect"])
def test_a_page_searches_and_its_list_follows_every_click(shop: Shop, protocol: str) -> None:
    if protocol == "connect":
        _speak_connect(shop.proxy)
    shop.open(protocol=protocol)
    shop.expect_live()
    expect(shop.page.locator("#followed li")).to_have_count(LISTED)

    shop.search("fruit")
    expect(shop.page.locator("#found li")).to_have_count(6)
    expect(shop.page.locator("#found .about").first).to_have_text("fruit")
    expect(shop.page.locator("#moved")).to_have_text("moved by your last search")

    before = shop.sequence
    shop.page.locator("#found").get_by_role("button", name="Ripe pears").click()
    expect(shop.page.locator("#moved")).to_have_text("moved by your last click")
    assert shop.sequence > before
    assert "pear" not in shop.listed
    # What stands first is fruit, and why is told.
    assert shop.listed[0] in {"banana", "apple", "orange"}
    expect(shop.page.locator("#followed .why").first).to_have_text("close to what you looked at")
    expect(shop.page.locator("#fault")).to_be_hidden()


def test_an_error_keeps_its_reason_through_the_proxy(shop: Shop) -> None:
    shop.open()
    shop.expect_live()
    shop.search("")
    expect(shop.page.locator("#fault")).to_contain_text("INVALID_FIELD: query")


def test_a_list_goes_on_where_it_was_after_a_restart_of_the_service(shop: Shop) -> None:
    shop.open()
    shop.expect_live()
    shop.search("camping")
    shop.page.locator("#found").get_by_role("button", name="Camping stove with gas").click()
    expect(shop.page.locator("#moved")).to_have_text("moved by your last click")
    before, listed = shop.sequence, shop.listed

    shop.service.end(signal.SIGKILL)
    expect(shop.page.locator("#state")).to_have_text("reconnecting …")
    # The list stays on the screen, and a call is told what is the matter.
    assert shop.listed == listed
    shop.search("fruit")
    expect(shop.page.locator("#fault")).to_contain_text("Unavailable:")

    shop.service.start()
    shop.expect_live()
    shop.search("fruit")
    expect(shop.page.locator("#found li")).to_have_count(6)
    expect(shop.page.locator("#moved")).to_have_text("moved by your last search")
    assert shop.sequence > before
    assert "stove" not in shop.listed


def test_a_service_that_says_farewell_is_found_again(shop: Shop) -> None:
    shop.open()
    shop.expect_live()
    shop.service.end()
    expect(shop.page.locator("#state")).to_have_text("reconnecting …")
    shop.service.start()
    shop.expect_live()


def test_a_call_to_a_service_that_does_not_answer_ends(shop: Shop) -> None:
    shop.open()
    shop.expect_live()
    shop.service.signal(signal.SIGSTOP)
    shop.search("fruit")
    expect(shop.page.locator("#fault")).to_contain_text("DeadlineExceeded:")
    shop.service.signal(signal.SIGCONT)
    shop.search("fruit")
    expect(shop.page.locator("#found li")).to_have_count(6)


def test_a_page_that_is_left_leaves_no_stream_behind(shop: Shop) -> None:
    open_streams = 'envoy_cluster_upstream_rq_active{envoy_cluster_name="penchant"}'

    def counted() -> int:
        (line,) = [one for one in shop.proxy.asked("/metrics").splitlines() if one.startswith(open_streams)]
        return int(line.split()[-1])

    shop.open()
    shop.expect_live()
    assert counted() == 1
    shop.page.goto("about:blank")
    _eventually(shop.page, lambda: counted() == 0)


def _eventually(page: Page, holds: Callable[[], bool]) -> None:
    for _ in range(100):
        if holds():
            return
        page.wait_for_timeout(100)
    raise AssertionError("it did not become so in ten seconds")


def test_a_page_of_somebody_else_gets_nothing(shop: Shop) -> None:
    said: list[str] = []
    shop.page.on("console", lambda message: said.append(message.text))
    shop.open(shop.origin.replace("127.0.0.1", "localhost"))
    shop.search("fruit")
    expect(shop.page.locator("#fault")).to_be_visible()
    assert re.search("blocked by CORS policy", "".join(said))
    assert shop.listed == []


def test_users_see_their_own_lists_only_where_somebody_knows_sessions(guarded: Shop) -> None:
    guarded.open(user="mei", session="of-mei")
    guarded.expect_live()
    guarded.search("fruit")
    expect(guarded.page.locator("#found li")).to_have_count(6)
    expect(guarded.page.locator("#moved")).to_have_text("moved by your last search")
    # Over TLS all of a page's calls share one connection.
    counted = re.search(
        r'^envoy_http_downstream_cx_http2_total.*="web"} (\d+)$', guarded.proxy.asked("/metrics"), re.MULTILINE
    )
    assert counted is not None
    assert int(counted[1]) >= 1

    for user, session in (("ada", "of-mei"), ("mei", "of-nobody")):
        guarded.open(user=user, session=session)
        expect(guarded.page.locator("#fault")).to_contain_text("PermissionDenied")
        assert guarded.listed == []


def _called(shop: Shop, path: str, message: bytes) -> str | None:
    """Call without a browser; return gRPC's status."""
    connection = http.client.HTTPConnection("127.0.0.1", shop.proxy.port, timeout=10)
    frame = b"\0" + len(message).to_bytes(4, "big") + message
    headers = {"content-type": "application/grpc-web+proto", "x-grpc-web": "1"}
    try:
        connection.request("POST", path, frame, headers)
        answer = connection.getresponse()
        body = answer.read()
        found = re.search(rb"grpc-status:(\d+)", body)
        return found[1].decode() if found else answer.getheader("grpc-status")
    finally:
        connection.close()


def test_what_pages_may_not_call_is_not_there(shop: Shop) -> None:
    allowed = recommendation_pb2.RecommendRequest(user_id="mei").SerializeToString()
    assert _called(shop, "/penchant.v1.RecommendationService/Recommend", allowed) == "0"
    asked = user_pb2.GetInterestsRequest(user_id="mei").SerializeToString()
    for method in ("UserService/GetInterests", "CatalogService/DeleteItems", "ModelService/ListModels"):
        assert _called(shop, f"/penchant.v1.{method}", asked) == str(grpc.StatusCode.UNIMPLEMENTED.value[0])
