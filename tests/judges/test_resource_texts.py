"""Texts that would cost a judge its time or memory, if anything in them were worked out."""

import ast
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

import jurist
from jurist.engines import ScriptedEngine
from jurist.formats import (
    Additive,
    Direct,
    Listwise,
    Pairwise,
    Pointwise,
    Principle,
    Principles,
    Prometheus,
    Rubric,
    Rubrics,
    Scores,
    Strength,
    Synthesis,
    Terse,
    TerseAdditive,
    TersePointwise,
)
from jurist.judges import PairwiseJudge
from jurist.types import Comparison, Completion, Failure, Sampling, Verdict, user

MEGABYTE = 10**6
RUBRIC = Rubric(criteria="Is it so?", levels=("no", "hardly", "fairly", "rather", "very"))
PARSERS: dict[str, Callable[[Completion], object]] = {
    "pairwise": Pairwise().parse,
    "pairwise with ties": Pairwise(ties=True).parse,
    "direct": Direct().parse,
    "terse": Terse().parse,
    "rubrics": Rubrics().parse,
    "type": Rubrics().task_type,
    "principles": Principles(principles=(Principle(text="Be kind.", opposite="Be cruel."),)).parse,
    "strength": Strength().parse,
    "scores": lambda one: Scores().scores(one, num=16),
    "additive": Additive().parse,
    "terse-additive": TerseAdditive().parse,
    "pointwise": Pointwise().parse,
    "pointwise-direct": Pointwise(reasoning=False).parse,
    "terse-pointwise": TersePointwise().parse,
    "prometheus": Prometheus(rubric=RUBRIC).parse,
    "listwise": lambda one: Listwise().parse(one, 16),
    "synthesis": Synthesis().parse,
}
UNITS = (
    "<think></think>", "</think>", "<", "[[A]]\n", "Scores: 7, ", "a", "[[A]] ", "[[A", "[", "]",
    "\n", " ", "\r", "\u2028", "A", "<think>", "<think></thinking>", "[THINK]", "[THINK][/THINK]",
    "<think></think>[THINK][/THINK]",    "<think", "7, ",
    "Score: 5\n", "Preference: -", "[RESULT] ", "9^", "(", "\\frac{", "10!", "\U0001f600",
)  # fmt: skip

BOMBS: dict[str, str] = {
    "exponent tower": "9" + "^{9" * 300_000 + "}" * 300_000,
    "stars": "9**" * 300_000 + "9",
    "factorials": "(10^9)" + "!" * MEGABYTE,
    "nested brackets": "(" * MEGABYTE + ")" * MEGABYTE,
    "nested LaTeX": "\\frac{1}{" * 100_000 + "1" + "}" * 100_000,
    "nested marks": "[[" * 500_000 + "A" + "]]" * 500_000,
    "nested JSON": '{"a":[' * 200_000 + "1",
    "a number of a million digits": "9" * MEGABYTE,
    "ten megabytes": "So it goes on. " * 700_000,
    "a slow pattern's text": "a " * 500_000 + "[[",
    "combining marks": "A" + "\u0301" * 500_000,
}


def process_seconds(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


@pytest.mark.fault(20, "long reply")
@pytest.mark.parametrize("name", PARSERS)
def test_a_megabyte_is_parsed_in_under_fifty_milliseconds(name: str, size, figure):
    parse = PARSERS[name]
    slowest = 0.0
    for unit in UNITS[: size(6, len(UNITS))]:
        for start in ("", "<think>", "x\n")[: size(1, 3)]:
            text = start + unit * (MEGABYTE // len(unit.encode())) + "x"
            reply = Completion(text=text, finish_reason="stop")
            seconds = min(process_seconds(partial(parse, reply)) for _ in range(2))
            slowest = max(slowest, seconds)
            assert seconds < 0.05, ascii(start + unit)
    figure("parse_milliseconds", 1000 * slowest)


def judged(response: str, reply: str) -> list[object]:
    """Verdicts on three comparisons, the middle one with this response and this reply."""
    texts = iter(["[[A]]", f"{reply}\n[[B]]", "[[B]]"])
    judge = PairwiseJudge(
        ScriptedEngine(lambda prompt, index: Completion(text=next(texts), finish_reason="stop")),
        format=Pairwise(),
        sampling=Sampling(max_tokens=10**9),
    )
    plain = Comparison(prompt=user("What is 2 + 2?"), first="4", second="5")
    shown = Comparison(prompt=user("What is 2 + 2?"), first="4", second=response)
    return [one.outcome for (one,) in judge([plain, shown, plain])]


@pytest.mark.fault(20, "exponent tower", "nested brackets", "long reply")
@pytest.mark.parametrize("name", BOMBS)
def test_a_text_that_would_be_costly_to_work_out_is_only_read(name: str):
    bomb = BOMBS[name]
    seconds = process_seconds(lambda: judged(bomb, bomb))
    assert seconds < 6.0
    # The comparisons before and after it are judged as ever.
    assert judged(bomb, bomb) == [Verdict.FIRST, Verdict.SECOND, Verdict.SECOND]
    assert Additive().parse(said(f"Score: {bomb}")) is Failure.UNPARSEABLE
    assert Scores().parse(said(f"Scores: {bomb}, 1")) is Failure.UNPARSEABLE


def said(text: str) -> Completion:
    return Completion(text=text, finish_reason="stop")


ALL_BOMBS = """
import importlib.util, resource, sys
spec = importlib.util.spec_from_file_location("bombs", sys.argv[1])
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
before = resource.getrusage(resource.RUSAGE_SELF)
resource.setrlimit(resource.RLIMIT_AS, (4 * 2**30, 4 * 2**30))
for bomb in module.BOMBS.values():
    module.judged(bomb, bomb)
after = resource.getrusage(resource.RUSAGE_SELF)
# Not ru_maxrss: a process begins with that of the one it was forked from.
peak = open("/proc/self/status").read().partition("VmHWM:")[2].split()[0]
print(after.ru_utime - before.ru_utime, int(peak) / 1024)
"""


@pytest.mark.fault(20, "exponent tower", "nested brackets", "long reply")
def test_all_of_them_together_stay_below_a_gibibyte(figure):
    done = subprocess.run(
        [sys.executable, "-c", ALL_BOMBS, __file__],
        capture_output=True,
        text=True,
        check=False,
        timeout=250,
    )
    assert done.returncode == 0, done.stderr
    seconds, mebibytes = map(float, done.stdout.split())
    figure("peak_memory_mib", mebibytes)
    assert seconds < 6.0 and mebibytes < 1024


@pytest.mark.fault(20, "exponent tower")
def test_nothing_in_the_package_works_out_what_a_text_says():
    calls: list[str] = []
    for path in sorted(Path(jurist.__file__).parent.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                calls.append(node.func.id)
            if isinstance(node, ast.Import):
                calls += [one.name.partition(".")[0] for one in node.names]
            if isinstance(node, ast.ImportFrom) and node.module:
                calls.append(node.module.partition(".")[0])
    evaluating = {"eval", "exec", "compile", "sympy", "math_verify", "latex2sympy2", "numexpr"}
    assert evaluating.isdisjoint(calls)
    assert "json" in calls and "len" in calls
