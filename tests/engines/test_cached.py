"""The cache: nothing is asked twice, nothing acknowledged is lost, whatever happens to the file."""

import logging
import math
import os
import sqlite3
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jurist.engines import Cached, LogprobEngine, ScriptedEngine
from jurist.engines.base import Delivery
from jurist.engines.store import write_ahead
from jurist.errors import ConfigError, StoreError
from jurist.types import Completion, Conversation, Sampling, StoppingRule, user

PROMPTS = [user("a"), user("b"), user("c")]


class Recorder:
    """Generates, does not score, and writes down what it was asked."""

    def __init__(self, fingerprint: str = "recorder"):
        self.fingerprint = fingerprint
        self.calls: list[tuple[list[str], int, int]] = []
        self.failing: set[tuple[str, int]] = set()

    def generate(
        self,
        prompts: Sequence[Conversation],
        sampling: Sampling,
        rule: StoppingRule | None = None,
    ) -> list[list[Completion]]:
        names = [prompt[0].content for prompt in prompts]
        self.calls.append((names, sampling.first_index, sampling.num_samples))
        return ScriptedEngine(self.reply).generate(prompts, sampling, rule)

    def reply(self, prompt: Conversation, index: int) -> Completion:
        name = prompt[0].content
        if (name, index) in self.failing:
            return Completion(text="", finish_reason="error")
        return Completion(
            text=f"{name}{index}",
            finish_reason="refused" if index == 5 else "stop",
            num_tokens=index,
            num_prompt_tokens=7,
            logp=-0.1 * index,
        )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "completions.sqlite"


def test_what_was_answered_is_never_asked_again(path: Path):
    first = Recorder()
    with Cached(first, path) as cached:
        fresh = cached.generate(PROMPTS, Sampling(num_samples=7))
        assert cached.generate(PROMPTS, Sampling(num_samples=7)) == fresh
        assert (cached.hits, cached.misses) == (21, 21)
    second = Recorder()
    with Cached(second, path) as cached:
        assert cached.generate(PROMPTS, Sampling(num_samples=7)) == fresh
        assert (cached.hits, cached.misses) == (21, 0)
    assert fresh == Recorder().generate(PROMPTS, Sampling(num_samples=7))
    assert first.calls == [(["a", "b", "c"], 0, 7)]
    assert second.calls == []


def test_eight_samples_after_four_cost_four(path: Path):
    engine = Recorder()
    with Cached(engine, path) as cached:
        cached.generate(PROMPTS[:2], Sampling(num_samples=4))
        (a, b, c) = cached.generate(PROMPTS, Sampling(num_samples=8))
    assert engine.calls[1:] == [(["a", "b"], 4, 4), (["c"], 0, 8)]
    assert [reply.text for reply in b] == [f"b{index}" for index in range(8)]
    assert len(a) == len(c) == 8


def test_samples_in_the_middle_leave_two_ranges_to_ask(path: Path):
    engine = Recorder()
    with Cached(engine, path) as cached:
        cached.generate([user("a")], Sampling(first_index=2, num_samples=2))
        (replies,) = cached.generate([user("a")], Sampling(num_samples=6))
    assert engine.calls[1:] == [(["a"], 0, 2), (["a"], 4, 2)]
    assert [reply.num_tokens for reply in replies] == [0, 1, 2, 3, 4, 5]


def test_equal_prompts_in_one_call_are_asked_once(path: Path):
    engine = Recorder()
    with Cached(engine, path) as cached:
        lists = cached.generate([user("a"), user("b"), user("a")], Sampling())
    assert engine.calls == [(["a", "b"], 0, 1)]
    assert lists[0] == lists[2] != lists[1]


@pytest.mark.parametrize(
    "other",
    [
        {"temperature": 0.5},
        {"top_p": 0.5},
        {"max_tokens": 9},
        {"seed": 1},
    ],
    ids=str,
)
def test_another_sampling_is_another_question(path: Path, other: dict[str, float]):
    engine = Recorder()
    with Cached(engine, path) as cached:
        cached.generate([user("a")], Sampling())
        cached.generate([user("a")], Sampling(**other))
        assert cached.misses == 2


def test_another_engine_is_another_question(path: Path):
    with Cached(Recorder("one"), path) as cached:
        cached.generate([user("a")], Sampling())
    with Cached(Recorder("two"), path) as cached:
        cached.generate([user("a")], Sampling())
        assert (cached.hits, cached.misses) == (0, 1)


