import json
import logging
import shutil

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import (
    AutoModelForSequenceClassification,
    BertConfig,
    BertModel,
    LlamaConfig,
    LlamaForCausalLM,
)

from jurist.errors import ConfigError, StoreError, is_out_of_memory
from jurist.models.load import (
    load_causal,
    load_critic,
    load_scalar,
    load_tokenizer,
    weights_fingerprint,
)
from jurist.training.checkpoint import writing
from jurist.worlds import BASE

TINY = LlamaConfig(
    vocab_size=297,
    hidden_size=16,
    intermediate_size=16,
    num_hidden_layers=1,
    num_attention_heads=2,
    pad_token_id=0,
    eos_token_id=1,
    bos_token_id=None,
)


@pytest.fixture
def checkpoint(tmp_path):
    """A whole checkpoint of a tiny model of random weights."""
    torch.manual_seed(0)
    LlamaForCausalLM(TINY).save_pretrained(tmp_path / "tiny")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(BASE / name, tmp_path / "tiny" / name)
    return tmp_path / "tiny"


def edit_config(folder, **changes):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_a_causal_model_comes_ready_to_run(checkpoint):
    model = load_causal(checkpoint)
    assert not model.training
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    assert {p.dtype for p in load_causal(checkpoint, dtype="bfloat16").parameters()} == {
        torch.bfloat16
    }


@pytest.mark.fault(2, "bit flipped", "truncated")
def test_a_checkpoint_is_held_to_its_manifest_by_whatever_loads_it(checkpoint, tmp_path):
    with writing(tmp_path / "made", {}) as folder:
        shutil.copytree(checkpoint, folder, dirs_exist_ok=True)
    whole = weights_fingerprint(tmp_path / "made")
    load_causal(tmp_path / "made")
    weights = tmp_path / "made" / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-3] ^= 1
    weights.write_bytes(content)
    for use in (weights_fingerprint, load_causal, load_scalar, load_critic):
        with pytest.raises(StoreError, match=r"its SHA-256 is not .*it is not loaded") as caught:
            use(tmp_path / "made")
        assert caught.value.exit_code == 5
    # Without the manifest it is a model like any other, and another one.
    (tmp_path / "made" / "manifest.json").unlink()
    load_causal(tmp_path / "made")
    assert weights_fingerprint(tmp_path / "made") != whole
    weights.write_bytes(content[:-1000])
    with pytest.raises(ConfigError, match="cannot be loaded as a model"):
        load_causal(tmp_path / "made")


def test_the_base_that_ships_loads_with_nothing_written(capfd, caplog):
    caplog.set_level(logging.DEBUG, "transformers")
    load_causal(BASE)
    load_tokenizer(BASE)
    load_scalar(BASE)
    assert capfd.readouterr() == ("", "")


def test_a_new_scalar_head_gives_every_response_zero(checkpoint):
    model = load_scalar(checkpoint)
    with torch.inference_mode():
        scores = model(input_ids=torch.tensor([[3, 4, 5], [6, 7, 8]])).logits
    assert scores.tolist() == [[0.0], [0.0]]


def test_a_trained_scalar_head_survives_saving_and_loading(checkpoint, tmp_path):
    model = load_scalar(checkpoint)
    torch.nn.init.normal_(model.score.weight)
    ids = torch.tensor([[3, 4, 5], [6, 7, 8]])
    with torch.inference_mode():
        expected = model(input_ids=ids).logits
    model.save_pretrained(tmp_path / "scalar")
    for again in (
        load_scalar(tmp_path / "scalar"),
        AutoModelForSequenceClassification.from_pretrained(tmp_path / "scalar"),
    ):
        with torch.inference_mode():
            assert torch.equal(again(input_ids=ids).logits, expected)


# peft 0.21 asks transformers 5.23 for something by its old name.
PEFT = pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing.*:FutureWarning")


