"""The judge of these tests, for programs that run in processes of their own."""

from jurist.types import Failure, Judgement, Verdict


def longer(first, second):
    """The longer one, to nine in ten; nothing where an x stands in the first."""
    return None if "x" in first else 0.9 if len(first) > len(second) else 0.1


def judge(comparisons):
    """States the probability that `longer` gives."""
    found = []
    for one in comparisons:
        p = longer(one.first, one.second)
        outcome = Failure.UNPARSEABLE if p is None else Verdict.FIRST if p > 0.5 else Verdict.SECOND
        found.append([Judgement(text="so it is", outcome=outcome, probability=p)])
    return found
