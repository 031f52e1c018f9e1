"""The command line: every command, every exit, nothing loaded that is not needed."""

import http.server
import json
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from jurist import cli
from jurist.data import write_preferences
from jurist.errors import ConfigError, DataError, EngineError, StoreError, TrainingError
from jurist.types import Preference, user
from jurist.worlds import preferences

HEAVY = ("torch", "transformers", "accelerate", "peft", "safetensors", "datasets", "pyarrow")


@pytest.fixture
def said_by(monkeypatch, capsys):
    """Run the command line in this process: its exit code, and what it said where."""

    def run(*arguments: str):
        before = signal.getsignal(signal.SIGTERM)
        monkeypatch.setattr(sys, "argv", ["jurist", *arguments])
        monkeypatch.setenv("COLUMNS", "200")
        try:
            with pytest.raises(SystemExit) as exit:
                cli.main()
        finally:
            signal.signal(signal.SIGTERM, before)
        said = capsys.readouterr()
        return exit.value.code, said.out, said.err

    return run


@pytest.mark.parametrize("command", cli.COMMANDS)
def test_every_command_has_help_that_begins_with_what_it_does(said_by, command):
    code, out, err = said_by(command, "--help")
    assert (code, err) == (0, "")
    about = cli.COMMANDS[command].__doc__.splitlines()[0]
    assert about in " ".join(out.split())
    assert f"usage: jurist {command}" in out


def test_help_lists_every_command(said_by):
    code, out, _ = said_by("--help")
    assert code == 0
    assert re.findall(r"• ([\w-]+)", out) == list(cli.COMMANDS)


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ((), "subcommand"),
        (("appeal",), "appeal"),
        (("doctor", "--verbose"), "--verbose"),
        (("evaluate", "--model", "m", "--test", "t"), "--output"),
        (("quickstart", "--seed", "one"), "one"),
        (("star-sft", "--model", "m", "--train", "t", "--output", "o", "--rounds", "0"), "rounds"),
        (("evaluate", "--model", "m", "--test", "--output", "o"), "--test"),
    ],
)
def test_wrong_usage_ends_with_2_and_says_what_was_wrong(said_by, arguments, word, tmp_path):
    code, out, err = said_by(*arguments)
    assert (code, out) == (2, "")
    assert word in err


@pytest.mark.parametrize(
    ("kind", "code"),
    [(TrainingError, 1), (ConfigError, 2), (DataError, 3), (EngineError, 4), (StoreError, 5)],
)
def test_an_error_is_one_line_with_its_code(said_by, monkeypatch, kind, code):
    def fails() -> int:
        raise kind("runs/[x]: something is wrong")

    monkeypatch.setitem(cli.COMMANDS, "doctor", fails)
    assert said_by("doctor") == (code, "", "jurist: runs/[x]: something is wrong\n")


@pytest.mark.parametrize(("returned", "code"), [(None, 0), (0, 0), (1, 1)])
def test_what_a_recipe_returns_is_the_exit_code(said_by, monkeypatch, returned, code):
    def returns() -> int | None:
        return returned

    monkeypatch.setitem(cli.COMMANDS, "doctor", returns)
    assert said_by("doctor") == (code, "", "")


def test_a_bug_is_not_dressed_up_as_an_error_of_the_user(monkeypatch):
    def breaks() -> int:
        raise ZeroDivisionError

    monkeypatch.setitem(cli.COMMANDS, "doctor", breaks)
    monkeypatch.setattr(sys, "argv", ["jurist", "doctor"])
    before = signal.getsignal(signal.SIGTERM)
    try:
        with pytest.raises(ZeroDivisionError):
            cli.main()
    finally:
        signal.signal(signal.SIGTERM, before)


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE", **more}


def test_help_loads_nothing_heavy_and_takes_little_time():
    script = (
        "import sys, resource, atexit\n"
        "@atexit.register\n"
        "def say():\n"
        f"    print([name for name in {HEAVY} if name in sys.modules], file=sys.stderr)\n"
        "from jurist.cli import main\n"
        "sys.argv = ['jurist', '--help']\n"
        "main()\n"
    )
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env=environment()
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert (done.returncode, done.stderr) == (0, "[]\n")
    # Processor time, not time on the wall: other work on the machine does not count. It takes
    # 0.35 s on a slow core; a heavy library alone would take a second and more.
    seconds = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    assert seconds < 1.0


