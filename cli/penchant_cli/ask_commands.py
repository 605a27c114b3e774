"""Commands that talk to a running service: record, recommend, similar, search, interests."""

import json
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import penchant
import typer
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from penchant_cli.connection import connected, told

Size = Annotated[int, typer.Option("--size", "-n", min=1, max=100, help="How many items.")]
Explain = Annotated[bool, typer.Option("--explain", "-e", help="Say why each item is there.")]
Categories = Annotated[list[str] | None, typer.Option("--category", "-c", help="Only items of this category.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (record, recommend, similar, search, interests):
        app.command(command.__name__)(told(connected(command)))


def record(
    client: penchant.Client,
    user: Annotated[str, typer.Argument(help="Who.")],
    type_: Annotated[str, typer.Argument(metavar="TYPE", help="view, purchase, search, review, hide …")],
    item: Annotated[str, typer.Option("--item", "-i", help="The item acted on.")] = "",
    text: Annotated[str, typer.Option("--text", "-t", help="The words searched or written, any language.")] = "",
    value: Annotated[float | None, typer.Option("--value", help="Stars, seconds or quantity, by type.")] = None,
) -> None:
    """Record one event: penchant record mei review --text 我喜欢吃苹果、香蕉和橙子."""
    recorded = client.record(user, type_, item_id=item, text=text, value=value)
    Console().print(f"recorded {recorded.event_id}" + (" (known already)" if recorded.unchanged else ""))


def recommend(
    client: penchant.Client,
    user: Annotated[str, typer.Argument(help="For whom.")],
    size: Size = 10,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Stay and follow the user; Ctrl-C ends it.")] = False,
    explain: Explain = False,
    category: Categories = None,
    profile: Annotated[
        str, typer.Option("--profile", "-p", help="Score with this profile of the service, not with its default.")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Show what a user would like next."""
    options: dict[str, Any] = {
        "page_size": size,
        "categories": tuple(category or ()),
        "explain": explain,
        "include_items": True,
        "profile": profile,
    }
    if watch:
        _watch(client, user, options, as_json)
        return
    found = client.recommend(user, **options)
    _show(_title(user, found.profile), found.items, explain, as_json)


def _watch(client: penchant.Client, user: str, options: dict[str, Any], as_json: bool) -> None:
    # The whole list is redrawn at each update; out of a terminal every update is one line of JSON.
    try:
        if as_json or not sys.stdout.isatty():
            for update in client.watch(user, **options):
                order = [one.item_id for one in update.recommendations]
                print(json.dumps({"sequence": update.sequence, "items": order}), flush=True)
            return
        with Live(console=Console(), auto_refresh=False) as live:
            for update in client.watch(user, **options):
                table = listing(_title(user, update.profile), update.recommendations, options["explain"])
                live.update(Group(table, _cause(update.trigger)), refresh=True)
    except KeyboardInterrupt:
        return


def _title(user: str, profile: str) -> str:
    return f"for {user}, scored with {profile}" if profile else f"for {user}"


def _cause(trigger: penchant.Trigger | None) -> Text:
    if trigger is None:
        return Text("")
    return Text(f"after {trigger.type} {trigger.item_id or trigger.text}", style="dim")


def similar(
    client: penchant.Client,
    item: Annotated[str, typer.Argument(help="The item.")],
    size: Size = 10,
    explain: Explain = False,
    category: Categories = None,
    as_json: AsJson = False,
) -> None:
    """Show items like one item."""
    found = client.similar(item, page_size=size, categories=tuple(category or ()), explain=explain, include_items=True)
    _show(f"like {item}", found, explain, as_json)


def search(
    client: penchant.Client,
    words: Annotated[list[str], typer.Argument(help="What to look for, in any language.")],
    size: Size = 10,
    category: Categories = None,
    as_json: AsJson = False,
) -> None:
    """Find items by meaning."""
    query = " ".join(words)
    found = client.search(query, page_size=size, categories=tuple(category or ()), include_items=True)
    _show(f"“{query}”", found, False, as_json)


def interests(
    client: penchant.Client,
    user: Annotated[str, typer.Argument(help="Whose.")],
    as_json: AsJson = False,
) -> None:
    """Show what is known of a user: interests, the events behind them, dislikes."""
    found = client.interests(user)
    console = Console()
    if as_json:
        groups = [{"share": i.share, "evidence": [_plain(e) for e in i.evidence]} for i in found.interests]
        console.print_json(json.dumps({"interests": groups, "dislikes": [_plain(e) for e in found.dislikes]}))
        return
    table = Table("interest", "weight", "event", "about", "when", title=f"{user}: {found.event_count} events")
    for number, interest in enumerate(found.interests, 1):
        for place, evidence in enumerate(interest.evidence):
            head = f"{number} ({interest.share:.0%})" if not place else ""
            table.add_row(head, f"{evidence.weight:.0%}", *_about(evidence))
    for evidence in found.dislikes:
        table.add_row("dislike", f"{evidence.weight:.0%}", *_about(evidence))
    console.print(table)


def _plain(evidence: penchant.Evidence) -> dict[str, Any]:
    return {
        "event_id": evidence.event_id,
        "type": evidence.type,
        "item_id": evidence.item_id,
        "text": evidence.text,
        "weight": evidence.weight,
    }


def _about(evidence: penchant.Evidence) -> tuple[str, str, str]:
    return evidence.type, evidence.item_id or f"“{evidence.text}”", f"{evidence.occurred_at:%Y-%m-%d %H:%M}"


def _show(title: str, found: Sequence[penchant.Recommendation], explain: bool, as_json: bool) -> None:
    if as_json:
        rows = [{"item_id": r.item_id, "score": r.score, "title": r.item.title if r.item else ""} for r in found]
        Console().print_json(json.dumps(rows))
        return
    Console().print(listing(title, found, explain))


def listing(title: str, found: Sequence[penchant.Recommendation], explain: bool) -> Table:
    """Return a table of recommendations."""
    table = Table("", "item", "title", "score", *(["why"] if explain else []), title=title)
    for place, one in enumerate(found, 1):
        name = one.item.title if one.item else ""
        table.add_row(str(place), one.item_id, name, f"{one.score:.4f}", *([because(one)] if explain else []))
    return table


def because(one: penchant.Recommendation, most: int = 3) -> str:
    """Return the strongest reasons as shares of the score's parts."""
    whole = sum(abs(reason.contribution) for reason in one.reasons) or 1.0
    parts = []
    for reason in one.reasons[:most]:
        share = reason.contribution / whole
        what = f"{reason.event_type} {reason.item_id or reason.text}".strip() or "popular now"
        parts.append(f"{share:+.0%} {reason.kind.value}: {what}")
    return "\n".join(parts)
