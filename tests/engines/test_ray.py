"""Actors of a Ray cluster on this machine: one engine, whatever becomes of an actor."""

import os
import sqlite3
import sys
from functools import partial
from pathlib import Path

import pytest

from jurist.engines import Cached
from jurist.errors import ConfigError, DataError, EngineError
from jurist.types import Sampling, StoppingRule, user

PROMPTS = [user(f"prompt {number} " + "long " * (number % 7)) for number in range(20)]
SAMPLING = Sampling(num_samples=3, max_tokens=10)


def test_without_ray_it_says_what_to_install(worker_engines, monkeypatch):
    from jurist.engines.ray import open_actors

    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ConfigError, match=r"Ray, which is not installed: pip install 'jurist\[ray"):
        open_actors(worker_engines.scripted, 2)


@pytest.fixture(scope="module")
def cluster(worker_engines):
    """Two processors of this machine as a cluster, for all tests of this file."""
    ray = pytest.importorskip("ray", reason="Ray is not installed: pip install 'jurist[ray]'")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(path for path in sys.path if path))
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.delenv("RAY_ADDRESS", raising=False)
        ray.init(
            address="local",
            num_cpus=2,
            include_dashboard=False,
            log_to_driver=False,
            logging_level="ERROR",
        )
        yield ray
        ray.shutdown()


@pytest.fixture
def open_actors(cluster):
    from jurist.engines.ray import open_actors

    return partial(open_actors, threads=1)


@pytest.mark.parametrize(("num", "job_size"), [(1, 128), (2, 7)])
def test_neither_their_number_nor_the_cut_changes_an_answer(
    open_actors, worker_engines, num, job_size
):
    alone = worker_engines.scripted()
    with open_actors(worker_engines.scripted, num, job_size=job_size) as actors:
        assert actors.generate(PROMPTS, SAMPLING) == alone.generate(PROMPTS, SAMPLING)
        texts = [["A", "B"]] * len(PROMPTS)
        assert actors.score(PROMPTS, texts) == alone.score(PROMPTS, texts)
        rule = StoppingRule(lambda samples: int(len(samples[1]) < 2), 2)
        early = actors.generate(PROMPTS, SAMPLING, rule)
        assert early == alone.generate(PROMPTS, SAMPLING, rule)
        assert [len(replies) for replies in early] == [2] * len(PROMPTS)
        assert actors.fingerprint == alone.fingerprint


def test_all_of_them_work_on_as_many_threads_as_they_were_given(open_actors, worker_engines):
    with open_actors(worker_engines.says_who, 2, job_size=1) as actors:
        lists = actors.generate(PROMPTS, SAMPLING)
    said = {reply.text for replies in lists for reply in replies}
    assert len(said) == 2
    assert all(text.endswith(" 1") for text in said)


def test_an_actor_that_dies_is_replaced_and_its_work_done_again(
    open_actors, worker_engines, tmp_path, caplog
):
    asked = [*PROMPTS, user("deadly")]
    make = partial(worker_engines.deadly, tmp_path / "marker", once=True)
    with open_actors(make, 2, job_size=9) as actors:
        lists = actors.generate(asked, SAMPLING)
    assert lists == worker_engines.scripted().generate(asked, SAMPLING)
    assert "a worker died" in caplog.text


def test_work_that_kills_whoever_does_it_stops_the_run_and_the_rest_is_kept_once(
    open_actors, worker_engines, tmp_path: Path
):
    make = partial(worker_engines.deadly, tmp_path / "marker", once=False)
    store = tmp_path / "store.sqlite"
    with (
        open_actors(make, 1, job_size=3) as actors,
        Cached(actors, store, chunk_size=3 * len(PROMPTS)) as cached,
        pytest.raises(EngineError, match="1 prompts, like 1 before it"),
    ):
        cached.generate([*PROMPTS, user("deadly")], SAMPLING)
    with sqlite3.connect(store) as kept:
        assert kept.execute("SELECT count(*) FROM completions").fetchone() == (3 * len(PROMPTS),)
    with open_actors(worker_engines.scripted, 2) as actors, Cached(actors, store) as cached:
        assert cached.generate(PROMPTS, SAMPLING) == worker_engines.scripted().generate(
            PROMPTS, SAMPLING
        )
        assert cached.misses == 0


def test_errors_are_raised_here_with_their_type(open_actors, worker_engines):
    with open_actors(worker_engines.refusing, 2, job_size=6) as actors:
        with pytest.raises(DataError, match="does not fit the model's context"):
            actors.generate([*PROMPTS, user("too long")], SAMPLING)
        with pytest.raises(ZeroDivisionError, match="by nothing"):
            actors.generate([user("bug")], SAMPLING)
        assert actors.generate(PROMPTS, SAMPLING) == worker_engines.scripted().generate(
            PROMPTS, SAMPLING
        )
    with pytest.raises(ConfigError, match="no such model: nowhere"):
        open_actors(worker_engines.missing, 2)
    with pytest.raises(EngineError, match="before it was ready"):
        open_actors(worker_engines.dead_at_once, 1)
    with pytest.raises(EngineError, match="two actors made unlike engines"):
        open_actors(worker_engines.named_after_itself, 2)
    with pytest.raises(ValueError, match="num must be at least 1"):
        open_actors(worker_engines.scripted, 0)
