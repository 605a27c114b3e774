"""One written form for every text."""

import time

from hypothesis import given
from hypothesis import strategies as st
from penchant_core.text import normalise, shorten


@given(st.text() | st.text(alphabet="&;<>ampltgbr/#x26＆；＜ 香", max_size=40))
def test_normalising_twice_changes_nothing(text: str) -> None:
    once = normalise(text)
    assert normalise(once) == once
    assert once == once.strip()
    assert "\x00" not in once


def test_markup_entities_and_invisible_characters_go() -> None:
    assert normalise("<p>Caf&eacute;&nbsp;&amp;amp; <b>bar</b><br/>\u200b\x00!</p>") == "Café & bar !"
    assert normalise("ＡＢＣ　１２３") == "ABC 123"
    assert normalise("3 < 4 and 5 > 2") == "3 < 4 and 5 > 2"
    assert normalise("👨‍👩‍👧 \t\n 香蕉") == "👨‍👩‍👧 香蕉"


def test_shortening_says_so() -> None:
    assert shorten("abcdef", 4) == "abc…"
    assert shorten("abcd", 4) == "abcd"


def test_hostile_markup_takes_no_longer_than_its_length() -> None:
    hostile = ["<!--" * 4000, "&" + "amp;" * 4000, "<" * 16_000, "<a " * 5000, "-->" + "<!--" * 4000, "&#38;" * 3000]
    start = time.process_time()
    for text in hostile:
        normalise(text)
    # A second of processor time is twenty times what it takes; quadratic work takes minutes.
    assert time.process_time() - start < 1.0
