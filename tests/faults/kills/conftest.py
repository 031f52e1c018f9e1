"""A little data, and what sees that something is kept of it."""

import importlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from jurist.data import Candidate, Pool, write_preferences
from jurist.data.pools import pool_row
from jurist.worlds import preferences

collect_ignore = ["fighting.py", "killing.py"]


@pytest.fixture(scope="session")
def killing(forking) -> Iterator[ModuleType]:
    """The module of runs that are killed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(Path(__file__).parent)
        yield importlib.import_module("killing")


@pytest.fixture(scope="session")
def watch(forking) -> Callable[[Path], object]:
    """Sees when something new is kept in a folder."""
    return importlib.import_module("zygote").Watch


@pytest.fixture(scope="session")
def pairs(tmp_path_factory) -> Path:
    """A folder of a few preferences of the world that ships: train.jsonl and test.jsonl."""
    folder = tmp_path_factory.mktemp("pairs")
    for name, num in (("train", 12), ("test", 4)):
        found = preferences("in_distribution", name, num=num, seed=0)
        write_preferences(folder / f"{name}.jsonl", found)
    return folder


@pytest.fixture
def prompts(tmp_path) -> Path:
    """A file of a few prompts without responses."""
    path = tmp_path / "prompts.jsonl"
    with path.open("w") as file:
        for one in preferences("in_distribution", "train", num=12, seed=2):
            candidates = (Candidate(text=""),)
            row = pool_row(Pool(id=one.id, prompt=one.prompt, candidates=candidates, group="g"))
            file.write(json.dumps({name: row[name] for name in ("id", "prompt")}) + "\n")
    return path
