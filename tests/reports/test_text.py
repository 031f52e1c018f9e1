import pytest
from hypothesis import given
from hypothesis import strategies as st

from jurist.reports.text import shortened, visible


@pytest.mark.parametrize(
    ("hidden", "shown"),
    [
        ("\x1b[31mred\x1b[0m", r"\x1b[31mred\x1b[0m"),
        ("\u202eevil", r"\u202eevil"),
        ("\u2066isolate\u2069", r"\u2066isolate\u2069"),
        ("zero\u200bwidth", r"zero\u200bwidth"),
        ("\x00\x07\r", r"\x00\x07\x0d"),
        ("\x9b31m", r"\x9b31m"),
        ("\ufeffmark", r"\ufeffmark"),
        ("lone \ud800", r"lone \ud800"),
        ("tag \U000e0041", r"tag \U000e0041"),
        ("line\u2028end", r"line\u2028end"),
    ],
)
def test_what_could_hide_or_act_is_written_out(hidden: str, shown: str):
    assert visible(hidden) == shown


@pytest.mark.parametrize(
    "text", ["two\nlines\tand a tab", "naïve 日本語 עברית", "👩\u200d🔬 ❤\ufe0f"]
)
def test_ordinary_text_of_any_script_stays(text: str):
    assert visible(text) == text


@given(text=st.text())
def test_visible_text_is_unicode_that_can_be_written_and_is_stable(text: str):
    assert visible(visible(text)) == visible(text)
    visible(text).encode("utf-8")


@given(text=st.text(st.sampled_from("ab \n\t\xa0\u200b\u202e\x1b\u2028é👩\u200d")))
def test_a_character_is_written_out_the_same_whatever_stands_beside_it(text: str):
    assert visible(text) == "".join(map(visible, text))


def test_short_text_is_left_alone():
    assert shortened("abc", 3) == "abc"


@given(text=st.text(min_size=10, max_size=3_000), limit=st.integers(1, 9))
def test_a_cut_keeps_both_ends_and_counts_what_is_gone(text: str, limit: int):
    head, _, rest = shortened(text, limit).partition(" [... ")
    if text.count(" [... "):
        return
    count, _, tail = rest.partition(" characters cut ...] ")
    assert text.startswith(head)
    assert text.endswith(tail)
    assert len(head) + len(tail) == limit
    assert int(count.replace(",", "")) == len(text) - limit
