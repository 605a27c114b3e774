"""The page on sizing points at figures and settings that are there."""

import re

from penchant_adapters.settings import Settings

from tests.deploy import tools

PAGE = tools.DEPLOY / "sizing.md"


def test_every_link_leads_to_a_page_and_a_title() -> None:
    links = re.findall(r"\]\(([^)#]+)#?([^)]*)\)", PAGE.read_text())
    assert len(links) > 8
    for page, anchor in links:
        target = (PAGE.parent / page).resolve()
        assert target.exists(), page
        titles = re.findall(r"^#+ (.*)$", target.read_text(), re.MULTILINE) if anchor else []
        assert not anchor or anchor in {title.lower().replace(" ", "-") for title in titles}, anchor


def test_every_setting_is_one() -> None:
    named = set(re.findall(r"`((?:kafka|qdrant)\.\w+)`", PAGE.read_text()))
    assert len(named) >= 3
    for name in named:
        group, _, field = name.partition(".")
        assert hasattr(getattr(Settings(), group), field), name
