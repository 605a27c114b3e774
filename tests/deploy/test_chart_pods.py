"""The pods of the chart: their settings, commands, secrets, rights, probes and ends."""

import pytest

from tests.deploy import tools
from tests.deploy.conftest import Documents, Render
from tests.deploy.documents import PENCHANT_COMPONENTS, containers, kinds, one, pods, settings, variables


def test_every_process_takes_its_settings(chart: Documents) -> None:
    found = settings(chart)
    assert {"serve", "topics"} < set(found)
    for name, read in found.items():
        assert read.telemetry.metrics_listen == "0.0.0.0:9464"
        assert read.kafka.instance == ("pod-0" if name.startswith("consume") else "")
        assert str(read.data_dir) == "/var/lib/penchant"


def test_values_reach_the_settings_that_they_are_named_after(render: Render) -> None:
    found = settings(render("everything"))
    serve, consume = found["serve"], found["consume"]
    for read in found.values():
        kafka, qdrant = read.kafka, read.qdrant
        assert (kafka.bootstrap, kafka.security_protocol) == ("a.kafka:9096,b.kafka:9097", "SASL_SSL")
        assert (kafka.sasl_mechanism, kafka.username) == ("SCRAM-SHA-256", "shop")
        assert (kafka.topic_prefix, kafka.group, kafka.partitions, kafka.replication) == ("shop", "shop-1", 3, 3)
        assert (kafka.retention_days, kafka.max_batch) == (365.5, 50_000)
        assert (kafka.session_timeout, kafka.start_timeout) == (60.5, 0.0)
        assert read.store == "qdrants://q:6334"
        assert (qdrant.prefix, qdrant.shards, qdrant.replication, qdrant.write_consistency) == ("shop", 6, 3, 2)
        assert (qdrant.quantization, qdrant.on_disk, qdrant.read_consistency) == ("int8", True, "majority")
        assert (read.encoder_device, read.encoder_precision, read.encoder_threads) == ("cuda:0", "float16", 3)
        assert read.encoder_runtime == "torch"
        assert read.encoder == "hf:intfloat/multilingual-e5-small"
        assert (read.telemetry.traces, read.telemetry.log_level) == (True, "debug")
        assert (read.max_pending_events, read.shutdown_grace, read.weights) == (1_000_000, 8.0, {"share": 1.5})
    assert (serve.encoders_beside, consume.encoders_beside) == ((), ("builtin:", "hf:BAAI/bge-m3"))
    assert serve.max_calls == 512
    assert serve.listen == "0.0.0.0:50551"
    assert not serve.access.allow_plaintext
    assert consume.kafka.max_dead_letters_per_second == 5.5


def test_every_file_of_a_setting_is_mounted_from_a_secret(render: Render) -> None:
    read = settings(render("everything"))["serve"]
    assert all(getattr(read.kafka, f"{name}_file") for name in ("password", "token", "ca", "cert", "key"))
    assert all(getattr(read.qdrant, f"{name}_file") for name in ("api_key", "ca"))
    assert all(getattr(read.access, f"{name}_file") for name in ("cert", "key", "client_ca", "api_keys"))
    for values in ("small", "large", "everything"):
        for name, pod in pods(render(values)):
            secrets = {volume["name"]: volume["secret"] for volume in pod["volumes"] if "secret" in volume}
            for container in [*pod.get("initContainers", []), *pod["containers"]]:
                mounts = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
                files = [value for value in variables(container).values() if value.startswith("/etc/penchant/")]
                assert files or name in {"test", "web"}
                for file in files:
                    folder, _, key = file.rpartition("/")
                    secret = secrets[mounts[folder]]
                    assert "items" not in secret or key in [item["path"] for item in secret["items"]]


def test_only_servers_see_the_secrets_of_access(render: Render) -> None:
    for name, pod in pods(render("everything")):
        seen = {volume["secret"]["secretName"] for volume in pod["volumes"] if "secret" in volume}
        assert bool(seen & {"tls", "clients", "keys"}) == (name == "serve")


