"""The store's file: damaged in every way there is a name for, and what can be saved of it."""

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from jurist.engines.inspection import _reading, contents
from jurist.engines.salvage import save_rows
from jurist.engines.store import SCHEMA_VERSION, AnswerStore
from jurist.errors import ConfigError, StoreError
from jurist.types import Completion

GOLDEN = Path(__file__).parents[1] / "golden" / "0.1.0" / "labelled" / "completions.sqlite"
NUM = 300


def key(number: int) -> bytes:
    return number.to_bytes(32, "big")


def completion(number: int) -> Completion:
    """Some short, some of many pages; with every kind of number that is kept."""
    return Completion(
        text=f"{number} \ud83d " + f"reading {number} " * (number % 7) * (number % 11) ** 2,
        finish_reason=("stop", "length", "refused")[number % 3],
        num_tokens=number**4,
        num_prompt_tokens=number % 2,
        logp=(None, -0.0, 0.0, -1.5, 3)[number % 5],
    )


def score(number: int) -> float:
    return (-0.0, -2.0, -1 / 3)[number % 3]


def fill(store: AnswerStore, numbers: range) -> None:
    store.keep_completions((key(number), completion(number)) for number in numbers)
    store.keep_scores((key(number), score(number)) for number in numbers)


def read(path: Path) -> tuple[dict[int, Completion], dict[int, float]]:
    with closing(AnswerStore(path)) as store:
        completions = {number: store.completion(key(number)) for number in range(NUM)}
        scores = {number: store.score(key(number)) for number in range(NUM)}
    return (
        {number: one for number, one in completions.items() if one is not None},
        {number: one for number, one in scores.items() if one is not None},
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A store of 300 completions and 300 scores, all in its file."""
    path = tmp_path / "completions.sqlite"
    with closing(AnswerStore(path)) as store:
        fill(store, range(NUM))
    return path


@pytest.fixture
def killed(tmp_path: Path) -> Path:
    """The same, a third of it in the log, as a killed process leaves it."""
    path, left = tmp_path / "working" / "completions.sqlite", tmp_path / "left"
    with closing(AnswerStore(path)) as store:
        fill(store, range(200))
    with closing(AnswerStore(path)) as store:
        fill(store, range(200, NUM))
        shutil.copytree(path.parent, left)
    (left / "completions.sqlite-shm").unlink()
    return left / "completions.sqlite"


@pytest.fixture
def make_disk(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """Mount a file system of so many bytes."""
    folder = tmp_path / "disk"

    def mount(num_bytes: int) -> Path:
        folder.mkdir()
        options = ["-t", "tmpfs", "-o", f"size={num_bytes}"]
        done = subprocess.run(
            ["mount", *options, "tmpfs", str(folder)], capture_output=True, text=True
        )
        if done.returncode:
            pytest.skip(f"may not mount a file system: {done.stderr.strip()}")
        return folder

    yield mount
    if folder.is_mount():
        subprocess.run(["umount", "-l", str(folder)], check=True)


def overwrite(path: Path, at: int, content: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(content)


def place_of(path: Path, text: bytes) -> int:
    content = path.read_bytes()
    assert content.count(text) >= 1
    return content.index(text)


def test_what_was_kept_is_read(path):
    completions, scores = read(path)
    assert completions == {number: completion(number) for number in range(NUM)}
    assert scores == {number: score(number) for number in range(NUM)}


@pytest.mark.fault(7, "flipped page")
@pytest.mark.parametrize("page", [0, 1, 2, 3, 4, 5, 19, -1])
def test_a_page_that_was_overwritten_is_found_and_the_rest_can_be_saved(path, tmp_path, page):
    pages = path.stat().st_size // 4096
    overwrite(path, page % pages * 4096, b"\xff" * 4096)
    before = path.read_bytes()
    with pytest.raises(StoreError, match=r"damaged .*jurist doctor .* --recover-to .*"):
        read(path)
    assert path.read_bytes() == before
    saved = save_rows(path, tmp_path / "saved.sqlite")
    assert path.read_bytes() == before
    completions, scores = read(tmp_path / "saved.sqlite")
    assert all(one == completion(number) for number, one in completions.items())
    assert all(one == score(number) for number, one in scores.items())
    assert (len(completions), len(scores)) == (saved.num_completions, saved.num_scores)
    # A page holds some fifty short rows; a row of many pages is lost with any of them.
    assert len(completions) > NUM - 60 and len(scores) > NUM - 80


@pytest.mark.fault(7, "flipped bit of a row")
def test_one_bit_of_a_text_is_found_when_it_is_read(path):
    number = 8
    at = place_of(path, b"reading 8 reading 8")
    overwrite(path, at, b"s")
    with closing(AnswerStore(path)) as store:
        assert store.completion(key(number + 1)) == completion(number + 1)
        with pytest.raises(StoreError, match=r"a row does not fit its checksum.*--recover-to"):
            store.completion(key(number))


@pytest.mark.fault(7, "flipped bit of a row")
def test_an_index_that_leads_to_another_row_is_found(path):
    # In an index a key is followed by the number of its row, and rows are numbered from 1.
    content = path.read_bytes()
    assert content.count(key(5) + b"\x06") == 2
    path.write_bytes(content.replace(key(5) + b"\x06", key(5) + b"\x07"))
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA quick_check").fetchone() == ("ok",)
    with closing(AnswerStore(path)) as store:
        for asked in (store.completion, store.score):
            with pytest.raises(StoreError, match="does not fit its checksum"):
                asked(key(5))
            assert asked(key(6)) is not None
    with pytest.raises(StoreError, match="damaged"):
        contents(path, in_use=False)


@pytest.mark.fault(7, "flipped bit of a row")
def test_a_row_that_the_index_has_lost_is_found_by_a_look(path):
    lost = bytes(24) + b"\xff" * 8
    content = path.read_bytes()
    path.write_bytes(content.replace(key(NUM - 1) + b"\x01\x2c", lost + b"\x01\x2c"))
    assert path.read_bytes() != content
    with closing(AnswerStore(path)) as store:
        assert store.completion(key(NUM - 1)) is None
    with pytest.raises(StoreError, match=r"damaged .*missing from index.*--recover-to"):
        contents(path, in_use=False)


@pytest.mark.fault(7, "flipped bit of a row")
def test_a_row_under_the_key_of_another_is_found(path):
    with closing(sqlite3.connect(path)) as connection:
        (row,) = connection.execute(
            "SELECT text, finish_reason, num_tokens, num_prompt_tokens, logp, checksum "
            "FROM completions WHERE key = ?",
            (key(5),),
        )
        connection.execute(
            "UPDATE completions SET text = ?, finish_reason = ?, num_tokens = ?, "
            "num_prompt_tokens = ?, logp = ?, checksum = ? WHERE key = ?",
            (*row, key(6)),
        )
        connection.execute("UPDATE scores SET logp = -9 WHERE key = ?", (key(7),))
        connection.execute("UPDATE scores SET checksum = NULL WHERE key = ?", (key(8),))
        connection.commit()
    with closing(AnswerStore(path)) as store:
        assert store.completion(key(5)) == completion(5)
        for damaged in (
            lambda: store.completion(key(6)),
            lambda: store.score(key(7)),
            lambda: store.score(key(8)),
        ):
            with pytest.raises(StoreError, match="does not fit its checksum"):
                damaged()


@pytest.mark.fault(7, "truncated file")
@pytest.mark.parametrize("share", [0.01, 0.3, 0.9])
def test_a_file_that_was_cut_short_is_found_and_the_rest_can_be_saved(path, tmp_path, share):
    os.truncate(path, int(path.stat().st_size * share))
    with pytest.raises(StoreError, match="damaged"):
        read(path)
    save_rows(path, tmp_path / "saved.sqlite")
    completions, scores = read(tmp_path / "saved.sqlite")
    assert all(one == completion(number) for number, one in completions.items())
    assert all(one == score(number) for number, one in scores.items())
    assert len(completions) > NUM * (share - 0.2)


@pytest.mark.fault(7, "truncated file")
def test_a_file_that_was_cut_to_nothing_is_not_taken_for_a_new_one(path):
    os.truncate(path, 0)
    for _ in range(2):
        with pytest.raises(StoreError, match=r"damaged \(nothing is in it\)"):
            read(path)
    assert path.stat().st_size == 0


@pytest.mark.fault(7, "truncated log")
@pytest.mark.parametrize("share", [0.0, 0.001, 0.37, 0.62, 0.999])
def test_of_a_log_that_was_cut_short_what_is_left_is_read(killed, tmp_path, share):
    log = killed.with_name(killed.name + "-wal")
    os.truncate(log, int(log.stat().st_size * share))
    completions, scores = read(killed)
    # Whole commits, each with everything before it; what is missing will be asked for again.
    assert len(completions) >= 200 and len(scores) >= 200
    assert completions == {number: completion(number) for number in range(len(completions))}
    assert scores == {number: score(number) for number in range(len(scores))}


@pytest.mark.fault(7, "truncated log")
def test_a_log_without_its_store_does_not_begin_a_new_one(killed, tmp_path):
    killed.unlink()
    with pytest.raises(StoreError, match=r"gone, and its log completions\.sqlite-wal is here"):
        read(killed)
    assert not killed.exists()
    save_rows(killed, tmp_path / "saved.sqlite")
    completions, _ = read(tmp_path / "saved.sqlite")
    assert {number: completion(number) for number in range(200, NUM)}.items() <= completions.items()


@pytest.mark.fault(7, "deleted index of the log")
def test_without_the_index_of_the_log_nothing_is_missing(killed):
    assert not killed.with_name(killed.name + "-shm").exists()
    completions, scores = read(killed)
    assert (len(completions), len(scores)) == (NUM, NUM)


def test_what_is_in_the_log_alone_is_saved_too(killed, tmp_path):
    saved = save_rows(killed, tmp_path / "saved.sqlite")
    assert (saved.num_completions, saved.num_scores, saved.num_unchecked) == (NUM, NUM, 0)
    assert read(tmp_path / "saved.sqlite") == read(killed)
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == [
        "saved.sqlite",
        "saved.sqlite.lock",
    ]


@pytest.mark.fault(7, "later version")
@pytest.mark.fault(25, "store")
def test_a_store_of_a_later_version_is_refused_by_its_version(path):
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    before = path.read_bytes()
    with pytest.raises(StoreError, match=rf"later jurist \(store version {SCHEMA_VERSION + 1}"):
        read(path)
    assert path.read_bytes() == before


@pytest.mark.fault(7, "other application")
@pytest.mark.parametrize("application", [0, 0x6A757268])
def test_a_database_of_something_else_is_refused_and_left_alone(tmp_path, application):
    path = tmp_path / "recipes.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE completions (dish TEXT)")
        connection.execute(f"PRAGMA application_id = {application}")
    before = path.read_bytes()
    with pytest.raises(StoreError, match="not one that jurist wrote"):
        read(path)
    assert path.read_bytes() == before


@pytest.mark.fault(7, "other application")
def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("no database, but long enough to be looked at" * 100)
    with pytest.raises(StoreError, match="damaged"):
        read(path)
    assert path.read_text() == "no database, but long enough to be looked at" * 100
    saved = save_rows(path, tmp_path / "saved.sqlite")
    assert (saved.num_completions, saved.num_scores) == (0, 0)


@pytest.mark.fault(25, "store")
def test_a_store_of_version_1_is_read_and_brought_up_to_this_one(tmp_path):
    path = tmp_path / "completions.sqlite"
    shutil.copy(GOLDEN, path)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (1,)
        rows = dict((row[0], row[1:]) for row in connection.execute("SELECT * FROM completions"))
    assert len(rows) == 16
    for _ in range(2):
        with closing(AnswerStore(path)) as store:
            for name, (text, reason, num_tokens, num_prompt_tokens, logp) in rows.items():
                assert store.completion(name) == Completion(
                    text=text.decode(),
                    finish_reason=reason,
                    num_tokens=num_tokens,
                    num_prompt_tokens=num_prompt_tokens,
                    logp=logp,
                )
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,)
        (schema,) = connection.execute("SELECT sql FROM sqlite_master WHERE name = 'scores'")
        assert "checksum" in schema[0]


def test_of_a_store_of_version_1_rows_are_saved_and_counted_as_unchecked(tmp_path):
    path = tmp_path / "completions.sqlite"
    content = bytearray(GOLDEN.read_bytes())
    content[:100] = bytes(100)
    path.write_bytes(content)
    saved = save_rows(path, tmp_path / "saved.sqlite")
    assert (saved.num_completions, saved.num_unchecked) == (16, 16)


def test_bytes_that_the_header_sets_aside_cost_no_row(path, tmp_path):
    """None are: one bit there has SQLite look for long texts in the wrong places."""
    overwrite(path, 20, b"\x08")
    with pytest.raises(StoreError, match="damaged"):
        read(path)
    saved = save_rows(path, tmp_path / "saved.sqlite")
    assert (saved.num_completions, saved.num_scores) == (NUM, NUM)


def test_what_is_saved_is_not_put_beside_the_log_of_another(killed):
    killed.unlink()
    with pytest.raises(ConfigError, match=r"completions\.sqlite-wal: there already"):
        save_rows(killed, killed)
    assert not killed.exists()


@pytest.mark.fault(4, "full disk")
@pytest.mark.parametrize("share", [0.5, 1.2, 1.4, 1.6, 1.8, 3.0])
def test_rows_that_do_not_fit_on_the_disk_are_not_said_to_be_saved(path, make_disk, share):
    """There may be room for the log, and none for the file that it is moved to."""
    disk = make_disk(int(path.stat().st_size * share))
    to = disk / "saved.sqlite"
    try:
        saved = save_rows(path, to)
    except StoreError as error:
        assert share < 3 and "saved.sqlite" in str(error) and "make room" in str(error)
        assert [*disk.iterdir()] == []
    else:
        assert share > 1 and (saved.num_completions, saved.num_scores) == (NUM, NUM)
        with closing(sqlite3.connect(to)) as connection:
            assert connection.execute("SELECT count(*) FROM completions").fetchone() == (NUM,)


@pytest.mark.fault(7, "flipped bit of a row")
@pytest.mark.parametrize(
    ("word", "flipped"), [(b"stop", b"\xf3"), (b"text BLOB", b"u"), (b"completions (", b"d")]
)
def test_one_bit_of_a_word_is_told_with_what_to_do(path, word, flipped):
    overwrite(path, place_of(path, word), flipped)
    with pytest.raises(StoreError, match=r"damaged .*--recover-to"):
        read(path)
    with pytest.raises(StoreError, match=r"damaged .*--recover-to"):
        contents(path, in_use=False)


def test_nothing_is_saved_from_nowhere_or_over_something(path, tmp_path):
    with pytest.raises(ConfigError, match="no such file"):
        save_rows(tmp_path / "nowhere", tmp_path / "to")
    (tmp_path / "to").write_text("mine")
    with pytest.raises(ConfigError, match="there already"):
        save_rows(path, tmp_path / "to")
    assert (tmp_path / "to").read_text() == "mine"


@pytest.mark.fault(18, "fork")
def test_a_fork_is_refused_what_its_parent_opened(path):
    with closing(AnswerStore(path)) as store:
        child = os.fork()
        if child == 0:
            try:
                store.completion(key(1))
            except ConfigError as error:
                os._exit(0 if "fork" in str(error) else 2)
            os._exit(1)
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 0
        assert store.completion(key(1)) == completion(1)


def test_a_look_leaves_the_index_to_whoever_opened_the_store_meanwhile(killed):
    index = killed.with_name("completions.sqlite-shm")
    with _reading(killed, in_use=False) as connection:
        assert connection.execute("SELECT count(*) FROM completions").fetchone() == (NUM,)
        store = AnswerStore(killed)
    with closing(store):
        # A second index of the same log would be another's view of it.
        assert index.exists()
        assert store.completion(key(1)) == completion(1)
    assert not index.exists()
