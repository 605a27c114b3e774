"""The chart renders what Kubernetes, KEDA and the Prometheus operator take, and refuses what nobody could run."""

import copy
import json
import subprocess
from functools import cache, reduce
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml

from tests.deploy import tools
from tests.deploy.conftest import VALUES, Documents, Render

CRDS = {
    "ScaledObject": (tools.KEDA, "config/crd/bases/keda.sh_scaledobjects.yaml"),
    "TriggerAuthentication": (tools.KEDA, "config/crd/bases/keda.sh_triggerauthentications.yaml"),
    "ServiceMonitor": (
        tools.PROMETHEUS_OPERATOR,
        "example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml",
    ),
    "PrometheusRule": (
        tools.PROMETHEUS_OPERATOR,
        "example/prometheus-operator-crd/monitoring.coreos.com_prometheusrules.yaml",
    ),
}


def strict(schema: Any) -> Any:
    """Refuse what a cluster would silently drop."""
    if isinstance(schema, list):
        return [strict(one) for one in schema]
    if isinstance(schema, str):
        return schema.replace("^(?i)", "(?i)^")  # Go takes the flag anywhere, Python at the front
    if not isinstance(schema, dict):
        return schema
    closed = {name: strict(value) for name, value in schema.items()}
    if isinstance(closed.get("properties"), dict) and "x-kubernetes-preserve-unknown-fields" not in closed:
        closed.setdefault("additionalProperties", False)
    return closed


@cache
def crd(kind: str) -> tuple[str, Any]:
    module, path = CRDS[kind]
    definition = yaml.safe_load((tools.module(module) / path).read_text())["spec"]
    (version,) = [one for one in definition["versions"] if one["storage"]]
    schema = strict(version["schema"]["openAPIV3Schema"])
    schema["properties"]["metadata"] = {"type": "object"}
    return f"{definition['group']}/{version['name']}", schema


def refusal(helm: Path, *arguments: str) -> str:
    code, _, error = tools.template(helm, *arguments)
    assert code != 0
    return error


@pytest.mark.parametrize("values", [[], VALUES["small"], VALUES["large"], VALUES["everything"]])
def test_helm_finds_nothing_to_complain_about(helm: Path, values: list[str]) -> None:
    done = subprocess.run(
        [str(helm), "lint", "--strict", str(tools.CHART), *values], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_document_is_one_that_its_api_takes(chart: Documents) -> None:
    assert len(chart) >= 10
    for document in chart:
        kind = document["kind"]
        if kind in CRDS:
            version, schema = crd(kind)
            assert document["apiVersion"] == version
            jsonschema.validate(document, schema)
        else:
            kubernetes_validate.validate(document, kubernetes_validate.latest_version(), strict=True)


def test_the_oldest_kubernetes_that_the_chart_names_takes_it_too(render: Render) -> None:
    oldest = yaml.safe_load((tools.CHART / "Chart.yaml").read_text())["kubeVersion"]
    for document in render("everything"):
        if document["kind"] not in CRDS:
            kubernetes_validate.validate(document, oldest.removeprefix(">=").removesuffix(".0-0"), strict=True)


def test_no_two_documents_have_one_name(chart: Documents) -> None:
    names = [(one["kind"], one["metadata"]["name"]) for one in chart]
    assert len(names) == len(set(names))


def test_it_is_refused_to_let_everybody_in_without_saying_so(helm: Path) -> None:
    for values in ([], ["--set", "access.tls.existingSecret=tls"], ["--set", "access.apiKeys.existingSecret=keys"]):
        told = refusal(helm, *values)
        assert "access.tls.existingSecret" in told
        assert "access.allowPlaintext=true" in told


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("kafka.partition=3", "'partition' not allowed"),
        ("kafka.partitions=0", "/kafka/partitions"),
        ("kafka.partitions=many", "/kafka/partitions"),
        ("kafka.bootstrap=kafka", "/kafka/bootstrap"),
        ("kafka.securityProtocol=TLS", "/kafka/securityProtocol"),
        ("kafka.password.value=secret", "'value' not allowed"),
        ("qdrant.url=http://qdrant:6333", "/qdrant/url"),
        ("qdrant.quantization=int4", "/qdrant/quantization"),
        ("access.tls.existingSecret=Not_A_Name", "/access/tls/existingSecret"),
        ("encoder.model=openai:x", "/encoder/model"),
        ("settings.max_streams=5", "max_streams"),
        ("settings.LISTEN=0.0.0.0:1", "LISTEN"),
        ("serve.replica=3", "'replica' not allowed"),
        ("serve.processes=0", "/serve/processes"),
        ("serve.resources.limits.memory=lots", "/serve/resources/limits/memory"),
        ("serve.podDisruptionBudget.maxUnavailable=0", "/serve/podDisruptionBudget/maxUnavailable"),
        ("consume.autoscaling.lag=0", "/consume/autoscaling/lag"),
        ("consume.gpu.count=one", "/consume/gpu/count"),
        ("spread.zone=Never", "/spread/zone"),
        ("monitoring.serviceMonitor.interval=often", "/monitoring/serviceMonitor/interval"),
        ("extra=1", "'extra' not allowed"),
    ],
)
def test_a_bad_value_is_refused_by_its_name(helm: Path, given: str, told: str) -> None:
    assert told in refusal(helm, "--set", "access.allowPlaintext=true", "--set", given)


