"""Tokenizers of three families, small enough to be made in a test, and judges by a table of
probabilities; commands in processes that are forked; settings of all tests, and the record of
those that inject a fault."""

import importlib
import itertools
import json
import signal
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import settings

from jurist.types import Comparison, Failure, Judgement, Verdict
from jurist.worlds import BASE

# A test fails for what it finds, not for how busy the machine is.
settings.register_profile("jurist", deadline=None)
settings.load_profile("jurist")


def pytest_addoption(parser: pytest.Parser):
    parser.addoption("--full", action="store_true", help="faults at their full number, not a few")
    parser.addoption("--record-faults", metavar="FILE", help="write what tests of faults showed")


def pytest_collection_modifyitems(items: list[pytest.Item]):
    for item in items:
        marks = [mark.args for mark in item.iter_markers("fault")]
        faults = [(number, part) for number, *parts in marks for part in parts]
        item.user_properties += [("fault", fault) for fault in faults]


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config):
    path = config.getoption("--record-faults", None)
    # Processes that run tests for another one tell it, and it writes.
    if path and not hasattr(config, "workerinput"):
        config.pluginmanager.register(FaultRecord(Path(path)))


@dataclass(eq=False)  # plugins are kept in sets
class FaultRecord:
    """Writes a line of JSON for every test that injects faults."""

    path: Path

    def __post_init__(self):
        self.path.write_text("", "utf-8")

    def pytest_runtest_logreport(self, report: pytest.TestReport):
        if report.when != "call" and report.passed:
            return
        if not (faults := [value for name, value in report.user_properties if name == "fault"]):
            return
        line = {
            "test": report.nodeid,
            "outcome": report.outcome,
            "seconds": report.duration,
            "faults": faults,
            "figures": [value for name, value in report.user_properties if name == "figure"],
        }
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


@pytest.fixture
def figure(record_property: Callable[[str, object], None]) -> Callable[[str, float], None]:
    """Tells a number for the page of reliability: `figure("kills", 20)`. Counts of one name are
    added up; what ends in `_seconds`, `_milliseconds`, `_mib`, `_ratio` or `_percent` is shown by
    its spread."""
    return lambda name, value: record_property("figure", (name, value))


@pytest.fixture(scope="session")
def size(pytestconfig: pytest.Config) -> Callable[[int, int], int]:
    """How often to repeat something: `size(few, many)`, many with `--full` (`make faults`)."""
    return lambda few, many: many if pytestconfig.getoption("--full", False) else few


collect_ignore = ["forking.py", "zygote.py"]


@pytest.fixture(scope="session")
def forking() -> Iterator[ModuleType]:
    """The module of processes that are forked."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(Path(__file__).parent)
        yield importlib.import_module("forking")


@pytest.fixture(scope="session")
def zygote(forking) -> Iterator[Any]:
    """The process that starts and kills others, one for all tests here."""
    zygote = forking.Zygote()
    yield zygote
    zygote.close()


@pytest.fixture(scope="session")
def forked(zygote, tmp_path_factory) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run a command in a folder, in a process that did not have to import what others have.

    What else is given is when to end it (`Order` in `zygote.py`). The `args` of what
    comes back are the answer to the order.
    """
    kept = tmp_path_factory.mktemp("said")
    numbers = itertools.count()

    def run(folder: Path, *arguments: object, **order: object) -> subprocess.CompletedProcess[str]:
        number = next(numbers)
        output, errors = kept / f"{number}.out", kept / f"{number}.err"
        order = order or {"seconds": None, "changes": 10**9, "watched": False}
        answer = zygote.obey(
            arguments=[*map(str, arguments)], folder=folder, log=output, errors=errors, **order
        )
        said = [path.read_text("utf-8") for path in (output, errors)]
        return subprocess.CompletedProcess(answer, answer["status"], *said)

    return run


@pytest.fixture
def restored_signals() -> Iterator[None]:
    """Handlers as they were, after a test that calls the command line in this process."""
    before = {one: signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    yield
    for one, handler in before.items():
        signal.signal(one, handler)


@pytest.fixture
def drawn():
    """Of a test in a folder whose reports are without figures: in this one they are drawn."""


@pytest.fixture
def undrawn(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch):
    """Reports without figures, as where Matplotlib is not installed: drawing them takes longer than
    most of what ends in a report here."""
    if "drawn" not in request.fixturenames:
        for module in ("html", "paper_pages"):
            # By the module's name: the package has functions of the same names.
            there = importlib.import_module(f"jurist.reports.{module}")
            monkeypatch.setattr(there, "can_draw", lambda: False)


CHATML = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
LLAMA3 = (
    "{{ '<|begin_of_text|>' }}{% for m in messages %}"
    "{{ '<|start_header_id|>' + m['role'] + '<|end_header_id|>\n\n' + m['content'] | trim"
    " + '<|eot_id|>' }}{% endfor %}{% if add_generation_prompt %}"
    "{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"
)


def byte_tokenizer(template: str | None, special: list[str], **named: str):
    """A tokenizer of bytes and of the special tokens given."""
    # Here, and not above: most tests need neither library, and both take their time to load.
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    backend = Tokenizer(models.BPE(vocab={c: i for i, c in enumerate(letters)}, merges=[]))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    backend.add_special_tokens([AddedToken(s, special=True, normalized=False) for s in special])
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend, clean_up_tokenization_spaces=False, **named
    )
    tokenizer.chat_template = template
    return tokenizer


def chatml():
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    return byte_tokenizer(CHATML, special, eos_token="<|im_end|>", pad_token="<|endoftext|>")


def llama3():
    # As published: the token that ends a turn is special, yet nothing but the template names it.
    special = ["<|begin_of_text|>", "<|end_of_text|>"]
    special += ["<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"]
    return byte_tokenizer(
        LLAMA3, special, bos_token="<|begin_of_text|>", eos_token="<|end_of_text|>"
    )


def terse():
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(BASE)


FAMILIES = {"chatml": chatml, "llama3": llama3, "terse": terse}


@pytest.fixture(params=FAMILIES)
def family(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def tokenizer(family: str):
    return FAMILIES[family]()


@pytest.fixture(scope="session")
def make_tokenizer():
    """Of one named family, or of a template and special tokens of the test's own."""

    def make(family: str = "", template: str | None = None, special: tuple[str, ...] = (), **named):
        return FAMILIES[family]() if family else byte_tokenizer(template, list(special), **named)

    return make


@dataclass
class Stating:
    """States the probability that a function of the two texts gives; None is a failure."""

    probability: Callable[[str, str], float | None]
    asked: list[Comparison] = field(default_factory=list)
    calls: int = 0

    def __call__(self, comparisons: Sequence[Comparison]) -> list[list[Judgement]]:
        self.calls += 1
        self.asked += comparisons
        return [[self.judge(one)] for one in comparisons]

    def judge(self, one: Comparison) -> Judgement:
        p = self.probability(one.first, one.second)
        if p is None:
            return Judgement(text="?", outcome=Failure.UNPARSEABLE, num_tokens=3)
        outcome = Verdict.TIE if p == 0.5 else Verdict.FIRST if p > 0.5 else Verdict.SECOND
        return Judgement(text="", outcome=outcome, probability=p, num_tokens=3, num_prompt_tokens=9)


@pytest.fixture(scope="session")
def make_stating():
    return Stating
