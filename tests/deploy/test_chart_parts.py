"""The parts of the chart fit together: selectors, ports, topics, scaling, policies, images."""

import re

import pytest
from penchant_adapters.kafka.topics import Topics
from penchant_adapters.telemetry.scrape import listen_of

from tests.deploy import tools
from tests.deploy.conftest import Documents, Render
from tests.deploy.documents import component, containers, kinds, one, pods, settings, variables


def test_selectors_find_the_pods_that_they_are_meant_for(chart: Documents) -> None:
    labels = {
        component(document): document["spec"]["template"]["metadata"]["labels"]
        for document in chart
        if "template" in document.get("spec", {})
    }
    found = 0
    for document in chart:
        specification = document.get("spec", {})
        selector = specification.get("podSelector", specification.get("selector")) or {}
        selector = selector.get("matchLabels", selector)
        if document["kind"] in {"ServiceMonitor", "ConfigMap"} or not selector:
            continue
        found += 1
        matched = {name for name, own in labels.items() if selector.items() <= own.items()}
        assert matched == {component(document)}, document["metadata"]["name"]
    assert found >= 7


def test_ports_of_services_and_policies_are_ports_of_the_pods(chart: Documents) -> None:
    ports = {name: {port["name"] for port in pod["containers"][0].get("ports", [])} for name, pod in pods(chart)}
    for service in kinds(chart, "Service"):
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= ports[component(service)]
    for policy in kinds(chart, "NetworkPolicy"):
        used = [port["port"] for rule in policy["spec"].get("ingress", []) for port in rule["ports"]]
        assert {port for port in used if isinstance(port, str)} <= ports[component(policy)]


def test_every_process_of_a_pod_tells_its_metrics_on_a_port_that_is_scraped(render: Render) -> None:
    documents = render("large")
    (container,) = one(documents, "Deployment", "serve")["spec"]["template"]["spec"]["containers"]
    processes = int(container["args"][-1])
    assert processes == 4
    listens = [listen_of(variables(container)["PENCHANT_TELEMETRY__METRICS_LISTEN"], n) for n in range(processes)]
    wanted = {int(listen.rpartition(":")[2]) for listen in listens}
    ports = {port["name"]: port["containerPort"] for port in container["ports"] if port["name"] != "grpc"}
    assert set(ports.values()) == wanted
    (monitor,) = kinds(documents, "ServiceMonitor")
    assert {endpoint["port"] for endpoint in monitor["spec"]["endpoints"]} == set(ports)
    selected = monitor["spec"]["selector"]["matchLabels"].items()
    scraped = [each for each in kinds(documents, "Service") if selected <= each["metadata"]["labels"].items()]
    assert {component(each) for each in scraped} == {"serve", "consume-users", "consume-items"}
    assert all(each["metadata"]["labels"][monitor["spec"]["jobLabel"]] == "penchant" for each in scraped)
    policy = one(documents, "NetworkPolicy", "serve")
    opened = [port for rule in policy["spec"]["ingress"] for port in rule["ports"] if "endPort" in port]
    assert [(port["port"], port["endPort"]) for port in opened] == [(min(wanted), max(wanted))]


@pytest.mark.parametrize("values", ["everything", "large"])
def test_keda_looks_at_the_topics_and_groups_that_the_consumers_have(render: Render, values: str) -> None:
    documents = render(values)
    kafka = settings(documents)["serve"].kafka
    topics = Topics.of(kafka)
    users = {(topics.events, f"{kafka.group}.users")}
    items = {(topics.items, f"{kafka.group}.items"), (topics.pairs, f"{kafka.group}.items")}
    wanted = {"all": users | items, "users": users, "items": items}
    sets = {each["metadata"]["name"]: each for each in kinds(documents, "StatefulSet")}
    scaled = kinds(documents, "ScaledObject")
    (authentication,) = kinds(documents, "TriggerAuthentication")
    assert len(scaled) == len(sets)
    for found in scaled:
        specification = found["spec"]
        consumers = sets[specification["scaleTargetRef"]["name"]]["spec"]
        (container,) = consumers["template"]["spec"]["containers"]
        looked_at = [trigger["metadata"] for trigger in specification["triggers"]]
        stage = container["args"][container["args"].index("--stage") + 1]
        assert {(each["topic"], each["consumerGroup"]) for each in looked_at} == wanted[stage]
        assert all(each["bootstrapServers"] == kafka.bootstrap for each in looked_at)
        assert all((each["tls"] == "enable") == kafka.security_protocol.endswith("SSL") for each in looked_at)
        assert specification["maxReplicaCount"] <= kafka.partitions
        assert "replicas" not in consumers
        for each in authentication["spec"].get("env", []):
            assert each["name"] in variables(container)
            assert each["containerName"] == container["name"]


