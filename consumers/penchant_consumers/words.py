"""Words of a batch, encoded at once; the words that no model can read are found one by one."""

import asyncio
import secrets
from collections.abc import Iterable
from typing import TypeVar

from penchant_core.errors import EncoderFailed
from penchant_core.model import Content
from penchant_core.ports import Encoder

Read = TypeVar("Read", bound=Content)


async def unreadable(encoder: Encoder, texts: Iterable[Read], *, said: bool = False) -> dict[Read, EncoderFailed]:
    """Encode texts, so that their vectors are at hand; return those for which there is no vector, and why.

    They were *said* by users, or are items' words. Raises ``EncoderFailed`` when the model cannot read an innocent text
    either: then it is not the words, and what is put aside must depend on the words alone.
    """
    distinct = list(dict.fromkeys(texts))
    if not distinct:
        return {}
    try:
        await encoder.encode(distinct, said=said)
    except EncoderFailed:
        pass
    else:
        return {}
    answers = await asyncio.gather(*(encoder.encode([text], said=said) for text in distinct), return_exceptions=True)
    failed: dict[Read, EncoderFailed] = {}
    for text, answer in zip(distinct, answers, strict=True):
        if isinstance(answer, EncoderFailed):
            failed[text] = answer
        elif isinstance(answer, BaseException):
            raise answer
    if failed:
        # Nobody asked for it before, so no cache has it.
        await encoder.encode([f"an innocent text {secrets.token_hex(8)}"])
    return failed
