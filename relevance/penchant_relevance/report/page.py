"""An evaluation as one page of HTML that needs nothing else: for whoever runs the shop, then for whoever measures."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import Any

from penchant_relevance.evaluation import OURS
from penchant_relevance.measure import HISTORIES, NEW_ITEM, SHOWN
from penchant_relevance.report import cold_start
from penchant_relevance.report.charts import Bar, Estimate, Series, bars, figure, groups, short, style
from penchant_relevance.report.reading import Variant, tone, variants, verdict
from penchant_relevance.report.tables import Cell, Row, estimate, lead, settings, signed, table
from penchant_relevance.report.words import EXPLANATIONS, LOOKS, MODELS, VARIANTS, VERDICTS, listed, reading

FEW = 300
"""Asks below which the page says that there are few."""
DRAWN = 20
"""Asks from which a slice is drawn; a smaller one stands in the table."""


def write(path: Path, document: Mapping[str, Any]) -> None:
    """Write the document of an evaluation as a page to *path*, folders included."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # A file's name may hold what UTF-8 cannot say.
    path.write_bytes(page(document).encode("utf-8", "backslashreplace"))


def page(document: Mapping[str, Any]) -> str:
    """Return the page. Whatever comes from the log is text on it, never markup."""
    title = f"How good are the recommendations on {document['name']}?"
    # Nothing on the page is loaded or run, whatever should ever get into it.
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    return "\n".join(
        (
            "<!DOCTYPE html>",
            '<html lang="en">',
            '<head><meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape(title)}</title>",
            f"<style>\n{style()}</style></head>",
            "<body>",
            *_body(document),
            "</body></html>\n",
        )
    )


def _body(document: Mapping[str, Any]) -> Iterator[str]:
    main, *others = variants(document)
    # A name may hold letters that turn the direction of what follows.
    name = f"<bdi>{escape(document['name'])}</bdi>"
    yield f"<header><h1>How good are the recommendations on {name}?</h1>{_about(document, main)}</header>\n<main>"
    yield from _verdict(document, main)
    yield from _models(main)
    yield from _slices(main)
    if "cold_start" in document:
        yield from cold_start.section(document["cold_start"])
    yield from _late(main, others, document["settings"].get("plan", ""))
    yield from _looks(main)
    yield from _explanations(main)
    yield reading(document["settings"].get("plan", ""))
    yield f"</main>\n<footer>{settings(document, main.chosen())}</footer>"


def _about(document: Mapping[str, Any], main: Variant) -> str:
    size = document["settings"].get("log", {})
    parts = [f"{size['events']:,} events of {size['users']:,} users on {size['items']:,} items"] if size else []
    parts.append(f"asked {main.ours['asks']:,} times, of {main.ours['users']:,} users")
    when = datetime.fromisoformat(document["when"]).astimezone(UTC)
    parts.append(f'<time datetime="{escape(document["when"])}">{when.day} {when:%B %Y, %H:%M} UTC</time>')
    return f'<p class="about">{" · ".join(parts)}</p>'


def _verdict(document: Mapping[str, Any], main: Variant) -> Iterator[str]:
    first = main.lead(main.baselines[0]) if main.baselines else None
    yield f'<section class="verdict {verdict(first) if first else "level"}" aria-label="Verdict">'
    if first:
        yield f"<p>{_against(main, main.baselines[0], 'the best simple baseline, ')}</p>"
    else:
        yield f"<p>{escape(main.main)} is {short(main.mean(OURS))}. No baseline was measured beside it.</p>"
    if main.trained and main.lead(main.trained):
        yield f"<p>{_against(main, main.trained, 'a network trained on this log, ')}</p>"
    yield from _hits(main)
    if document["settings"].get("validation"):
        yield "<p>These are the validation targets, on which settings are chosen: the test may say less.</p>"
    if main.ours["asks"] < FEW:
        yield f"<p>{main.ours['asks']:,} asks are few. A longer log gives narrower intervals.</p>"
    yield "</section>"


def _against(main: Variant, model: str, kind: str) -> str:
    found = main.lead(model)
    assert found is not None
    apart = f"{signed(found['mean'])} (95 % interval {signed(found['low'])} to {signed(found['high'])})"
    return (
        f"Penchant is <strong>{VERDICTS[verdict(found)]}</strong> {kind}{escape(model)}: {escape(main.main)} is "
        f"{short(main.mean(OURS))} against {short(main.mean(model))}, a difference of {apart}."
    )


def _hits(main: Variant) -> Iterator[str]:
    recall = next((name for name in main.measures if name.startswith("Recall@")), None)
    if recall is None:
        return
    of = {name: main.models[name][recall] for name in (OURS, *main.baselines[:1])}
    said = [f"{one['mean']:.1%} ({one['low']:.1%} to {one['high']:.1%})" for one in of.values()]
    beside = f"; with {escape(main.baselines[0])} {said[1]}" if main.baselines else ""
    yield (
        f"<p>Of what somebody turned to next, {said[0]} on average stood among the first "
        f"{escape(recall.partition('@')[2])} of their list{beside}.</p>"
    )


