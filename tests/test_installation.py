"""What lacks something is told what, in environments that have just what is said of them.

They are made here, of links to what this one has, so that nothing is fetched. What is not linked
cannot be imported.
"""

import http.server
import json
import os
import shutil
import subprocess
import threading
import tomllib
import venv
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from jurist.cli import COMMANDS
from jurist.data import write_preferences
from jurist.worlds import BASE, preferences

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


class Environment:
    """A virtual environment with this package, and what its extras bring."""

    def __init__(self, folder: Path, extras: Iterable[str]):
        venv.EnvBuilder(with_pip=False, symlinks=True).create(folder)
        self.folder = folder
        self.python = folder / "bin" / "python"
        (self.site,) = (folder / "lib").glob("python3.*/site-packages")
        (self.site / "jurist").symlink_to(ROOT / "src" / "jurist")
        requires = [*PROJECT["dependencies"]]
        declared = [f"Requires-Dist: {line}" for line in requires]
        for extra, lines in PROJECT["optional-dependencies"].items():
            declared += [f"Provides-Extra: {extra}"]
            for line in lines:
                asked, _, marker = line.partition(";")
                also = f"({marker.strip()}) and " if marker else ""
                declared.append(f"Requires-Dist: {asked}; {also}extra == '{extra}'")
            requires += lines if extra in extras else []
        self.declare("jurist", PROJECT["version"], *declared)
        self.linked: set[str] = set()
        for line in requires:
            self.link(Requirement(line))

    def link(self, asked: Requirement) -> None:
        """Link a distribution of this environment, and what it requires."""
        name = canonicalize_name(asked.name)
        if name in self.linked or not (
            asked.marker is None or asked.marker.evaluate({"extra": ""})
        ):
            return
        self.linked.add(name)
        one = metadata.distribution(name)
        tops = {file.parts[0] for file in one.files or [] if file.suffix != ".pth"}
        for top in tops - {"..", "__pycache__", "jurist"}:
            path = Path(str(one.locate_file(top)))
            if path.exists() and not (self.site / top).exists():
                (self.site / top).symlink_to(path)
        for line in one.requires or []:
            self.link(Requirement(line))

    def declare(self, name: str, version: str, *lines: str) -> None:
        """Say that a version of a package is installed, in the place of what was said."""
        for path in self.site.glob(f"{name}-*.dist-info"):
            path.unlink() if path.is_symlink() else shutil.rmtree(path)
        told = self.site / f"{name}-{version}.dist-info"
        told.mkdir()
        head = ["Metadata-Version: 2.4", f"Name: {name}", f"Version: {version}"]
        (told / "METADATA").write_text("\n".join([*head, *lines]) + "\n", "utf-8")

    def jurist(self, *arguments: object) -> subprocess.CompletedProcess[str]:
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        return subprocess.run(
            [self.python, "-m", "jurist", *map(str, arguments)],
            capture_output=True,
            text=True,
            timeout=280,
            cwd=self.folder,
            env={**kept, "COLUMNS": "300", "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"},
        )


@pytest.fixture(scope="module")
def bare(tmp_path_factory) -> Environment:
    """Nothing but what is always needed."""
    return Environment(tmp_path_factory.mktemp("bare"), ())


