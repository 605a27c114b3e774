"""Dashboard and alerts ask for metrics that Penchant tells, in a language that Prometheus understands."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import promql_parser
import yaml
from penchant_adapters.encoders.cache import CacheCounts
from penchant_adapters.telemetry.metrics import Metrics
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from tests.deploy import tools
from tests.deploy.conftest import Render

ALERTS = tools.CHART / "files" / "alerts.yml"
DASHBOARD = tools.CHART / "files" / "penchant.json"
OF_PROMETHEUS = {"job", "instance", "namespace", "component"}
"""Labels that are put on when metrics are read."""
WORD = re.compile(r"\b((?:grpc_server|penchant|process)_\w+)(?:\{([^}]*)\})?")


def alerts() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(DASHBOARD.read_text())["panels"]
    return found


def drawn() -> list[str]:
    """Return what the dashboard asks for, as Grafana would ask."""
    asked = [target["expr"] for panel in panels() for target in panel.get("targets", [])]
    for name, value in {"$__rate_interval": "1m", "$job": "penchant", "$namespace": ".*"}.items():
        asked = [expression.replace(name, value) for expression in asked]
    return asked


def told() -> dict[str, set[str]]:
    """Return every sample that Penchant tells, with its labels."""
    metrics = Metrics()
    metrics.rpc("unary", "service", "method").ended("OK", 0.1)
    metrics.stage("users")
    metrics.topic("events")
    metrics.lag("events", 0)
    metrics.store("read")
    metrics.running("1", "model")
    metrics.watch_texts(CacheCounts())
    families = text_string_to_metric_families(generate_latest(metrics.registry).decode())
    return {sample.name: set(sample.labels) for family in families for sample in family.samples}


def questions() -> list[str]:
    return [*drawn(), *(rule["expr"] for rule in alerts())]


def test_every_metric_and_label_that_is_asked_for_is_told() -> None:
    there = told()
    asked = [(name, labels) for question in questions() for name, labels in WORD.findall(question)]
    assert len(asked) > 50
    for name, labels in asked:
        assert name in there, name
        used = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", labels))
        assert used <= there[name] | OF_PROMETHEUS, (name, used)


def test_every_label_that_is_grouped_by_is_on_the_metrics_in_the_question() -> None:
    there = told()
    for question in questions():
        known = set().union(OF_PROMETHEUS, *(there[name] for name, _ in WORD.findall(question)))
        for group in re.findall(r"by \(([^)]*)\)", question):
            assert {label.strip() for label in group.split(",")} <= known, question


def test_every_metric_of_penchants_own_is_on_the_dashboard() -> None:
    shown = {name for question in drawn() for name, _ in WORD.findall(question)}
    families = {re.sub(r"_(bucket|count|sum)$", "", name) for name in shown}
    own = {re.sub(r"_(bucket|count|sum)$", "", name) for name in told() if name.startswith(("penchant", "grpc"))}
    assert own - families == set()


def test_legends_name_labels_that_are_there() -> None:
    for panel in panels():
        for target in panel.get("targets", []):
            grouped = {
                one.strip() for group in re.findall(r"by \(([^)]*)\)", target["expr"]) for one in group.split(",")
            }
            assert set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])) <= grouped, panel["title"]


def test_panels_fill_the_width_and_do_not_overlap() -> None:
    taken: dict[int, int] = {}
    for panel in panels():
        place = panel["gridPos"]
        for line in range(place["y"], place["y"] + place["h"]):
            span = ((1 << place["w"]) - 1) << place["x"]
            assert taken.get(line, 0) & span == 0, panel["title"]
            taken[line] = taken.get(line, 0) | span
    assert set(taken.values()) == {(1 << 24) - 1}
    assert len({panel["id"] for panel in panels()}) == len(panels())


def test_every_alert_says_what_is_wrong_how_bad_it_is_and_where_help_is() -> None:
    names = [rule["alert"] for rule in alerts()]
    assert len(names) == len(set(names)) >= 10
    for rule in alerts():
        assert rule["alert"].startswith("Penchant")
        assert re.fullmatch(r"\d+m", rule["for"])
        assert rule["labels"]["severity"] in {"warning", "critical"}
        notes = rule["annotations"]
        assert set(notes) == {"summary", "description", "runbook"}
        assert re.fullmatch(r"docs/operating\.md#[a-z-]+", notes["runbook"])
        labels = set(re.findall(r"\$labels\.(\w+)", notes["summary"] + notes["description"]))
        grouped = {one.strip() for group in re.findall(r"by \(([^)]*)\)", rule["expr"]) for one in group.split(",")}
        assert labels <= grouped | (OF_PROMETHEUS if not grouped else set()), rule["alert"]


def test_every_runbook_is_written() -> None:
    page = (tools.ROOT / "docs" / "operating.md").read_text()
    titles = re.findall(r"^#+ (.*)$", page, re.MULTILINE)
    anchors = {re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-") for title in titles}
    wanted = {rule["annotations"]["runbook"].partition("#")[2] for rule in alerts()}
    assert wanted <= anchors, wanted - anchors


def test_a_parser_understands_every_question() -> None:
    for question in questions():
        promql_parser.parse(question)


def test_prometheus_itself_understands_every_question(tmp_path: Path) -> None:
    promtool = tools.found(tools.PROMTOOL)
    rules = [{"record": f"drawn:{number}", "expr": expression} for number, expression in enumerate(drawn())]
    written = tmp_path / "drawn.yml"
    written.write_text(yaml.safe_dump({"groups": [{"name": "drawn", "rules": rules}]}))
    for arguments in (
        ["check", "rules", str(written), str(ALERTS)],
        ["check", "config", "--syntax-only", str(tools.DEPLOY / "prometheus" / "prometheus.yml")],
        ["test", "rules", str(Path(__file__).with_name("alerts_test.yml"))],
    ):
        done = subprocess.run([str(promtool), *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_is_played() -> None:
    (_, wrong) = yaml.safe_load(Path(__file__).with_name("alerts_test.yml").read_text())["tests"]
    played = {
        name
        for sample in wrong["promql_expr_test"][0]["exp_samples"]
        for name in re.findall(r"Penchant\w+", sample["labels"])
    }
    assert played == {rule["alert"] for rule in alerts()}


def test_the_chart_hands_out_the_same_files(render: Render) -> None:
    documents = render("large")
    (rule,) = [one for one in documents if one["kind"] == "PrometheusRule"]
    assert rule["spec"] == yaml.safe_load(ALERTS.read_text())
    (dashboard,) = [one for one in documents if one["kind"] == "ConfigMap"]
    assert json.loads(dashboard["data"]["penchant.json"]) == json.loads(DASHBOARD.read_text())
