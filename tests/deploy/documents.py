"""What to ask of rendered documents."""

from collections.abc import Iterator
from typing import Any

from penchant_adapters.settings import Settings

from tests.deploy import tools
from tests.deploy.conftest import Documents

PENCHANT_COMPONENTS = {"serve", "consume", "consume-users", "consume-items", "topics"}


def kinds(documents: Documents, kind: str) -> Documents:
    return [one for one in documents if one["kind"] == kind]


def one(documents: Documents, kind: str, name: str) -> dict[str, Any]:
    """Return the only document of a kind and component."""
    (found,) = [document for document in kinds(documents, kind) if component(document) == name]
    return found


def component(document: dict[str, Any]) -> str:
    return str(document["metadata"]["labels"]["app.kubernetes.io/component"])


def pods(documents: Documents) -> Iterator[tuple[str, dict[str, Any]]]:
    """Give component and specification of everything that becomes a pod."""
    for document in documents:
        if document["kind"] == "Pod":
            yield component(document), document["spec"]
        elif "template" in document.get("spec", {}):
            yield component(document), document["spec"]["template"]["spec"]


def containers(documents: Documents) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, pod in pods(documents):
        for container in [*pod.get("initContainers", []), *pod["containers"]]:
            yield name, container


def variables(container: dict[str, Any]) -> dict[str, str]:
    """Return what a container is told; a name of the pod stands for itself."""
    names = [variable["name"] for variable in container.get("env", [])]
    assert len(names) == len(set(names)), names
    return {variable["name"]: variable.get("value", "pod-0") for variable in container.get("env", [])}


def settings(documents: Documents) -> dict[str, Settings]:
    """Return what each component of Penchant reads."""
    return {
        name: tools.settings_of(variables(container))
        for name, container in containers(documents)
        if name in PENCHANT_COMPONENTS
    }