@PEFT
def test_an_adapter_loads_merged_into_its_base(checkpoint, tmp_path):
    torch.manual_seed(0)
    wrapped = get_peft_model(
        LlamaForCausalLM.from_pretrained(checkpoint),
        LoraConfig(r=2, target_modules=["q_proj"], init_lora_weights=False, task_type="CAUSAL_LM"),
    ).eval()
    wrapped.save_pretrained(tmp_path / "adapter")
    ids = torch.tensor([[3, 4, 5]])
    with torch.inference_mode():
        expected, base = wrapped(input_ids=ids).logits, load_causal(checkpoint)(ids).logits
        found = load_causal(tmp_path / "adapter")(input_ids=ids).logits
    torch.testing.assert_close(found, expected)
    assert not torch.allclose(found, base)


@pytest.mark.parametrize("load", [load_causal, load_scalar, load_tokenizer])
class TestRefusals:
    def test_of_a_name_that_is_nothing(self, load, tmp_path, monkeypatch):
        monkeypatch.setenv("HF_HUB_OFFLINE", "1")
        with pytest.raises(ConfigError, match="neither a folder here nor a model") as refusal:
            load(tmp_path / "nothing")
        assert str(refusal.value).count("\n") == 0

    def test_of_code_in_a_checkpoint(self, load, checkpoint):
        marker = checkpoint / "ran"
        (checkpoint / "modeling_own.py").write_text(f"open({str(marker)!r}, 'w')\n")
        names = ("AutoConfig", "AutoModelForCausalLM", "AutoModelForSequenceClassification")
        (checkpoint / "tokenizer_config.json").write_text(
            json.dumps({"auto_map": {"AutoTokenizer": ["modeling_own.Own", None]}})
        )
        edit_config(
            checkpoint, model_type="own", auto_map={name: "modeling_own.Own" for name in names}
        )
        with pytest.raises(ConfigError):
            load(checkpoint)
        assert not marker.exists()


@pytest.mark.parametrize("load", [load_causal, load_scalar])
class TestRefusalsOfWeights:
    def test_without_any(self, load, checkpoint):
        (checkpoint / "model.safetensors").unlink()
        with pytest.raises(ConfigError, match=r"no weights here.*model\.safetensors"):
            load(checkpoint)

    def test_that_are_pickled(self, load, checkpoint):
        (checkpoint / "model.safetensors").rename(checkpoint / "pytorch_model.bin")
        with pytest.raises(ConfigError, match=r"pytorch_model\.bin.*convert them to safetensors"):
            load(checkpoint)

    def test_that_are_cut_short(self, load, checkpoint):
        weights = checkpoint / "model.safetensors"
        weights.write_bytes(weights.read_bytes()[:-100])
        with pytest.raises(ConfigError, match="tiny"):
            load(checkpoint)

    def test_that_lack_a_part_of_the_model(self, load, checkpoint):
        # One layer more than there are weights of: random numbers would stand in its place.
        edit_config(checkpoint, num_hidden_layers=2)
        with pytest.raises(ConfigError, match=r"lacks .*layers\.1\."):
            load(checkpoint)

    def test_of_another_shape(self, load, checkpoint):
        edit_config(checkpoint, intermediate_size=24)
        with pytest.raises(ConfigError, match=r"lacks .*mlp.*another shape"):
            load(checkpoint)


def test_an_encoder_is_no_causal_model(tmp_path):
    config = BertConfig(
        vocab_size=30,
        hidden_size=8,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=8,
    )
    BertModel(config).save_pretrained(tmp_path / "bert")
    with pytest.raises(ConfigError, match=r"lacks cls\.predictions"):
        load_causal(tmp_path / "bert")


def test_a_scalar_checkpoint_is_no_causal_model(checkpoint, tmp_path):
    config = LlamaConfig(**TINY.to_dict() | {"tie_word_embeddings": False})
    AutoModelForSequenceClassification.from_config(config).save_pretrained(tmp_path / "scalar")
    with pytest.raises(ConfigError, match=r"lacks .*lm_head"):
        load_causal(tmp_path / "scalar")


