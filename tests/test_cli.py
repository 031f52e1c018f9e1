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
from jurist.worlds import BASE, preferences

HEAVY = ("torch", "transformers", "accelerate", "peft", "safetensors", "datasets", "pyarrow")


@pytest.fixture
def said_by(monkeypatch, capsys, restored_signals):
    """Run the command line in this process: its exit code, and what it said where."""

    def run(*arguments: str):
        monkeypatch.setattr(sys, "argv", ["jurist", *arguments])
        monkeypatch.setenv("COLUMNS", "200")
        with pytest.raises(SystemExit) as exit:
            cli.main()
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


def test_a_bug_is_not_dressed_up_as_an_error_of_the_user(monkeypatch, restored_signals):
    def breaks() -> int:
        raise ZeroDivisionError

    monkeypatch.setitem(cli.COMMANDS, "doctor", breaks)
    monkeypatch.setattr(sys, "argv", ["jurist", "doctor"])
    with pytest.raises(ZeroDivisionError):
        cli.main()


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
    assert seconds < 3.0


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


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("docter",), "did you mean doctor?"),
        (("star-dpo", "--modle", "m"), "star-dpo has no --modle; did you mean --model?"),
        (("star-dpo", "--lerning-rate=1"), "did you mean --learning-rate?"),
        (("evaluate", "--max_tokns", "1"), "did you mean --max-tokens"),
        (("star-dpo", "--dryrun"), "did you mean --dry-run"),
    ],
)
def test_a_mistyped_command_or_flag_is_told_with_what_is_near(said_by, arguments, words):
    code, _, err = said_by(*arguments)
    assert code == 2
    assert words in " ".join(err.split())


def test_flags_that_are_right_are_not_taken_for_mistyped(said_by):
    _, _, err = said_by("star-dpo", "--model", "m", "--no-bf16", "--batch_size", "x")
    assert "did you mean" not in err


HIDDEN = """
import atexit
import sys
@atexit.register
def say():
    with open("loaded", "w") as file:
        print(*sorted({"torch", "transformers"} & set(sys.modules)), file=file)
package = sys.argv.pop(1)
class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == package:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Hidden())
from jurist.cli import main
main()
"""


