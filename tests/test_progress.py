import itertools
import re

from jurist import progress as module
from jurist.progress import progress


def test_a_log_that_is_no_terminal_gets_plain_lines_with_rate_and_time_left(capsys, monkeypatch):
    # Ten seconds pass at each look at the clock, so the second and fourth steps are due a line.
    clock = itertools.count(0.0, 10.0)
    monkeypatch.setattr(module.time, "monotonic", lambda: next(clock))
    with progress("judging", 8, "pairs") as advance:
        for _ in range(4):
            advance(2)
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "judging: 4/8 pairs, 0.2 pairs/s, 20 s left",
        "judging: 8/8 pairs, 0.2 pairs/s, 0 s left",
    ]


def test_a_terminal_gets_a_bar_and_bars_may_be_nested(capsys, monkeypatch):
    monkeypatch.setattr(module.sys.stderr, "isatty", lambda: True, raising=False)
    with progress("rounds", 2, "rounds") as outer, progress("traces", 4, "traces") as inner:
        inner(4)
        outer(2)
    shown = capsys.readouterr().err
    assert re.search(r"rounds.*2/2", shown)
    assert module._bars is None


def test_a_terminal_that_cannot_go_back_gets_lines(capsys, monkeypatch):
    monkeypatch.setattr(module.sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(module, "PLAIN_INTERVAL_SECONDS", 0.0)
    monkeypatch.setenv("TERM", "dumb")
    with progress("judging", 2, "pairs") as advance:
        advance(2)
    assert capsys.readouterr().err.startswith("judging: 2/2 pairs")