def test_a_whole_number_and_its_float_are_one_question(path: Path):
    with Cached(Recorder(), path) as cached:
        cached.generate([user("a")], Sampling(temperature=1, top_p=1))
        cached.generate([user("a")], Sampling(temperature=1.0, top_p=1.0))
        assert (cached.hits, cached.misses) == (1, 1)


def test_an_error_is_asked_again_and_a_refusal_is_not(path: Path):
    engine = Recorder()
    engine.failing = {("a", 1)}
    with Cached(engine, path) as cached:
        (before,) = cached.generate([user("a")], Sampling(num_samples=6))
        assert [reply.finish_reason for reply in before] == [
            "stop", "error", "stop", "stop", "stop", "refused",
        ]  # fmt: skip
        engine.failing = set()
        (after,) = cached.generate([user("a")], Sampling(num_samples=6))
    assert [reply.finish_reason for reply in after][1] == "stop"
    assert engine.calls == [(["a"], 0, 6), (["a"], 1, 1)]


def test_work_goes_in_chunks_of_completions(path: Path):
    engine = Recorder()
    with Cached(engine, path, chunk_size=4) as cached:
        cached.generate(PROMPTS, Sampling(num_samples=2))
    assert [names for names, _, _ in engine.calls] == [["a", "b"], ["c"]]
    with pytest.raises(ValueError, match="chunk_size"):
        Cached(engine, path, chunk_size=0)


def test_one_prompt_is_never_split_however_small_the_chunk(path: Path):
    engine = Recorder()
    with Cached(engine, path, chunk_size=1) as cached:
        cached.generate(PROMPTS, Sampling(num_samples=3))
    assert engine.calls == [(["a"], 0, 3), (["b"], 0, 3), (["c"], 0, 3)]


def test_an_engine_that_miscounts_is_found_out(path: Path):
    class Short(Recorder):
        def generate(self, prompts, sampling, rule=None):
            return super().generate(prompts, sampling, rule)[:1]

    with Cached(Short(), path) as cached, pytest.raises(ValueError, match="one list per prompt"):
        cached.generate(PROMPTS, Sampling())


def until(num: int, size: int = 1) -> StoppingRule:
    """One more of each at a time, until there are so many."""
    return StoppingRule(lambda samples: int(len(samples[0]) < num), size)


