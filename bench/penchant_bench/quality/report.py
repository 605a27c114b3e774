"""Quality figures as the Markdown of the page of results."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from penchant_relevance.compressing.table import cells, header, measure_of
from penchant_relevance.evaluation import EXPLORED, OURS, TOGETHER, TRAINED

from penchant_bench.quality import cold_start
from penchant_bench.quality.cells import asked, cell, covered, lead_of, measures


def served(row: str) -> str:
    """Return the row of what another row is through a service."""
    return f"{row}, through the service"


SERVED = served(OURS)

DATA = {
    "amazon_beauty": (
        "Amazon Beauty: the last item of every user among all items, those of the history hidden. Live: the counts see "
        "everything before the target; frozen: not the step before it either."
    ),
    "movielens_small": (
        "MovieLens (ml-latest-small): replay of the newest tenth of all ratings; ask, score, then learn the rating. "
        "Ratings of 4 and more are targets."
    ),
    "online_retail": (
        "Online Retail: replay of the newest tenth of all lines; targets are the items of a customer's next invoice "
        "that the customer had not bought before."
    ),
    "lastfm_friends": (
        "Last.fm (HetRec 2011): friendships held out, among all users but known friends. First a fifth of all, "
        "then one of everybody with five friends. Settings were chosen on friendships held out of the rest."
    ),
    "shopping_reviews_zh": (
        "Chinese shop reviews of ten categories: of the ten nearest reviews, the part of the right category. The words "
        "of reviews alone; users are made up of five reviews of one category, or of two such. both@10: at least three "
        "of each category among ten; apart@10: the two strongest interests point at the two categories."
    ),
    "instrument_reviews": (
        "Reviews of musical instruments: replay of the newest tenth of all reviews; those of four stars and more are "
        "targets. The set has no titles: an item is described by telling words of what was said of it before any ask. "
        "What a review's own words would be worth is the lead over the row with words; where they count, without."
    ),
}
LEARNT = {TOGETHER: "with weights learned together", TRAINED: "with a sequence model"}
"""Row → what a measurement is called that was made for it."""
USUAL = "use-multilingual"
"""What the name of the built-in encoder begins with; another one is named above its table."""
BESIDES = {"cold_start": "cold start", "interests": "one interest or several"}
"""Key of a measurement → what it is called where it was made for that alone."""
PUBLISHED = {
    ("amazon_beauty", "frozen"): (
        "Published, same protocol, Recall@10/NDCG@10: SASRec .0921/.0531 with sampled softmax (.0605/.0318 in papers), "
        "eSASRec .0928/.0523, TIGER .0648/.0384, STAR, training-free, .0923/.0521."
    ),
}


def agreement(models: Mapping[str, Mapping[str, Any]]) -> str:
    """Return by how much the service differs from the exact score, or nothing where only one was measured."""
    told = []
    for exact in (OURS, TRAINED, TOGETHER):
        if served(exact) in models:
            differences = (
                f"{measure} {models[served(exact)][measure]['mean'] / models[exact][measure]['mean'] - 1.0:+.1%}"
                for measure in measures(models)
                if models[exact][measure]["mean"]
            )
            told.append(f"{exact}, through the service against offline: {', '.join(differences)}.")
    return " ".join(told)


def explored(models: Mapping[str, Mapping[str, Any]]) -> str:
    """Return what exploring costs and who gains, or nothing where it was not measured."""
    if EXPLORED not in models:
        return ""
    plain, found, measure = models[OURS], models[EXPLORED], measures(models)[0]
    cost = f"{measure} {found[measure]['mean'] / plain[measure]['mean'] - 1.0:+.1%}, " if plain[measure]["mean"] else ""
    looks = (f"{name} {plain[name]:.1%} → {found[name]:.1%}" for name in ("new@10", "coverage@10"))
    novelty = f"novelty@10 {plain['novelty@10']:.2f} → {found['novelty@10']:.2f} bits"
    return f"Exploring {found['share']:g} of the places: {cost}{', '.join(looks)}, {novelty}."


def explained(models: Mapping[str, Mapping[str, Any]]) -> str:
    """Return how well explanations hold, or nothing where it was not measured."""
    found = models.get(OURS, {}).get("explanations")
    if not found:
        return ""
    agreed, slope = found["agreement"], found["slope"]
    return (
        f"Explanations of {found['asks']:,} first places: what is named first costs most when left out in "
        f"{agreed['mean']:.0%} ({agreed['low']:.0%}–{agreed['high']:.0%}); of what is told, "
        f"{slope['mean']:.2f} ({slope['low']:.2f}–{slope['high']:.2f}) is lost."
    )


def rendered(measurement: Mapping[str, Any]) -> Iterator[str]:
    """Yield the Markdown lines of one measurement's file, whose kind is ``quality``."""
    settings = measurement["settings"]
    data = settings["data"]
    fixed = "tuning" in settings and settings["tuning"]["scoring"]["evidence"] == 0.0
    main = next(iter(measurement["figures"].values()))
    # Measured with everything else, what is learnt is a row like others, and a cold start a table.
    alone = [words for model, words in LEARNT.items() if model in main and "EASE" not in main]
    besides = [words for key, words in BESIDES.items() if key in measurement]
    only = "EASE" not in main and bool(besides)
    another = not settings["encoder"].startswith(USUAL)
    encoder = [f"words by {settings['encoder']}"] * another
    title = ", ".join([data, *encoder, *["with the fixed mixture as settings"] * fixed, *alone, *besides * only])
    yield from (f"### {title}", "")
    if not only:
        yield from (DATA.get(data, ""), "")
        yield from _whole(data, measurement["figures"])
    if "cold_start" in measurement:
        yield from cold_start.rendered(measurement["cold_start"])
    for group, models in measurement.get("interests", {"figures": {}})["figures"].items():
        yield from _compared(group, models)
    machine = measurement["machine"]
    yield (
        f"{measurement['when']}, {machine['cores']} cores, encoder {settings['encoder']}; intervals: 95 %, "
        f"{settings['resamples']:,} bootstrap samples of users, seed {settings['seed']}."
    )
    yield ""


