"""The chart, rendered."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from tests.deploy import tools

Documents: TypeAlias = list[dict[str, Any]]
Render: TypeAlias = Callable[..., Documents]

VALUES = {
    "default": ["--set", "access.allowPlaintext=true"],
    "laptop": ["--values", str(tools.CHART / "values" / "laptop.yaml")],
    "small": ["--values", str(tools.CHART / "values" / "small.yaml")],
    "large": ["--values", str(tools.CHART / "values" / "large.yaml")],
    "everything": ["--values", str(Path(__file__).with_name("everything.yaml"))],
}


@pytest.fixture(scope="session")
def helm() -> Path:
    return tools.built(tools.HELM)


@pytest.fixture(scope="session")
def render(helm: Path) -> Render:
    """Render the chart with arguments of helm, or with values by name."""

    @cache
    def rendered(*arguments: str) -> Documents:
        words = [word for argument in arguments for word in VALUES.get(argument, [argument])]
        code, printed, error = tools.template(helm, *words)
        assert code == 0, error
        return tools.documents(printed)

    return rendered


@pytest.fixture(params=VALUES)
def chart(request: pytest.FixtureRequest, render: Render) -> Documents:
    """The chart with each file of values."""
    return render(request.param)
