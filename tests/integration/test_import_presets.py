"""The presets on the real data sets, with the counts that their SOURCE.md files give."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest
from penchant_cli.importing import PRESETS, Checked, Report, check, read_events, read_items
from penchant_cli.importing.checking import Kind

DATA = Path(os.environ.get("PENCHANT_TEST_DATA", Path(__file__).parents[2].parent / "shared" / "data"))

pytestmark = pytest.mark.skipif(
    not DATA.is_dir(), reason="the data sets are not here; PENCHANT_TEST_DATA says where they are"
)

RETAIL = "online_retail/online_retail_to_2011-08.csv.gz"
REVIEWS = "instrument_reviews/musical_instruments_5core_reviews.csv.gz"


Check = Callable[[str, Kind, str], Checked]


@pytest.fixture(scope="module")
def checked() -> Iterator[Check]:
    """Checks a file with a preset, each once for all tests: the larger ones take a quarter of a minute."""
    with ExitStack() as stack:

        @cache
        def once(preset: str, kind: Kind, file: str) -> Checked:
            if not (DATA / file).exists():
                pytest.skip(f"{file} is not here")
            return stack.enter_context(check(DATA / file, kind, PRESETS[preset].options(kind)))

        yield once


def counts(report: Report) -> dict[str, int]:
    assert report.read == report.accepted + report.bad_count + report.duplicates.count + sum(
        tally.count for tally in report.skipped.values()
    )
    return {"read": report.read, "accepted": report.accepted, "bad": report.bad_count, "again": report.duplicates.count}


@pytest.mark.parametrize(
    ("preset", "kind", "file", "expected"),
    [
        # Counts of SOURCE.md, nothing lost: 12,101 items and 198,502 purchases.
        ("amazon_beauty", "items", "amazon_beauty/items.tsv", (12_101, 12_101, 0, 0)),
        ("amazon_beauty", "events", "amazon_beauty/user_sequence.txt.gz", (198_502, 198_502, 0, 0)),
        # 9,742 films, 100,836 ratings, 3,683 tags.
        ("movielens_small", "items", "movielens_small/movies.csv", (9_742, 9_742, 0, 0)),
        ("movielens_small", "events", "movielens_small/ratings.csv.gz", (100_836, 100_836, 0, 0)),
        ("movielens_tags", "events", "movielens_small/tags.csv", (3_683, 3_683, 0, 0)),
        # 10,261 reviews of 900 instruments: every later review of an instrument is the same item again.
        ("instrument_reviews", "items", REVIEWS, (10_261, 900, 0, 9_361)),
        ("instrument_reviews", "events", REVIEWS, (10_261, 10_261, 0, 0)),
        # 62,774 texts, one of them empty.
        ("shopping_reviews_zh", "items", "shopping_reviews_zh/online_shopping_10_cats.zip", (62_774, 62_773, 1, 0)),
        # 17,632 artists, 92,834 pairs of user and artist.
        ("lastfm_friends", "items", "lastfm_friends/artists.dat", (17_632, 17_632, 0, 0)),
        ("lastfm_friends", "events", "lastfm_friends/user_artists.dat", (92_834, 92_834, 0, 0)),
        # 320,705 lines; 226,488 are sales; see below for what is left out of them. 3,388 of their 3,394 stock codes are
        # products; every further line of a product is the same item again.
        ("online_retail", "items", RETAIL, (320_705, 3_388, 0, 222_170)),
        # A product on two lines of one invoice is bought once: 4,503 such lines.
        ("online_retail", "events", RETAIL, (320_705, 221_055, 0, 4_503)),
    ],
)
def test_every_record_of_a_known_set_is_accounted_for(
    checked: Check, preset: str, kind: Kind, file: str, expected: tuple[int, ...]
) -> None:
    assert tuple(counts(checked(preset, kind, file).report).values()) == expected


def test_the_shop_leaves_out_what_is_no_sale_of_a_product(checked: Check) -> None:
    found = checked("online_retail", "events", RETAIL)
    skipped = {reason: tally.count for reason, tally in found.report.skipped.items()}
    assert skipped == {
        "cancelled invoice": 5_847,
        "no customer": 88_370,
        # Postage, carriage, manual lines, bank charges, discounts …
        "not a product (postage, fee, discount, manual …)": 910,
        "given away (price 0)": 20,
    }
    # What SOURCE.md counts as sales, before the last two reasons.
    assert 320_705 - 5_847 - 88_370 == 226_488
    kinds = {event.type for _, event in found.events()}
    users = {event.user_id for _, event in found.events()}
    assert kinds == {"purchase"}
    # 3,317 customers of SOURCE.md without the three who had only manual lines and bank charges.
    assert len(users) == 3_314


def test_titles_of_films_lose_their_year_and_genres_become_categories() -> None:
    if not (DATA / "movielens_small").is_dir():
        pytest.skip("movielens_small is not here")
    films = {i.item_id: i for i in read_items(DATA / "movielens_small/movies.csv", PRESETS["movielens_small"].items)}
    assert (films["1"].title, films["1"].attributes["year"]) == ("Toy Story", "1995")
    assert list(films["1"].categories) == ["Adventure", "Animation", "Children", "Comedy", "Fantasy"]
    # Twelve titles have no year at all, "Babylon 5" for one.
    assert sum("year" not in film.attributes for film in films.values()) == 12
    assert not any("(no genres listed)" in film.categories for film in films.values())


def test_every_event_of_a_set_is_about_an_item_of_it(checked: Check) -> None:
    for preset, items, events in (
        ("movielens_small", "movielens_small/movies.csv", "movielens_small/ratings.csv.gz"),
        ("online_retail", RETAIL, RETAIL),
    ):
        known = {item.item_id for _, item in checked(preset, "items", items).items()}
        assert {event.item_id for _, event in checked(preset, "events", events).events()} <= known


def test_sequences_end_on_the_last_day_in_their_own_order() -> None:
    path = DATA / "amazon_beauty/user_sequence.txt.gz"
    if not path.exists():
        pytest.skip("amazon_beauty is not here")
    options = PRESETS["amazon_beauty"].options("events")
    events = [e for e in read_events(path, options) if e.user_id == "A1YJEY40YUW4SE"]
    assert [e.item_id for e in events] == ["B004756YJA", "B004ZT0SSG", "B0020YLEYK", "7806397051", "B002WLWX82"]
    times = [e.occurred_at.seconds for e in events]
    assert [after - before for before, after in pairwise(times)] == [86_400] * 4
    assert times[-1] % 86_400 == 0


def test_html_entities_of_titles_are_resolved(checked: Check) -> None:
    titles = [item.title for _, item in checked("amazon_beauty", "items", "amazon_beauty/items.tsv").items()]
    assert not any("&#" in title or "&amp;" in title for title in titles)
    assert any("★" in title for title in titles)