@pytest.fixture(scope="module")
def pairs(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("data") / "pairs.jsonl"
    write_preferences(path, preferences("in_distribution", "test", num=4, seed=0))
    return path


def said(done: subprocess.CompletedProcess[str]) -> str:
    assert "Traceback" not in done.stderr, done.stderr
    return " ".join(done.stderr.split())


def test_the_bare_environment_is_bare(bare: Environment):
    assert bare.linked >= {"h11", "jinja2", "numpy", "rich", "tyro"}
    assert not bare.linked & {"torch", "transformers", "fastapi", "pyarrow", "datasets", "trl"}
    lost = [str(bare.python), "-c", "import torch"]
    assert b"No module named 'torch'" in subprocess.run(lost, capture_output=True).stderr


@pytest.mark.fault(22, "no torch", "no server", "no reader", "no engine")
def test_the_doctor_lists_what_is_missing_and_how_it_is_installed(bare: Environment):
    done = bare.jurist("doctor")
    assert done.returncode == 1 and done.stderr == ""
    lines = [line for line in done.stdout.splitlines() if "extra [" in line]
    for extra in ("train", "parquet", "datasets", "report", "gguf", "serve", "ray", "vllm"):
        (line,) = [line for line in lines if f"extra [{extra}]" in line]
        assert "without " in line and f"pip install 'jurist[{extra}]'" in line
    assert "not looked for: no torch" in done.stdout


TRAINING = [
    name
    for name, run in COMMANDS.items()
    if name not in ("judge", "jury", "label", "select", "vote", "listwise", "serve", "evaluate")
    and name not in ("compare", "suites", "faithfulness", "rerun", "push", "export", "doctor")
    and name not in ("completion", "paper", "quickstart", "scan")
]


@pytest.mark.fault(22, "no torch")
def test_training_says_how_torch_is_installed(bare: Environment, pairs: Path, tmp_path, size):
    assert len(TRAINING) >= 10
    for command in TRAINING[: size(2, len(TRAINING))]:
        output = tmp_path / command
        done = bare.jurist(
            *(command, "--model", BASE, "--train", pairs, "--test", pairs, "--allow-overlap"),
            *("--output", output),
        )
        assert done.returncode == 2, (command, done.stderr)
        # Whichever of the extra's packages it wants first.
        wanted = " is not installed: pip install 'jurist[train]'"
        assert said(done).endswith(wanted), (command, done.stderr)


CASES = {
    "judge": ("judge --model BASE --pairs PAIRS --output OUT", "train"),
    "evaluate": ("evaluate --model BASE --test PAIRS --output OUT", "train"),
    "quickstart": ("quickstart --quick --output OUT", "train"),
    "export": ("export BASE --to merged --output OUT", "train"),
    "push": ("push PUSHED --repo owner/name", "train"),
    "serve": ("serve --model m --base-url http://127.0.0.1:9/v1 --port 0", "serve"),
    "parquet": (
        "evaluate --model m --base-url http://127.0.0.1:9/v1 --test X.parquet --output OUT",
        "parquet",
    ),
    "datasets": (
        "evaluate --model m --base-url http://127.0.0.1:9/v1 --test a/b --output OUT",
        "datasets",
    ),
    "layouts": (
        "label --model m --base-url http://127.0.0.1:9/v1 --pairs PAIRS --layouts datasets"
        " --output OUT",
        "datasets",
    ),
}


@pytest.mark.fault(22, "no torch", "no server", "no reader", "no engine")
def test_each_command_says_the_extra_that_it_lacks(bare: Environment, pairs: Path, tmp_path):
    (tmp_path / "x.parquet").write_bytes(b"PAR1")
    pushed = shutil.copytree(BASE, tmp_path / "pushed")
    (pushed / "base.json").unlink()
    for name, (line, extra) in CASES.items():
        named = {"BASE": BASE, "PAIRS": pairs, "OUT": tmp_path / name, "PUSHED": pushed}
        named["X.parquet"] = tmp_path / "x.parquet"
        done = bare.jurist(*(named.get(word, word) for word in line.split()))
        assert done.returncode == 2, (name, done.stderr)
        assert f"pip install 'jurist[{extra}]'" in said(done), (name, done.stderr)


@pytest.fixture
def served():
    """A chat server that prefers the first response, always."""

    class Replies(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            self.rfile.read(int(self.headers["content-length"]))
            message = {"role": "assistant", "content": "[[A]]"}
            choice = {"index": 0, "message": message, "finish_reason": "stop"}
            usage = {"prompt_tokens": 5, "completion_tokens": 3}
            content = json.dumps({"model": "m", "choices": [choice], "usage": usage}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Replies)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    server.shutdown()
    server.server_close()


@pytest.mark.fault(22, "no torch", "no server", "no reader", "no engine")
def test_what_needs_no_extra_works_without_one(bare: Environment, pairs: Path, served, tmp_path):
    judge = ("--model", "m", "--base-url", served, "--votes", "1")
    for command in (
        ("--help",),
        ("star-dpo", "--help"),
        ("judge", *judge, "--pairs", pairs, "--output", tmp_path / "judged"),
        ("label", *judge, "--pairs", pairs, "--output", tmp_path / "labelled"),
        ("evaluate", *judge, "--test", pairs, "--output", tmp_path / "evaluated"),
        ("evaluate", *judge, "--test", pairs, "--output", tmp_path / "other", "--votes", "2"),
        ("compare", tmp_path / "evaluated", tmp_path / "other", "--output", tmp_path / "compared"),
        ("completion", "bash"),
    ):
        done = bare.jurist(*command)
        assert done.returncode == 0, (command, done.stderr)
    page = (tmp_path / "evaluated" / "report.html").read_text("utf-8")
    assert "jurist[report]" in page


@pytest.fixture(scope="module")
def training(tmp_path_factory) -> Environment:
    """What training needs, and no more."""
    return Environment(tmp_path_factory.mktemp("training"), ("train",))


@pytest.mark.fault(22, "old version")
@pytest.mark.parametrize(
    ("package", "version", "needed"),
    [
        ("transformers", "4.57.1", ">=5.23,<6"),
        ("transformers", "6.0.0", ">=5.23,<6"),
        ("torch", "2.7.1+cu126", ">=2.8"),
    ],
)
def test_a_version_that_does_not_fit_is_said(
    training: Environment, pairs: Path, tmp_path, package, version, needed
):
    """By the doctor, and by a command before it fails in words of its own."""
    was = metadata.version(package)
    training.declare(package, version)
    try:
        told = f"{package} {version} is installed, jurist needs {needed}"
        done = training.jurist("judge", "--model", BASE, "--pairs", pairs, "--output", tmp_path)
        assert done.returncode == 2, done.stderr
        assert said(done).endswith(f"jurist: {told}: pip install 'jurist[train]'")
        train = ("--train", pairs, "--test", pairs, "--allow-overlap", "--output", tmp_path / "r")
        done = training.jurist("star-sft", "--model", BASE, *train)
        assert done.returncode == 2, done.stderr
        assert said(done).endswith(f"jurist: {told}: pip install 'jurist[train]'")
        done = training.jurist("doctor")
        assert done.returncode == 1
        (line,) = [line for line in done.stdout.splitlines() if "extra [train]" in line]
        assert told in line and "pip install 'jurist[train]'" in line
    finally:
        training.declare(package, was)


@pytest.mark.fault(22, "old version")
def test_an_old_version_that_lacks_what_is_imported_is_said(training: Environment, tmp_path):
    """A package of which nothing is there but its name."""
    place = training.site / "safetensors"
    held = place.resolve()
    place.unlink()
    place.mkdir()
    (place / "__init__.py").write_text("")
    training.declare("safetensors", "0.3.0")
    try:
        done = training.jurist("export", BASE, "--to", "merged", "--output", tmp_path / "out")
        assert done.returncode == 2, done.stderr
        assert "safetensors 0.3.0 is installed, jurist needs >=0.6" in said(done)
    finally:
        shutil.rmtree(place)
        place.symlink_to(held)
        training.declare("safetensors", metadata.version("safetensors"))


@pytest.mark.slow
@pytest.mark.fault(22, "no accelerator")
@pytest.mark.skipif(
    any(Path("/dev").glob("nvidia[0-9]*")), reason="needs a machine without an accelerator"
)
def test_without_an_accelerator_work_is_done_by_the_processor(
    training: Environment, pairs: Path, tmp_path
):
    judge = ("judge", "--model", BASE, "--votes", "1", "--max-tokens", "16", "--pairs", pairs)
    done = training.jurist(*judge, "--bf16", "--output", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    done = training.jurist("doctor")
    (line,) = [line for line in done.stdout.splitlines() if "accelerator" in line]
    assert "none; CPU on 1 threads" in line


@pytest.mark.fault(22, "no engine")
def test_an_engine_that_is_not_installed_is_said(training: Environment, pairs: Path, tmp_path):
    judge = ("judge", "--model", BASE, "--pairs", pairs, "--output", tmp_path / "run")
    done = training.jurist(*judge, "--engine", "vllm")
    assert done.returncode == 2 and "pip install 'jurist[vllm]'" in said(done)
    done = training.jurist(*judge, "--ray")
    assert done.returncode == 2 and "pip install 'jurist[ray]'" in said(done)
