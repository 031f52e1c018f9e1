"""Commands in processes of their own, a server that always answers the same, disks of any size."""

import hashlib
import http.server
import json
import os
import re
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from jurist.data import write_preferences
from jurist.engines.inspection import contents as store_contents
from jurist.worlds import preferences

UNLIKE = {"timings.json", "timings.jsonl", "environment.json", "run.lock"}
"""Clocks, machines and processes."""

NUM_PAIRS = 12
ASKING = ("--model", "m", "--votes", "2", "--max-tokens", "500", "--seed", "3")
COMMANDS: dict[str, tuple[str, ...]] = {
    "judge": ("judge", "--pairs", "pairs.jsonl", *ASKING),
    "label": (
        *("label", "--pairs", "pairs.jsonl", *ASKING, "--min-confidence", "0.5"),
        *("--layouts", "jurist", "trl"),
    ),
    "evaluate": ("evaluate", "--test", "pairs.jsonl", *ASKING),
}


class _Answers(http.server.BaseHTTPRequestHandler):
    """Answers what it is asked, a page long, by nothing but the question."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        asked = self.rfile.read(int(self.headers["content-length"]))
        server = self.server
        assert isinstance(server, Answering)
        server.before_each()
        drawn = hashlib.sha256(asked).hexdigest()
        text = f"{' '.join(drawn[:8] for _ in range(200))}\n[[{'AB'[int(drawn[0], 16) % 2]}]]"
        choice = {"index": 0, "message": {"role": "assistant", "content": text}}
        usage = {"prompt_tokens": 5, "completion_tokens": 3}
        reply = {"model": "m", "choices": [{**choice, "finish_reason": "stop"}], "usage": usage}
        content = json.dumps(reply).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


class Answering(http.server.ThreadingHTTPServer):
    """A model that is served."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        self.num_asked = 0
        self.on_asked: Callable[[int], None] = lambda number: None
        """Called before each answer with how many were asked for."""

        self._counting = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"

    def before_each(self) -> None:
        with self._counting:
            self.num_asked += 1
            number = self.num_asked
        self.on_asked(number)

    def handle_error(self, *_: object) -> None:
        pass  # clients are ended in the middle of a request


@pytest.fixture(scope="session")
def _answering() -> Iterator[Answering]:
    with Answering() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def answering(_answering) -> Iterator[Answering]:
    _answering.num_asked = 0
    yield _answering
    _answering.on_asked = lambda number: None


@dataclass
class Work:
    """A folder to run commands in: what they read is in it, and their run is `run`."""

    folder: Path
    server: Answering
    forked: Callable[..., subprocess.CompletedProcess[str]]
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def run(self) -> Path:
        return self.folder / "run"

    def arguments(self, command: str, output: str = "run") -> list[str]:
        return [*COMMANDS[command], "--base-url", self.server.url, "--output", output]

    def start(self, *arguments: object, **settings: object) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "jurist", *map(str, arguments)],
            **{
                "cwd": self.folder,
                "stdin": subprocess.DEVNULL,
                "stdout": subprocess.PIPE,
                "stderr": subprocess.PIPE,
                "text": True,
                "env": {
                    **os.environ,
                    "OMP_NUM_THREADS": "1",
                    "OMP_WAIT_POLICY": "PASSIVE",
                    "HF_HUB_OFFLINE": "1",
                    "COLUMNS": "200",
                    "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
                    **self.environment,
                },
                **settings,
            },
        )

    def ended(self, *arguments: object, **settings: object) -> subprocess.CompletedProcess[str]:
        """A command that was run to its end: in a process that is forked, if nothing is asked of
        its start."""
        if not settings and not self.environment:
            return self.forked(self.folder, *arguments)
        with self.start(*arguments, **settings) as process:
            try:
                output, said = process.communicate(timeout=500)
            except BaseException:
                process.kill()
                raise
        return subprocess.CompletedProcess(process.args, process.returncode, output, said)