def _whole(data: str, variants: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> Iterator[str]:
    first, main = next(iter(variants.items()))
    late = {}
    for variant, models in variants.items():
        if set(models) == {OURS} and len(variants) > 1:
            late[variant] = models[OURS]
            continue
        yield from _compared(variant, models)
        for remark in (agreement(models), explored(models), explained(models), PUBLISHED.get((data, variant), "")):
            if remark:
                yield from (remark, "")
    if late:
        yield from _late({first: main[OURS], **late})
    yield from _sliced(main)


def _compared(variant: str, models: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    names, coverage = measures(models), covered(models)
    yield f"**{variant}**: {asked(models)}."
    yield ""
    yield f"| model | {' | '.join((*names, *coverage))} | our lead, {names[0]} |"
    yield f"|---|{'--:|' * (len(names) + len(coverage) + 1)}"
    for name, found in models.items():
        shown = f"**{name}**" if name.startswith(OURS) else name
        lead = lead_of(found["behind"][names[0]]) if "behind" in found else ""
        cells = [*(cell(found[m]) for m in names), *(f"{found[m]:.0%}" for m in coverage)]
        yield f"| {shown} | {' | '.join(cells)} | {lead} |"
    yield ""


def _late(variants: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    names = measures(variants)
    yield from (
        "What learning later costs:",
        "",
        f"| all is learnt | {' | '.join(names)} |",
        f"|---|{'--:|' * len(names)}",
    )
    for variant, found in variants.items():
        yield f"| {variant} | {' | '.join(cell(found[m]) for m in names)} |"
    yield ""


def _sliced(models: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Yield the main measure by what is known of the user and of the target, ours beside the best other model."""
    ours = models[OURS]
    if not ours.get("slices"):
        return
    measure = measures(models)[0]
    others = {name: found for name, found in models.items() if not name.startswith(OURS)}
    best = max(others, key=lambda name: others[name][measure]["mean"])
    yield from (f"| {measure} | asks | {OURS} | {best} |", "|---|--:|--:|--:|")
    for name, found in ours["slices"].items():
        yield f"| {name} | {found['asks']:,} | {cell(found[measure])} | {cell(others[best]['slices'][name][measure])} |"
    yield ""


def tuned(measurement: Mapping[str, Any]) -> Iterator[str]:
    """Yield the Markdown lines of one search's file, whose kind is ``tune``."""
    found = measurement["figures"]
    searched, judged = found["halves"]
    yield from (f"### {measurement['settings']['data']}", "")
    yield f"{found['trials']} trials on {searched:,} asks of the validation window, {judged:,} of other users judged."
    yield from ("", f"| | {found['measure']} |", "|---|--:|")
    yield f"| settings there are | {found['default']:.4f} |"
    yield f"| tuned | {found['tuned']:.4f} |"
    yield f"| lead | {lead_of(found['lead'])} |"
    for group, worth in sorted(found["ablation"].items(), key=lambda pair: -pair[1]):
        yield f"| of it {group} | {worth:+.4f} |"
    machine = measurement["machine"]
    yield from (
        "",
        f"{measurement['when']}, {machine['cores']} cores, seed {measurement['settings']['budget']['seed']}.",
        "",
    )


def judged(measurement: Mapping[str, Any]) -> Iterator[str]:
    """Yield the Markdown lines of one thing learnt and judged: ``encoder``, ``sequence`` or ``together``."""
    found, settings = measurement["figures"], measurement["figures"]["settings"]
    searched, judging = found["halves"]
    worth = "a clear gain" if found["clear"] else "perhaps chance" if found["better"] else "off: no gain"
    yield from (f"### {measurement['settings']['data']}", "")
    yield f"Chosen on {searched:,} asks of the validation window, {judging:,} of other users judged; **{worth}**."
    yield from ("", f"| | {found['measure']} |", "|---|--:|")
    yield f"| score there is | {found['default']:.4f} |"
    if measurement["kind"] == "together":
        chosen = f"weights, λ = {settings['penalty']:g}, r = {settings['rank_decay']:g}, δ = {settings['weight']:g}"
    elif measurement["kind"] == "encoder":
        begun = measurement["settings"]["encoder"]
        chosen = f"{begun} fine-tuned, {settings['epochs']} of {len(found['curve'])} epochs"
    else:
        chosen = f"the model, weight {found['weight']:g}, {settings['epochs']} of {len(found['curve'])} epochs"
    yield f"| with {chosen} | {found['mixed']:.4f} |"
    yield f"| lead | {lead_of(found['lead'])} |"
    took = f"{found['seconds']:,.0f} s in all, " if "seconds" in found else ""
    if "pairs_per_second" in found:
        took += f"{found['pairs_per_second']:,.0f} pairs/s on {found['device']}, "
    if found.get("peak_bytes"):
        took += f"{found['peak_bytes'] / 2**30:.1f} GiB at most, "
    yield from ("", f"{measurement['when']}, {took}{measurement['machine']['cores']} cores.", "")


def _short(encoder: str) -> str:
    """Return an encoder's URL without the folders around a model's."""
    scheme, _, place = encoder.partition(":")
    path = Path(place)
    return f"{scheme}:{'/'.join(path.parts[-2:])}" if path.is_absolute() else encoder


def compressed(measurement: Mapping[str, Any]) -> Iterator[str]:
    """Yield the Markdown lines of a comparison of recipes."""
    rows, settings = measurement["figures"]["rows"], measurement["settings"]
    yield from (f"### {settings['data']}, {_short(settings['encoder'])}", "")
    yield f"{rows[0]['asks']:,} asks of the validation window; below the first row, what each recipe costs and saves."
    names = header(measure_of(rows[0]))
    yield from ("", f"| {' | '.join(names)} |", f"|---|{'--:|' * (len(names) - 1)}")
    yield from (f"| {' | '.join(row)} |" for row in cells(rows))
    yield from ("", f"{measurement['when']}, {measurement['machine']['cores']} cores.", "")
