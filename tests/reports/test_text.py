from hypothesis import given
from hypothesis import strategies as st

from jurist.reports.text import shortened


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