def test_a_broken_config_or_tokenizer_is_refused_by_folder(checkpoint):
    (checkpoint / "tokenizer.json").write_text("{")
    with pytest.raises(ConfigError, match="tiny"):
        load_tokenizer(checkpoint)
    (checkpoint / "config.json").write_text("{")
    with pytest.raises(ConfigError, match="tiny"):
        load_causal(checkpoint)


class TestFingerprint:
    def test_does_not_depend_on_where_the_folder_is(self, checkpoint, tmp_path):
        shutil.copytree(checkpoint, tmp_path / "copy")
        assert weights_fingerprint(tmp_path / "copy") == weights_fingerprint(checkpoint)

    @pytest.mark.parametrize(
        "name", ["model.safetensors", "config.json", "tokenizer.json", "tokenizer_config.json"]
    )
    def test_changes_with_each_file(self, checkpoint, name):
        before = weights_fingerprint(checkpoint)
        content = bytearray((checkpoint / name).read_bytes())
        content[-2] ^= 1
        (checkpoint / name).write_bytes(content)
        assert weights_fingerprint(checkpoint) != before

    def test_changes_with_a_chat_template_of_its_own(self, checkpoint):
        before = weights_fingerprint(checkpoint)
        (checkpoint / "chat_template.jinja").write_text("{{ messages }}")
        assert weights_fingerprint(checkpoint) != before

    def test_does_not_change_with_notes(self, checkpoint):
        before = weights_fingerprint(checkpoint)
        (checkpoint / "README.md").write_text("A model.")
        assert weights_fingerprint(checkpoint) == before

    @PEFT
    def test_of_an_adapter_changes_with_its_base(self, checkpoint, tmp_path):
        wrapped = get_peft_model(
            LlamaForCausalLM.from_pretrained(checkpoint),
            LoraConfig(r=2, target_modules=["q_proj"], task_type="CAUSAL_LM"),
        )
        wrapped.save_pretrained(tmp_path / "adapter")
        before = weights_fingerprint(tmp_path / "adapter")
        torch.manual_seed(1)
        LlamaForCausalLM(TINY).save_pretrained(checkpoint)
        assert weights_fingerprint(tmp_path / "adapter") != before


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "damaged"),
        ("[" * 100_000, "damaged"),
        ("[]", "damaged"),
        ('{"weight": null}', "damaged"),
        ('{"weight": [["a"]]}', "damaged"),
        ('{"weight": [[0.5]]}', r"expected finite weights of shape \[1, 16\], found \[1, 1\]"),
        ('{"weight": 0.5}', r"of shape \[1, 16\], found \[\]"),
        (json.dumps({"weight": [[float("nan")] * 16]}), r"of shape \[1, 16\], found others"),
    ],
)
@pytest.mark.parametrize("load", [load_critic, load_scalar])
def test_a_reward_head_that_is_none_is_told(checkpoint, load, content, said):
    (checkpoint / "reward_head.json").write_text(content)
    with pytest.raises(ConfigError, match=rf"reward_head\.json: .*{said}"):
        load(checkpoint)


@pytest.mark.parametrize(
    "changes",
    [
        {"hidden_size": "wide"},
        {"hidden_size": None},
        {"num_attention_heads": 0},
        {"num_hidden_layers": -1},
        {"model_type": 7},
        {"model_type": ["llama"]},
        {"rope_parameters": 7},
        {"hidden_act": "nothing"},
        {"dtype": "float7"},
        {"layer_types": "all"},
        {"architectures": 7},
    ],
    ids=str,
)
def test_a_config_of_nonsense_is_told_in_one_sentence(checkpoint, changes):
    edit_config(checkpoint, **changes)
    for load in (load_causal, load_scalar):
        try:
            load(checkpoint)
        except ConfigError as error:
            assert str(error).startswith(str(checkpoint)) and "\n" not in str(error)


def test_that_there_is_no_memory_is_not_said_of_the_model(checkpoint):
    # More than a processor has addresses for.
    edit_config(checkpoint, vocab_size=10**13)
    with pytest.raises(RuntimeError, match="can't allocate memory") as caught:
        load_causal(checkpoint)
    assert not isinstance(caught.value, ConfigError) and is_out_of_memory(caught.value)
