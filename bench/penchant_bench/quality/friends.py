"""Last.fm's friends: whom to recommend to whom, by what they listen to and who their friends are."""

import asyncio
import csv
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
from penchant_core.errors import InvalidSetting
from penchant_core.matching import Matching
from penchant_core.text import normalise
from penchant_relevance import metrics
from penchant_relevance.encoding import encode_texts
from penchant_relevance.matching import Network, evaluated

from penchant_bench import figures
from penchant_bench.quality.study import Asking

NAME = "lastfm_friends"


def measure(folder: Path, asking: Asking) -> dict[str, Any]:
    """Return what is written of it; *folder* holds the .dat files. Raises ``InvalidSetting`` where one is missing."""
    plays, friends, names = _table(folder, "user_artists"), _table(folder, "user_friends"), _artists(folder)
    users, artists = np.union1d(plays[:, 0], friends.ravel()), np.unique(plays[:, 1])
    # A few artists have a name of nothing but markup; the encoder wants every text to say something.
    words = [names.get(artist) or str(artist) for artist in artists.tolist()]
    vectors, model = asyncio.run(encode_texts(words, (), asking.encoder, asking.progress))
    rows, columns = np.searchsorted(users, plays[:, 0]), np.searchsorted(artists, plays[:, 1])
    amounts = sp.csr_matrix((plays[:, 2].astype(np.float64), (rows, columns)), shape=(len(users), len(artists)))
    pairs = np.searchsorted(users, friends)
    network = Network(amounts, vectors, np.unique(pairs[pairs[:, 0] < pairs[:, 1]], axis=0))
    matching = Matching()
    settings = {"data": NAME, "encoder": model, "matching": asdict(matching), "validation": asking.validation}
    settings |= {"seed": metrics.SEED, "resamples": metrics.RESAMPLES}
    settings["log"] = {"users": len(users), "items": len(artists), "ties": len(network.ties), "plays": len(plays)}
    return figures.document(NAME, "quality", settings, evaluated(network, matching, validation=asking.validation))


def _table(folder: Path, name: str) -> "np.ndarray[Any, np.dtype[np.int64]]":
    """Return a file of whole numbers below a header, shape (lines, columns)."""
    with _file(folder, name).open(encoding="utf-8") as file:
        return np.array([[int(cell) for cell in row] for row in list(csv.reader(file, delimiter="\t"))[1:]], np.int64)


def _artists(folder: Path) -> dict[int, str]:
    # Names hold quotation marks that quote nothing.
    with _file(folder, "artists").open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        return {int(row["id"]): normalise(row["name"]) for row in rows}


def _file(folder: Path, name: str) -> Path:
    path = folder / f"{name}.dat"
    if not path.is_file():
        raise InvalidSetting(f"{folder} has no {path.name}; put it there as its SOURCE.md says", field="data")
    return path