def test_every_command_is_one_that_penchant_has(chart: Documents) -> None:
    run = [container for _, container in containers(chart) if "command" not in container]
    assert len(run) >= 3
    for container in run:
        tools.parsed(container["args"])


def test_pods_have_no_rights(chart: Documents) -> None:
    found = list(pods(chart))
    assert len(found) >= 4
    for _, pod in found:
        assert pod["automountServiceAccountToken"] is False
        # A service called penchant would make a variable PENCHANT_PORT, which is refused as a setting.
        assert pod["enableServiceLinks"] is False
        rights = pod["securityContext"]
        assert rights["runAsNonRoot"] is True
        assert rights["runAsUser"] == rights["runAsGroup"] == rights["fsGroup"] == 10_001
        assert rights["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod)
        assert not any("hostPath" in volume for volume in pod["volumes"])
    for _, container in containers(chart):
        rights = container["securityContext"]
        assert rights["allowPrivilegeEscalation"] is False
        assert rights["readOnlyRootFilesystem"] is True
        assert rights["capabilities"] == {"drop": ["ALL"]}
        assert "privileged" not in rights
        assert container["resources"]["requests"]
        assert container["resources"]["limits"]["memory"]
        assert not container["image"].endswith(":latest")


def test_what_may_be_written_is_on_volumes_of_a_bounded_size(chart: Documents) -> None:
    for name, pod in pods(chart):
        volumes = {volume["name"]: volume for volume in pod["volumes"]}
        assert volumes["tmp"]["emptyDir"]["sizeLimit"]
        mounts = {mount["mountPath"]: mount["name"] for mount in pod["containers"][0]["volumeMounts"]}
        assert mounts["/tmp"] == "tmp"
        if name in PENCHANT_COMPONENTS:
            assert mounts["/var/lib/penchant"] == "data"
            # With persistence it is made by the StatefulSet.
            assert "data" not in volumes or volumes["data"]["emptyDir"]["sizeLimit"]


@pytest.mark.parametrize(("values", "kind"), [("laptop", "grpc"), ("small", "httpGet"), ("large", "httpGet")])
def test_servers_are_asked_by_grpc_and_with_tls_beside_their_metrics(render: Render, values: str, kind: str) -> None:
    (container,) = one(render(values), "Deployment", "serve")["spec"]["template"]["spec"]["containers"]
    probes = [container[f"{name}Probe"] for name in ("startup", "readiness", "liveness")]
    assert all(kind in probe for probe in probes)
    if kind == "grpc":
        assert {probe["grpc"]["port"] for probe in probes} == {50_551}
    else:
        assert [probe["httpGet"]["path"] for probe in probes] == ["/ready", "/ready", "/healthz"]


def test_consumers_are_asked_beside_their_metrics(chart: Documents) -> None:
    found = kinds(chart, "StatefulSet")
    assert found
    for each in found:
        (container,) = each["spec"]["template"]["spec"]["containers"]
        probes = [container[f"{name}Probe"]["httpGet"] for name in ("startup", "readiness", "liveness")]
        assert [probe["path"] for probe in probes] == ["/ready", "/ready", "/healthz"]
        assert {probe["port"] for probe in probes} == {"metrics"}


def test_a_start_is_given_longer_than_the_process_itself_tries(chart: Documents) -> None:
    tried = settings(chart)["serve"].kafka.start_timeout
    for name, container in containers(chart):
        if name in PENCHANT_COMPONENTS - {"topics"}:
            probe = container["startupProbe"]
            assert probe["periodSeconds"] * probe["failureThreshold"] >= tried + 60
    assert one(chart, "Job", "topics")["spec"]["activeDeadlineSeconds"] > tried


def test_a_pod_is_given_longer_to_end_than_it_takes(chart: Documents) -> None:
    deployment = one(chart, "Deployment", "serve")["spec"]["template"]["spec"]
    drain = deployment["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert deployment["terminationGracePeriodSeconds"] >= drain + settings(chart)["serve"].shutdown_grace + 10
    for found in kinds(chart, "StatefulSet"):
        assert found["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] >= 15