# One is longer than a buffer; the other is written only at the very end.
@pytest.mark.parametrize("arguments", [("star-dpo", "--help"), ("--help",)])
def test_output_that_nobody_reads_to_the_end_is_no_error(arguments):
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-m", "jurist", *arguments],
        stdout=write,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (0, "")


def chat(content: str) -> bytes:
    choice = {"index": 0, "message": {"role": "assistant", "content": content}}
    choice["finish_reason"] = "stop"
    usage = {"prompt_tokens": 5, "completion_tokens": 3}
    return json.dumps({"model": "m", "choices": [choice], "usage": usage}).encode()


class Stalls(http.server.BaseHTTPRequestHandler):
    """Answers five requests, and then lets everybody wait."""

    protocol_version = "HTTP/1.1"
    served = 0
    stalled = threading.Event()
    over = threading.Event()

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        Stalls.served += 1
        if Stalls.served > 5:
            self.stalled.set()
            self.over.wait(60)
            return
        content = chat("[[A]]")
        self.send_response(200)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


class Quiet(http.server.ThreadingHTTPServer):
    """A server that clients may leave in the middle of a request."""

    def handle_error(self, *_):
        pass


@pytest.fixture
def stalling():
    Stalls.served = 0
    Stalls.stalled.clear()
    Stalls.over.clear()
    server = Quiet(("127.0.0.1", 0), Stalls)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    Stalls.over.set()
    server.shutdown()
    server.server_close()


def evaluation(url: str, path: Path, run: Path) -> list[str]:
    arguments = ["evaluate", "--model", "m", "--base-url", url, "--votes", "1"]
    arguments += ["--test", path, "--output", run]
    return [sys.executable, "-m", "jurist", *map(str, arguments)]


@pytest.mark.parametrize(
    ("sent", "code", "word", "in_background"),
    [
        (signal.SIGINT, 130, "interrupted", False),
        (signal.SIGTERM, 143, "terminated", False),
        (signal.SIGTERM, 143, "terminated", True),
    ],
)
def test_a_run_that_is_interrupted_says_so_at_once_and_without_a_traceback(
    tmp_path, stalling, sent, code, word, in_background
):
    path, run = tmp_path / "pairs.jsonl", tmp_path / "run"
    write_preferences(path, preferences("in_distribution", "test", num=6, seed=0))
    # Where Ctrl-C is ignored, as in the background of a script, a run can still be terminated. The
    # tests themselves may run in such a place, so the other case is set too.
    on_interrupt = signal.SIG_IGN if in_background else signal.SIG_DFL
    process = subprocess.Popen(
        evaluation(stalling, path, run),
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
        preexec_fn=lambda: signal.signal(signal.SIGINT, on_interrupt),
    )
    try:
        assert Stalls.stalled.wait(60)
        process.send_signal(sent)
        _, said = process.communicate(timeout=20)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == code
    assert f"jurist: {word}; run the same command to go on" in said.splitlines()
    if not in_background:  # there the event loop is broken off, and may say so
        assert "Traceback" not in said and "Error" not in said


def test_a_server_that_hangs_up_in_the_middle_of_a_request_does_not_end_the_run_unsaid(tmp_path):
    """A write to a connection that is gone is an error of the server, not the signal SIGPIPE."""

    def hang_up(server: socket.socket) -> None:
        # As a server that refuses a large request does: an answer, and no more reading.
        for _ in range(2):
            connection, _ = server.accept()
            connection.recv(10)
            connection.sendall(b"HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n")
            connection.shutdown(socket.SHUT_WR)
            threading.Event().wait(0.1)
            connection.close()
        # When it is asked again, it reads everything and has another answer.
        connection, _ = server.accept()
        with connection, connection.makefile("rb") as asked:
            head = iter(asked.readline, b"\r\n")
            (length,) = (int(line[15:]) for line in head if line.lower()[:15] == b"content-length:")
            asked.read(length)
            connection.sendall(b"HTTP/1.1 401 No\r\ncontent-length: 0\r\n\r\n")

    path, run = tmp_path / "pairs.jsonl", tmp_path / "run"
    # More than the system's buffers take, so that the client is still writing.
    pair = Preference(
        id="0", prompt=user("q"), chosen="x" * 6_000_000, rejected="y" * 6_000_000, group="0"
    )
    write_preferences(path, [pair])
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=hang_up, args=(server,), daemon=True).start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}/v1"
        done = subprocess.run(
            evaluation(url, path, run),
            stderr=subprocess.PIPE,
            text=True,
            env=environment(),
            timeout=60,
        )
    assert done.returncode == 4, done.stderr
    assert done.stderr.splitlines()[-1].startswith("jurist: ")