def test_every_object_among_the_values_is_closed() -> None:
    values = yaml.safe_load((tools.CHART / "values.yaml").read_text())
    check = jsonschema.Draft202012Validator(json.loads((tools.CHART / "values.schema.json").read_text()))
    check.validate(values)
    objects = [path for path in paths(values) if path not in FREE]
    assert len(objects) > 40
    for path in objects:
        open_one = copy.deepcopy(values)
        reduce(dict.__getitem__, path, open_one)["surprise"] = 1
        with pytest.raises(jsonschema.ValidationError, match="'surprise' was unexpected"):
            check.validate(open_one)


FREE = {
    ("settings",),
    ("serve", "autoscaling", "behavior"),
    ("serve", "autoscaling", "behavior", "scaleDown"),
    ("consume", "autoscaling", "behavior"),
    ("consume", "autoscaling", "behavior", "scaleUp"),
    ("consume", "autoscaling", "behavior", "scaleDown"),
    ("serve", "service", "annotations"),
    ("web", "service", "annotations"),
    ("serviceAccount", "annotations"),
    *((part, "settings") for part in ("serve", "consume")),
    *((part, name) for part in ("serve", "consume", "web") for name in ("podAnnotations", "podLabels")),
    *((part, name) for part in ("serve", "consume", "web") for name in ("nodeSelector", "affinity")),
    *((part, "resources", name) for part in ("serve", "consume", "web") for name in ("requests", "limits")),
    *(("monitoring", part, "labels") for part in ("serviceMonitor", "rules", "dashboard")),
}
"""Objects whose names are the operator's."""


def paths(values: dict[str, Any], above: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Return where all objects are."""
    inner = [(name, value) for name, value in values.items() if isinstance(value, dict)]
    return [path for name, value in inner for path in [(*above, name), *paths(value, (*above, name))]]


def test_scaling_with_bearer_tokens_needs_an_authentication_of_ones_own(helm: Path) -> None:
    values = [*VALUES["everything"], "--set", "kafka.saslMechanism=OAUTHBEARER"]
    assert "consume.autoscaling.triggerAuthentication" in refusal(helm, *values)
    code, printed, _ = tools.template(helm, *values, "--set", "consume.autoscaling.triggerAuthentication=own")
    assert code == 0
    assert "kind: TriggerAuthentication" not in printed


def test_the_notes_say_what_is_open_and_what_is_there_once(helm: Path) -> None:
    def notes(values: str) -> str:
        arguments = ["install", "shop", str(tools.CHART), "--dry-run=client", "--namespace", "shop", *VALUES[values]]
        done = subprocess.run([str(helm), *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.split("NOTES:")[1]

    laptop, small = notes("laptop"), notes("small")
    assert "Nothing is encrypted" in laptop
    assert "Topics have 1 copy" in laptop
    assert "Nothing is encrypted" not in small
    assert "No API key" not in small
    assert "helm -n shop test shop" in small
