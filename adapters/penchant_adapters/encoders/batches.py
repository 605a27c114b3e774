"""How texts of different lengths are cut into batches: a pure rule, the same for every model."""

from collections.abc import Iterator, Sequence


def padded_batches(lengths: Sequence[int], most_tokens: int) -> Iterator[list[int]]:
    """Group the positions of texts of so many tokens, longest first.

    No batch exceeds *most_tokens* once padded to its longest text; a longer text comes alone.
    """
    batch: list[int] = []
    for position in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        if batch and lengths[batch[0]] * (len(batch) + 1) > most_tokens:
            yield batch
            batch = []
        batch.append(position)
    if batch:
        yield batch