@pytest.mark.parametrize("values", ["everything", "large"])
def test_keda_knows_every_word_of_the_triggers(render: Render, values: str) -> None:
    source = (tools.module(tools.KEDA) / "pkg" / "scalers" / "kafka_scaler.go").read_text()
    tags = re.findall(r'`keda:"name=(\w+),order=([\w;]+)([^`]*)"`', source)
    words = {name: (order, rest) for name, order, rest in tags}
    documents = render(values)
    given = [trigger["metadata"] for each in kinds(documents, "ScaledObject") for trigger in each["spec"]["triggers"]]
    for name, value in [pair for metadata in given for pair in metadata.items()]:
        order, rest = words[name]
        assert "triggerMetadata" in order
        allowed = re.search(r"enum=([\w;]+)", rest)
        assert allowed is None or value in allowed[1].split(";"), name
    (authentication,) = kinds(documents, "TriggerAuthentication")
    for secret in [secret for part in authentication["spec"].values() for secret in part]:
        assert "authParams" in words[secret["parameter"]][0]


def test_a_gpu_is_asked_for_and_its_nodes_are_tolerated(render: Render) -> None:
    pod = one(render("everything"), "StatefulSet", "consume")["spec"]["template"]["spec"]
    assert pod["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == 1
    assert {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"} in pod["tolerations"]
    assert pod["runtimeClassName"] == "nvidia"
    assert "nvidia.com/gpu" not in str(kinds(render("laptop"), "StatefulSet"))


def test_topics_are_made_before_anything_waits_for_them(chart: Documents) -> None:
    job = one(chart, "Job", "topics")
    assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
    # Nothing that the release makes is there yet.
    assert "serviceAccountName" not in job["spec"]["template"]["spec"]


def test_policies_let_through_what_the_addresses_need_and_no_more(render: Render) -> None:
    for policy in kinds(render("everything"), "NetworkPolicy"):
        assert policy["spec"]["policyTypes"] == ["Ingress", "Egress"]
        if component(policy) == "web":
            continue  # has neither Kafka nor Qdrant: test_web.py
        ports = [{port["port"] for port in rule["ports"]} for rule in policy["spec"]["egress"]]
        assert ports == [{53}, {9096, 9097, 9098}, {6334}, {443}]
    policies = {component(each) for each in kinds(render("laptop"), "NetworkPolicy")}
    assert policies == {"serve", "consume", "topics"}


def test_helm_test_recommends_wherever_it_is_given_what_callers_need(render: Render) -> None:
    def asked(*values: str) -> list[str]:
        (pod,) = [pod for name, pod in pods(render(*values)) if name == "test"]
        return [container["name"] for container in [*pod.get("initContainers", []), *pod["containers"]]]

    assert asked("laptop") == ["health", "recommend"]
    assert asked("small") == ["health"]
    assert asked("everything") == ["health", "recommend"]
    given = ["--set", "tests.ca.existingSecret=ca", "--set", "tests.apiKey.existingSecret=key"]
    assert asked("small", *given) == ["health", "recommend"]


def test_images_are_those_that_the_dockerfile_makes(chart: Documents) -> None:
    targets = set(re.findall(r"^FROM \S+ AS (\S+)", (tools.DEPLOY / "docker" / "Dockerfile").read_text(), re.MULTILINE))
    for name, container in containers(chart):
        if name == "web":
            continue  # Envoy's own
        repository = container["image"].rpartition("/")[2].partition(":")[0]
        assert repository.removeprefix("penchant-") in targets