@pytest.mark.parametrize(
    ("package", "extra", "arguments"),
    [
        ("torch", "train", ("genrm", "--model", BASE, "--train", "p.jsonl", "--test", "t.jsonl")),
        ("transformers", "train", ("evaluate", "--model", BASE, "--test", "t.jsonl")),
        (
            "accelerate",
            "train",
            ("genrm", "--model", BASE, "--train", "p.jsonl", "--test", "t.jsonl"),
        ),
        ("safetensors", "train", ("evaluate", "--model", BASE, "--test", "t.jsonl")),
        ("pyarrow", "parquet", ("evaluate", "--model", BASE, "--test", "t.parquet")),
        ("datasets", "datasets", ("evaluate", "--model", BASE, "--test", "owner/name")),
        ("ray", "ray", ("evaluate", "--model", BASE, "--test", "t.jsonl", "--ray")),
        ("vllm", "vllm", ("evaluate", "--model", BASE, "--test", "t.jsonl", "--engine", "vllm")),
    ],
)
def test_what_is_not_installed_is_told_with_the_command(tmp_path, package, extra, arguments):
    for name, split, num in (("p", "train", 4), ("t", "test", 2)):
        pairs = preferences("in_distribution", split, num=num, seed=0)
        write_preferences(tmp_path / f"{name}.jsonl", pairs)
    (tmp_path / "t.parquet").write_bytes(b"PAR1")
    done = subprocess.run(
        [sys.executable, "-c", HIDDEN, package, *map(str, arguments), "--output", "run"],
        capture_output=True,
        text=True,
        timeout=100,
        cwd=tmp_path,
        env={**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"},
    )
    assert done.returncode in (2, 3), done.stderr
    assert "Traceback" not in done.stderr
    assert f"pip install 'jurist[{extra}]'" in " ".join(done.stderr.split())
    if extra != "train":
        loaded = (tmp_path / "loaded").read_text("utf-8")
        assert loaded == "\n", "said before seconds are spent on what cannot be used"


UNRAISABLE = """
import os, signal, sys, time, weakref
from jurist import cli
if sys.argv[2] == "ignored":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
class Held:
    pass
def work(_):
    def gone(_):
        os.kill(os.getpid(), int(sys.argv[1]))
        for _ in range(1000):
            pass
    held = Held()
    reference = weakref.ref(held, gone)
    del held
    for _ in range(600):
        time.sleep(0.05)
    print("went on")
cli._run = work
cli.main()
"""


@pytest.mark.fault(3, "SIGINT", "SIGTERM", "SIGHUP")
@pytest.mark.parametrize(
    ("sent", "code", "how"),
    [
        (signal.SIGINT, 130, "heeded"),
        (signal.SIGTERM, 143, "heeded"),
        (signal.SIGTERM, 143, "ignored"),
        (signal.SIGHUP, 129, "heeded"),
    ],
)
def test_a_signal_in_the_callback_of_a_weak_reference_is_not_lost(sent, code, how):
    """Python writes what is raised there, and goes on."""
    done = subprocess.run(
        [sys.executable, "-c", UNRAISABLE, str(int(sent)), how],
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == code, done.stderr
    assert "went on" not in done.stdout
    assert done.stderr.splitlines()[-1].endswith("run the same command to go on")
    assert "Traceback" not in done.stderr and "Exception ignored" not in done.stderr


AT_ODD_MOMENTS = """
import os, signal, sys
from jurist import __main__, cli
sent, moment = int(sys.argv[1]), sys.argv[2]
def now():
    os.kill(os.getpid(), sent)
    for _ in range(1000):
        pass
def before(name, of=cli):
    done = getattr(of, name)
    def do(*values, **named):
        now()
        return done(*values, **named)
    setattr(of, name, do)
def is_interrupted(_):
    raise KeyboardInterrupt
cli._run = lambda _: print("did it")
if moment == "heeding":
    before("partial")
elif moment == "beginning":
    before("RichHandler")
elif moment == "telling":
    cli._run = lambda _: 1 / 0
    before("_told")
elif moment == "ending":
    before("_end")
elif moment == "interrupted":
    cli._run = is_interrupted
    before("fit_to_show")
__main__.main()
"""


@pytest.mark.fault(3, "SIGINT", "SIGTERM", "SIGHUP")
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize(
    ("moment", "heeded"),
    [
        ("heeding", True),
        ("beginning", True),
        ("telling", True),
        ("ending", False),
        ("interrupted", False),
    ],
)
def test_a_signal_beside_the_work_ends_it_without_a_traceback(sent, moment, heeded):
    """While signals begin to be heeded, before there is a run, and after there was one."""
    done = subprocess.run(
        [sys.executable, "-c", AT_ODD_MOMENTS, str(int(sent)), moment],
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert "Traceback" not in done.stderr
    assert done.returncode == (128 + sent if heeded else -sent), done.stderr


def test_bash_completes_commands_flags_and_choices(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "jurist", "completion", "bash"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    (tmp_path / "jurist.bash").write_text(done.stdout)
    asks = """
    source "$1"
    shift
    complete -p jurist >/dev/null || exit 1
    function=$(complete -p jurist | sed 's/.*-F \\([^ ]*\\).*/\\1/')
    COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_LINE="$*"; COMP_POINT=${#COMP_LINE}
    "$function" && printf '%s\\n' "${COMPREPLY[@]}"
    """

    def completed(*typed: str) -> set[str]:
        said = subprocess.run(
            ["bash", "-c", asks, "bash", tmp_path / "jurist.bash", "jurist", *typed],
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert said.returncode == 0, said.stderr
        return set(said.stdout.split())

    assert completed("star-") == {"star-sft", "star-dpo", "star-rationalizer"}
    assert "--dry-run" in completed("genrm", "--dry")
    assert completed("evaluate", "--engine", "v") == {"vllm"}


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_get_a_script_that_names_every_command(shell):
    done = subprocess.run(
        [sys.executable, "-m", "jurist", "completion", shell], capture_output=True, text=True
    )
    assert done.returncode == 0
    assert all(name in done.stdout for name in cli.COMMANDS)