class TestStoppingRule:
    def test_what_is_stored_is_considered_before_anything_is_asked(self, path: Path):
        engine = Recorder()
        with Cached(engine, path) as cached:
            cached.generate([user("a")], Sampling(num_samples=3))
            (replies,) = cached.generate([user("a")], Sampling(num_samples=9), until(2))
        assert [reply.text for reply in replies] == ["a0", "a1"]
        assert len(engine.calls) == 1

    def test_fresh_groups_leave_the_stopping_to_the_engine(self, path: Path):
        engine = Recorder()
        with Cached(engine, path) as cached:
            lists = cached.generate([*PROMPTS, user("d")], Sampling(num_samples=9), until(4, 2))
            assert cached.misses == 16
        assert [len(replies) for replies in lists] == [4] * 4
        assert engine.calls == [(["a", "b", "c", "d"], 0, 9)]

    def test_a_group_begun_before_goes_on_in_rounds_of_what_is_missing(self, path: Path):
        engine = Recorder()
        rule = StoppingRule(lambda samples: 0 if len(samples[0]) > 6 else 3, 2)
        with Cached(engine, path) as cached:
            cached.generate([user("a")], Sampling(num_samples=5))
            lists = cached.generate([user("a"), user("b")], Sampling(num_samples=20), rule)
        rounds = [(["b"], 0, 3), (["a"], 5, 1), (["b"], 3, 3), (["a", "b"], 6, 3)]
        assert engine.calls[1:] == rounds
        assert [len(replies) for replies in lists] == [9, 9]

    def test_groups_with_a_prompt_in_common_have_it_asked_once(self, path: Path):
        engine = Recorder()
        asked = [user(name) for name in "abbabcaa"]
        with Cached(engine, path) as cached:
            lists = cached.generate(asked, Sampling(num_samples=9), until(2, 2))
            assert cached.misses == 6
        assert engine.calls == [(["a", "b"], 0, 9), (["c"], 0, 1), (["c"], 1, 1)]
        assert [[reply.text for reply in replies] for replies in lists] == [
            [f"{prompt[0].content}{index}" for index in (0, 1)] for prompt in asked
        ]

    def test_a_prompt_that_stands_in_a_group_twice_is_asked_once(self, path: Path):
        engine = Recorder()
        with Cached(engine, path) as cached:
            lists = cached.generate([user("a")] * 2, Sampling(num_samples=9), until(2, 2))
        assert engine.calls == [(["a"], 0, 1), (["a"], 1, 1)]
        assert [[reply.text for reply in replies] for replies in lists] == [["a0", "a1"]] * 2

    def test_a_chunk_is_of_groups_that_want_so_much_at_first(self, path: Path):
        engine = Recorder()
        rule = StoppingRule(lambda samples: 2 if len(samples[0]) < 4 else 0, 2)
        asked = [user(name) for name in "abcdef"]
        with Cached(engine, path, chunk_size=8) as cached:
            cached.generate(asked, Sampling(num_samples=9), rule)
        assert engine.calls == [(["a", "b", "c", "d"], 0, 9), (["e", "f"], 0, 9)]

    def test_a_failure_is_an_answer_within_the_call_and_asked_again_in_the_next(self, path: Path):
        engine = Recorder()
        engine.failing = {("a", 1)}
        with Cached(engine, path) as cached:
            for finish_reason in ("error", "stop"):
                lists = cached.generate(PROMPTS[:2], Sampling(num_samples=9), until(3, 2))
                assert lists[0][1].finish_reason == finish_reason
                engine.failing = set()
            assert cached.misses == 7

    def test_an_engine_that_gives_too_few_is_found_out(self, path: Path):
        class Few(Recorder):
            def generate(self, prompts, sampling, rule=None):
                return [one[:1] for one in super().generate(prompts, sampling, rule)]

        with Cached(Few(), path) as cached, pytest.raises(ValueError, match=r"\[1\].*wanted 2"):
            cached.generate(PROMPTS, Sampling(num_samples=9), StoppingRule(lambda _: 2))

    @settings(max_examples=40, deadline=None)
    @given(
        held=st.sets(st.tuples(st.sampled_from("ab"), st.integers(0, 11))),
        wanted=st.integers(1, 12),
        first=st.integers(0, 3),
        step=st.integers(1, 4),
        needed=st.integers(0, 14),
        chunk_size=st.integers(1, 30),
    )
    def test_the_answer_does_not_depend_on_what_was_stored(
        self,
        tmp_path_factory: pytest.TempPathFactory,
        held,
        wanted,
        first,
        step,
        needed,
        chunk_size,
    ):
        sampling = Sampling(num_samples=wanted, first_index=first)

        def more(samples: Sequence[Sequence[Completion]]) -> int:
            # Of a `Recorder`'s completions the number of tokens is the index.
            for have in samples:
                assert [reply.num_tokens for reply in have] == [*range(first, first + len(have))]
            return step if sum(map(len, samples)) < needed else 0

        asked = [user(name) for name in "abcdbaaa"]
        path = tmp_path_factory.mktemp("store") / "completions.sqlite"
        with Cached(Recorder(), path, chunk_size=chunk_size) as cached:
            for name, index in held:
                cached.generate([user(name)], Sampling(first_index=index))
            answers = cached.generate(asked, sampling, StoppingRule(more, 2))
        assert answers == Recorder().generate(asked, sampling, StoppingRule(more, 2))


