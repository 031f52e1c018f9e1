"""What the package's own source may not do: unpickle, run text, start a shell, trust a checkpoint.

Each of the few places that do something near to it is named, with the reason why it is harmless.
"""

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "src" / "jurist").rglob("*.py"))

IMPORTS = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "csv", "yaml"}
IMPORTS |= {"tarfile", "zipfile", "xml", "telnetlib", "ftplib"}
CALLS = {"eval", "exec", "compile", "__import__", "os.system", "os.popen", "torch.load"}
CALLS |= {
    "torch.save",
    "numpy.load",
    "np.load",
    "pandas.read_pickle",
    "yaml.load",
    "yaml.unsafe_load",
}
CALLS |= {"torch.hub.load", "load_state", "accelerator.load_state", "subprocess.getoutput"}
RUNS = {"subprocess.run", "subprocess.Popen", "subprocess.call", "subprocess.check_output"}

ALLOWED = Counter(
    {
        # Both ends are this program, on a line that nobody else holds.
        "engines/workers.py: import pickle": 1,
        "engines/worker_process.py: import pickle": 1,
        # Pages of this package, escaped: see tests/reports.
        "reports/html.py: jinja2.Environment": 1,
        # Of a login to Weights & Biases: whether the key is good is found out when it is used.
        "tracking.py: verify=False": 1,
    }
)


def name_of(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return f"{name_of(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def offences(source: str) -> Iterator[str]:
    """What of a source is not allowed, or only where it is named."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names]
            if isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            yield from (f"import {name}" for name in names if name.partition(".")[0] in IMPORTS)
        # Named is enough: under another name it would be called all the same.
        if isinstance(node, ast.Attribute) and name_of(node) in CALLS:
            yield f"{name_of(node)}()"
        if isinstance(node, ast.Call):
            yield from called(name_of(node.func), node)
            for keyword in node.keywords:
                yield from given(keyword)


def called(name: str, call: ast.Call) -> Iterator[str]:
    last = name.rpartition(".")[2]
    if ("." not in name and name in CALLS) or last in ("read_pickle", "load_state"):
        yield f"{name}()"
    if name.startswith("jinja2.") and last in ("Environment", "Template"):
        yield name
    if name in RUNS and call.args and isinstance(call.args[0], ast.Constant | ast.JoinedStr):
        yield f"{name}(text)"


def given(keyword: ast.keyword) -> Iterator[str]:
    off = isinstance(keyword.value, ast.Constant) and keyword.value.value is False
    if keyword.arg in ("trust_remote_code", "allow_pickle", "shell") and not off:
        yield f"{keyword.arg}="
    if keyword.arg in ("weights_only", "use_safetensors", "autoescape", "verify") and off:
        yield f"{keyword.arg}=False"


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import pickle", "import pickle"),
        ("from pickle import loads", "import pickle"),
        ("import csv", "import csv"),
        ("eval('1')", "eval()"),
        ("os.system(x)", "os.system()"),
        ("load = torch.load", "torch.load()"),
        ("torch.load(path, weights_only=True)", "torch.load()"),
        ("f(trust_remote_code=flag)", "trust_remote_code="),
        ("f(trust_remote_code=True)", "trust_remote_code="),
        ("np.load(x, allow_pickle=True)", "np.load()"),
        ("f(x, allow_pickle=True)", "allow_pickle="),
        ("subprocess.run(c, shell=True)", "shell="),
        ("subprocess.run(f'rm {x}')", "subprocess.run(text)"),
        ("accelerator.load_state(x)", "accelerator.load_state()"),
        ("import jinja2\njinja2.Template(x)", "jinja2.Template"),
        ("import jinja2\njinja2.Environment(autoescape=False)", "autoescape=False"),
        ("f(use_safetensors=False)", "use_safetensors=False"),
    ],
)
def test_the_search_finds_it(source: str, found: str):
    assert found in list(offences(source))


@pytest.mark.fault(26, "code in the package", "pickle", "remote code", "template", "formula cell")
def test_nothing_in_the_package_runs_what_it_reads():
    """Nor writes tables that a spreadsheet would take formulas from: no CSV is written or read."""
    assert len(SOURCES) > 200
    found = Counter(
        f"{path.relative_to(ROOT / 'src' / 'jurist')}: {what}"
        for path in SOURCES
        for what in offences(path.read_text("utf-8"))
    )
    assert found == ALLOWED


@pytest.mark.fault(26, "remote code")
def test_every_checkpoint_is_loaded_without_its_code():
    """Whatever calls `from_pretrained` says so, rather than to rely on what is the default."""
    calls = [
        (path.name, node)
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call) and name_of(node.func).endswith(".from_pretrained")
    ]
    assert len(calls) >= 5
    for name, call in calls:
        words = {keyword.arg for keyword in call.keywords}
        assert words & {"trust_remote_code", "use_safetensors"}, (name, call.lineno)