@pytest.fixture
def make_work(tmp_path, answering, forked) -> Callable[..., Work]:
    """Make a folder to run commands in."""

    def make(folder: Path | str, **environment: str) -> Work:
        folder = tmp_path / folder
        folder.mkdir(parents=True, exist_ok=True)
        pairs = preferences("in_distribution", "test", num=NUM_PAIRS, seed=0)
        write_preferences(folder / "pairs.jsonl", pairs)
        return Work(folder, answering, forked, environment)

    return make


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory, _answering, forked) -> Callable[[str], Path]:
    """The run of a command that nothing was done to."""
    made: dict[str, Path] = {}

    def run(command: str) -> Path:
        if command not in made:
            folder = tmp_path_factory.mktemp(command)
            pairs = preferences("in_distribution", "test", num=NUM_PAIRS, seed=0)
            write_preferences(folder / "pairs.jsonl", pairs)
            work = Work(folder, _answering, forked)
            done = work.ended(*work.arguments(command))
            assert done.returncode == 0, done.stderr
            made[command] = work.run
        return made[command]

    return run


def _bytes_of(run: Path) -> dict[str, bytes]:
    """What a run left, but for clocks, the store's pages and the report's mention of its times."""
    return {
        str(path.relative_to(run)): _without_times(path)
        for path in sorted(run.rglob("*"))
        if path.is_file()
        and path.name not in UNLIKE
        and not path.name.startswith(("completions.sqlite", "report."))
    }


def _without_times(path: Path) -> bytes:
    content = path.read_bytes()
    if path.name != "results.json":
        return content
    return re.sub(rb'"(\w*seconds\w*)": [\d.e-]+', rb'"\1": 0', content)


@pytest.fixture(scope="session")
def bytes_of() -> Callable[[Path], dict[str, bytes]]:
    return _bytes_of


@pytest.fixture(scope="session")
def rows_of() -> Callable[[Path], list[tuple[object, ...]]]:
    """Every row that a run's store keeps."""

    def rows(run: Path) -> list[tuple[object, ...]]:
        with closing(sqlite3.connect(run / "completions.sqlite")) as store:
            assert store.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            return sorted(store.execute("SELECT * FROM completions"))

    return rows


@pytest.fixture(scope="session")
def assert_whole() -> Callable[[Path], None]:
    """Whatever a run's directory holds is whole, and nothing lies about that was begun."""

    def look(run: Path) -> None:
        for path in run.rglob("*"):
            assert not path.name.endswith(".tmp"), path
            if path.suffix == ".json":
                json.loads(path.read_text("utf-8"))
        if (run / "completions.sqlite").exists():
            store_contents(run / "completions.sqlite", in_use=False)

    return look


@pytest.fixture(scope="session")
def assert_told() -> Callable[..., None]:
    """One clear error: its exit code, one line, the words asked for, and no traceback."""

    def look(done: subprocess.CompletedProcess[str], code: int, *words: object) -> None:
        assert done.returncode == code, (done.returncode, done.stderr)
        assert "Traceback" not in done.stderr and "Error:" not in done.stderr, done.stderr
        told = [line for line in done.stderr.splitlines() if line.startswith("jurist: ")]
        assert len(told) == 1, done.stderr
        for word in words:
            assert str(word) in told[0], told[0]

    return look


@dataclass
class Disk:
    """A file system in memory."""

    folder: Path

    def resize(self, **options: object) -> None:
        said = ",".join(f"{name}={value}" for name, value in options.items())
        subprocess.run(["mount", "-o", f"remount,{said}", str(self.folder)], check=True)


@pytest.fixture
def make_disk(tmp_path) -> Iterator[Callable[..., Disk]]:
    """Mount a file system: `make_disk(size="200k")`, `make_disk(nr_inodes=20)`."""
    with ExitStack() as mounted:

        def mount(name: str = "disk", **options: object) -> Disk:
            folder = tmp_path / name
            folder.mkdir()
            said = ",".join(f"{name}={value}" for name, value in options.items())
            done = subprocess.run(
                ["mount", "-t", "tmpfs", "-o", said, "tmpfs", str(folder)],
                capture_output=True,
                text=True,
            )
            if done.returncode:
                pytest.skip(f"may not mount a file system: {done.stderr.strip()}")
            mounted.callback(subprocess.run, ["umount", "-l", str(folder)], check=True)
            return Disk(folder)

        yield mount