def _models(main: Variant) -> Iterator[str]:
    yield "<section><h2>Beside simple baselines</h2>"
    rows = [Bar(name, main.models[name][main.main], tone(name)) for name in main.order]
    caption = (
        f"{main.main}, longer is better; whiskers: 95 % intervals. Blue: Penchant, light blue: parts of its score."
    )
    yield figure("models", f"{caption} {_told(rows)}", caption, bars(rows))
    known = {name: MODELS[name] for name in main.order if name in MODELS}
    yield f"<details><summary>What these models are</summary>{listed(known)}</details>"
    yield _measures(main, "All measures")
    leads: list[Row] = [[name, *_leads(main, name)] for name in main.order if main.lead(name)]
    if leads:
        caption = "How far Penchant is ahead, over the same users, with the 95 % interval of the difference"
        yield table(caption, ["against", *main.measures], leads)
    served = next(
        (name for name in main.models if name.startswith(OURS) and name.endswith("through the service")), None
    )
    if served:
        own, other = main.ours, main.models[served]
        apart = (f"{escape(one)} {signed(other[one]['mean'] - own[one]['mean'])}" for one in main.measures)
        yield f"<p>{escape(served)}, against the same score computed in memory: {', '.join(apart)}.</p>"
    yield "</section>"


def _measures(variant: Variant, caption: str) -> str:
    body: list[Row] = [
        [name, *(estimate(variant.models[name][one]) for one in variant.measures)] for name in variant.order
    ]
    return table(f"{caption}, with 95 % intervals", ["model", *variant.measures], body, strong=OURS)


def _leads(main: Variant, model: str) -> Iterator[Cell]:
    for measure in main.measures:
        found = main.lead(model, measure)
        yield lead(found) if found else Cell("–")


def _slices(main: Variant) -> Iterator[str]:
    histories = main.slices(tuple(f"{name} events known" for name in HISTORIES))
    items = main.slices(("new items", "known items"))
    if not histories and not items:
        return
    yield '<section><h2>For whom it works</h2><div class="charts">'
    below = f"The numbers below: asks. Slices of fewer than {DRAWN} are in the table only."
    for key, names, words in (
        ("known", histories, "by how many events were known of the user"),
        ("new", items, f"where all that came next had fewer than {NEW_ITEM} users so far, and elsewhere"),
    ):
        drawn = [name for name in names if main.ours["slices"][name]["asks"] >= DRAWN]
        if drawn:
            yield _grouped(main, key, drawn, f"{main.main} {words}. {below}")
    yield "</div>"
    models = main.compared()
    body: list[Row] = [
        [name, _count(main, name), *(estimate(_slice(main, model, name)) for model in models)]
        for name in (*histories, *items)
    ]
    found = table(f"{main.main} by slice, with 95 % intervals", ["slice", "asks", *models], body)
    yield f"<details><summary>The same as a table</summary>{found}</details></section>"


def _grouped(main: Variant, key: str, names: Sequence[str], caption: str) -> str:
    series = [Series(model, [_slice(main, model, name) for name in names], tone(model)) for model in main.compared()]
    words = "; ".join(
        f"{one.label}: " + ", ".join(f"{name} {short(e['mean'])}" for name, e in zip(names, one.estimates, strict=True))
        for one in series
    )
    labels = [name.removesuffix(" events known") for name in names]
    return figure(key, f"{caption} {words}", caption, groups(labels, [_count(main, name) for name in names], series))


def _slice(main: Variant, model: str, name: str) -> Estimate:
    found: Estimate = main.models[model]["slices"][name][main.main]
    return found


def _count(main: Variant, name: str) -> str:
    return f"{main.ours['slices'][name]['asks']:,}"


def _late(main: Variant, others: Sequence[Variant], plan: str) -> Iterator[str]:
    if not others:
        return
    yield "<section><h2>What being late costs</h2>"
    rows = [Bar(variant.name, variant.ours[main.main], "ours") for variant in (main, *others)]
    if main.baselines:
        best = main.baselines[0]
        rows.append(Bar(f"{best}, {main.name}", main.models[best][main.main], tone(best)))
    caption = f"{main.main} of Penchant where what happens is learnt at once, later, or not at all."
    yield figure("late", f"{caption} {_told(rows)}", caption, bars(rows))
    words = VARIANTS.get(plan, {})
    yield listed({variant.name: words[variant.name] for variant in (main, *others) if variant.name in words})
    if any(len(variant.models) > 1 for variant in others):
        yield from (_measures(variant, f"All measures, {variant.name}") for variant in others)
    else:
        body: list[Row] = [
            [variant.name, *(estimate(variant.ours[one]) for one in main.measures)] for variant in (main, *others)
        ]
        yield table("Penchant by how late it learns, with 95 % intervals", ["learnt", *main.measures], body)
    yield "</section>"


def _looks(main: Variant) -> Iterator[str]:
    looks = {f"{name}@{SHOWN}": words for name, words in LOOKS.items() if f"{name}@{SHOWN}" in main.ours}
    if not looks:
        return
    yield f"<section><h2>Beyond hits</h2>{listed(looks)}"
    body: list[Row] = [[name, *(_look(main.models[name].get(look), look) for look in looks)] for name in main.order]
    yield table(f"Lists of {SHOWN}", ["model", *looks], body, strong=OURS)
    yield "</section>"


def _explanations(main: Variant) -> Iterator[str]:
    found = main.ours.get("explanations")
    if not found:
        return
    yield f"<section><h2>Do the explanations hold?</h2>{listed(EXPLANATIONS)}"
    body: list[Row] = [[name, estimate(found[name])] for name in EXPLANATIONS]
    caption = f"The first item of {found['asks']:,} lists, {found['things']:,} things left out, with 95 % intervals"
    yield f"{table(caption, ['measure', OURS], body)}</section>"


def _look(value: float | None, look: str) -> str:
    if value is None:
        return "–"
    return f"{value:.1%}" if look.startswith(("coverage", "new")) else f"{value:.2f}"


def _told(rows: Sequence[Bar]) -> str:
    return "; ".join(
        f"{row.label} {short(row.estimate['mean'])} ({short(row.estimate['low'])} to {short(row.estimate['high'])})"
        for row in rows
    )