class TestScore:
    def engine(self, asked: list[tuple[str, str]]) -> ScriptedEngine:
        def logp(prompt: Conversation, text: str) -> float:
            asked.append((prompt[0].content, text))
            return {"nan": math.nan, "never": -math.inf}.get(text, -0.1 * len(text))

        return ScriptedEngine(lambda *_: "", logp)

    def test_each_continuation_is_asked_once(self, path: Path):
        asked: list[tuple[str, str]] = []
        prompts, texts = [user("a"), user("b"), user("a")], [["x", "yy"], ["x"], ["never", "x"]]
        with Cached(self.engine(asked), path, chunk_size=2) as cached:
            assert isinstance(cached, LogprobEngine)
            fresh = cached.score(prompts, texts)
            assert (cached.hits, cached.misses) == (0, 4)
        assert fresh == [[-0.1, -0.2], [-0.1], [-math.inf, -0.1]]
        assert sorted(asked) == [("a", "never"), ("a", "x"), ("a", "yy"), ("b", "x")]
        with Cached(self.engine(asked), path) as cached:
            assert isinstance(cached, LogprobEngine)
            assert cached.score(prompts, texts) == fresh
            assert cached.score([user("b")], [["zzz"]])[0] == [pytest.approx(-0.3)]
        assert len(asked) == 5

    def test_nan_is_returned_and_not_kept(self, path: Path):
        asked: list[tuple[str, str]] = []
        with Cached(self.engine(asked), path) as cached:
            assert isinstance(cached, LogprobEngine)
            for _ in range(2):
                assert math.isnan(cached.score([user("a")], [["nan"]])[0][0])
        assert len(asked) == 2

    def test_an_engine_without_scores_gets_none_from_its_cache(self, path: Path):
        with Cached(Recorder(), path) as cached:
            assert not isinstance(cached, LogprobEngine)


class TestFile:
    def test_any_text_comes_back_as_it_was(self, path: Path):
        texts = ["", "a\x00b", "\ud83d alone", "😀\u2028\r\n", "<|im_end|>" * 1000]
        engine = ScriptedEngine(
            lambda prompt, index: Completion(text=texts[index], finish_reason="stop")
        )
        for _ in range(2):
            with Cached(engine, path) as cached:
                (replies,) = cached.generate([user("\ud800")], Sampling(num_samples=len(texts)))
            assert [reply.text for reply in replies] == texts

    def test_a_second_holder_is_told_who_has_it(self, path: Path):
        with (
            Cached(Recorder(), path),
            pytest.raises(ConfigError, match=f"in use by process {os.getpid()}"),
        ):
            Cached(Recorder(), path)
        Cached(Recorder(), path).close()

    def test_a_failed_opening_lets_go_of_the_file(self, path: Path):
        path.write_bytes(b"not a database, but long enough to be looked at" * 100)
        for _ in range(2):
            with pytest.raises(StoreError, match="damaged"):
                Cached(Recorder(), path)

    def test_a_file_of_a_later_version_is_refused(self, path: Path):
        fill(path)
        execute(path, "PRAGMA user_version = 3")
        with pytest.raises(StoreError, match=r"later jurist \(store version 3.*upgrade"):
            Cached(Recorder(), path)

    def test_an_sqlite_file_of_something_else_is_refused_and_left_alone(self, path: Path):
        execute(path, "CREATE TABLE recipes (name TEXT)")
        before = path.read_bytes()
        with pytest.raises(StoreError, match="not one that jurist wrote"):
            Cached(Recorder(), path)
        assert path.read_bytes() == before

    def test_a_damaged_page_is_found_at_opening_and_nothing_is_overwritten(self, path: Path):
        fill(path)
        content = bytearray(path.read_bytes())
        content[4096 * 3 : 4096 * 3 + 64] = b"\xff" * 64
        path.write_bytes(content)
        with pytest.raises(StoreError, match=r"damaged.*--recover-to"):
            Cached(Recorder(), path)
        assert path.read_bytes() == content

    def test_an_unwritable_folder_is_named(self, tmp_path: Path):
        (tmp_path / "file").write_text("in the way")
        with pytest.raises(StoreError, match="file"):
            Cached(Recorder(), tmp_path / "file" / "completions.sqlite")
        (tmp_path / "folder.sqlite").mkdir()
        with pytest.raises(StoreError, match=r"folder\.sqlite: cannot be used as a store"):
            Cached(Recorder(), tmp_path / "folder.sqlite")

    def test_the_store_writes_ahead(self, path: Path):
        with Cached(Recorder(), path) as cached:
            cached.generate(PROMPTS, Sampling())
            assert path.with_name(path.name + "-wal").exists()
        assert not path.with_name(path.name + "-wal").exists()

    def test_a_file_system_without_a_write_ahead_log_is_reported(
        self, caplog: pytest.LogCaptureFixture
    ):
        # SQLite itself refuses: a database in memory has no file to write ahead to.
        connection = sqlite3.connect(":memory:")
        with caplog.at_level(logging.WARNING):
            assert not write_ahead(connection, Path("net/completions.sqlite"))
        connection.close()
        assert "net/completions.sqlite: no write-ahead log" in caplog.text
        assert "journal mode is memory" in caplog.text

    @pytest.mark.fault(7, "truncated log", "deleted index of the log")
    @pytest.mark.parametrize(("share", "lost"), [(1.0, False), (0.6, True)])
    def test_what_a_crash_leaves_of_the_log_is_read_and_the_rest_asked_again(
        self, tmp_path: Path, path: Path, share: float, lost: bool
    ):
        prompts = [user(f"p{index}") for index in range(40)]
        left = tmp_path / "left" / path.name
        left.parent.mkdir()
        with Cached(Recorder(), path, chunk_size=10) as cached:
            answers = cached.generate(prompts, Sampling(num_samples=5))
            # As if the machine had stopped here: no -shm file, and perhaps not all of the log.
            log = path.with_name(path.name + "-wal").read_bytes()
            left.write_bytes(path.read_bytes())
            left.with_name(path.name + "-wal").write_bytes(log[: int(len(log) * share)])
        with Cached(Recorder(), left) as cached:
            assert cached.generate(prompts, Sampling(num_samples=5)) == answers
            assert cached.hits > 0
            assert (cached.misses > 0) == lost


