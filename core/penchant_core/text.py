"""One written form for every text, so that the same words give the same vector and the same cache key."""

import html
import re
import unicodedata

_TAG = re.compile(r"</?[A-Za-z][^<>]*>")
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
# "&amp;amp;lt;" in one step, however often it was escaped.
_ESCAPED = re.compile(r"&(?:(?:amp|#0*38|#[xX]0*26);)+")
_ROUNDS = 16
_INVISIBLE = {"Cc", "Cf", "Cs", "Co", "Cn"}
# Joiners that change what the reader sees: emoji families, Persian and Indic scripts.
_JOINERS = {"\u200c", "\u200d"}


def normalise(text: str) -> str:
    """Return *text* without markup and invisible characters, NFKC-folded, white space folded to single spaces.

    HTML entities are resolved, however often they were escaped, and tags become spaces. Normalising twice changes
    nothing, but for texts made to need more than 16 rounds. Takes time in proportion to the length.
    """
    for _ in range(_ROUNDS):
        cleaned = _clean(text)
        if cleaned == text:
            break
        text = cleaned
    return text


def _clean(text: str) -> str:
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    if "&" in text:
        text = html.unescape(_ESCAPED.sub("&", text))
    if "<" in text:
        # Behind the last "-->" no comment can end; looking for one from every "<!--" there would take for ever.
        end = text.rfind("-->") + 3
        text = _TAG.sub(" ", _COMMENT.sub(" ", text[:end]) + text[end:] if end > 2 else text)  # noqa: PLR2004 found
    if not text.isprintable():
        text = "".join(c for c in text if c.isspace() or c in _JOINERS or unicodedata.category(c) not in _INVISIBLE)
    return " ".join(text.split())


def shorten(text: str, characters: int = 200) -> str:
    """Return at most so many *characters* of *text*, the last one an ellipsis where it was cut."""
    return text if len(text) <= characters else text[: characters - 1] + "…"