def fill(path: Path) -> None:
    with Cached(Recorder(), path) as cached:
        cached.generate([user(f"p{index}") for index in range(50)], Sampling(num_samples=8))


def execute(path: Path, statement: str) -> None:
    connection = sqlite3.connect(path)
    connection.execute(statement)
    connection.commit()
    connection.close()


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[None]:
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip(f"may not mount a small tmpfs: {mounted.stderr.decode().strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.fault(4, "full disk")
def test_a_full_disk_keeps_what_was_stored_and_says_what_to_do(tmp_path: Path):
    prompts = [user(f"prompt {index}") for index in range(200)]
    engine = ScriptedEngine(lambda prompt, _: prompt[0].content * 300)
    sampling = Sampling(max_tokens=10**6)
    disk = tmp_path / "disk"
    with small_disk(disk, "300k"):
        path = disk / "completions.sqlite"
        with (
            pytest.raises(
                StoreError, match=r"completions\.sqlite: the disk is full; what was kept"
            ),
            Cached(engine, path, chunk_size=4) as cached,
        ):
            try:
                cached.generate(prompts, sampling)
            finally:
                acknowledged = cached.misses
        assert acknowledged >= 8
        subprocess.run(["mount", "-o", "remount,size=8m", str(disk)], check=True)
        assert integrity(path) == "ok"
        with Cached(engine, path, chunk_size=4) as cached:
            assert cached.generate(prompts, sampling) == engine.generate(prompts, sampling)
            assert cached.hits == acknowledged


def integrity(path: Path) -> str:
    connection = sqlite3.connect(path)
    (found,) = connection.execute("PRAGMA integrity_check").fetchone()
    connection.close()
    return found


class Silent:
    """Streams, and leaves the last sample out."""

    fingerprint = "silent"

    def generate(self, prompts, sampling, rule=None):
        raise AssertionError("an engine that streams is asked to stream")

    def stream(self, prompts, sampling, rule, deliver):
        reply = Completion(text="said", finish_reason="stop")
        for item in range(len(prompts)):
            for sample in range(sampling.num_samples - (item == len(prompts) - 1)):
                deliver([Delivery(item, sampling.first_index + sample, reply)])

    def score(self, prompts, continuations):
        raise AssertionError("an engine that streams is asked to stream")

    def stream_scores(self, prompts, continuations, deliver):
        deliver([(0, [-1.0] * len(continuations[0]))])


def test_an_engine_that_streams_scores_and_leaves_some_out_is_a_mistake(tmp_path):
    with (
        Cached(Silent(), tmp_path / "store.sqlite") as cached,
        pytest.raises(ValueError, match=r"asked for the scores of 3 .* did not deliver 1 of them"),
    ):
        cached.score([user("a"), user("b")], [["x", "y"], ["x"]])


def test_an_engine_that_streams_and_leaves_a_sample_out_is_a_mistake(tmp_path):
    with (
        Cached(Silent(), tmp_path / "store.sqlite") as cached,
        pytest.raises(ValueError, match="did not deliver them all"),
    ):
        cached.generate([user("a"), user("b")], Sampling(num_samples=2))
