"""Checkpoints and data that would run something when they are loaded: here, make a folder."""

import json
import os
import pickle
import shutil
import warnings
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM

from jurist.data import read_preferences
from jurist.errors import ConfigError, DataError
from jurist.models import unsafe
from jurist.models.load import load_causal, load_scalar, load_tokenizer, weights_fingerprint
from jurist.models.unsafe import refuse_unsafe
from jurist.worlds import BASE

ROW = {"prompt": "a", "chosen": "b", "rejected": "c"}


class Evil:
    """Makes a folder when it is unpickled."""

    def __init__(self, ran: Path):
        self.ran = ran

    def __reduce__(self):
        return os.mkdir, (str(self.ran),)


@pytest.fixture
def ran(tmp_path) -> Path:
    """The folder that is made if anything runs. Nothing ever does."""
    return tmp_path / "ran"


@pytest.fixture
def pickled(ran) -> bytes:
    return pickle.dumps({"model.norm.weight": Evil(ran)})


@pytest.fixture
def code(ran) -> str:
    return f"import os\nos.mkdir({str(ran)!r})\nclass Own: pass\ndef generate(*a, **k): pass\n"


@pytest.fixture
def checkpoint(tmp_path) -> Path:
    return Path(shutil.copytree(BASE, tmp_path / "model"))


@pytest.fixture
def adapter(tmp_path) -> Path:
    lora = LoraConfig(task_type="CAUSAL_LM", r=1, target_modules=["q_proj"])
    with warnings.catch_warnings(action="ignore"):  # PEFT's, of names in transformers
        base = AutoModelForCausalLM.from_pretrained(BASE)
        get_peft_model(base, lora).save_pretrained(tmp_path / "adapter")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(BASE / name, tmp_path / "adapter" / name)
    return tmp_path / "adapter"


def edit(path: Path, **changes: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), **changes}), "utf-8")


def as_pickles(folder: Path, ran: Path, name: str) -> None:
    """Weights as PyTorch writes them, with something in them that runs."""
    for path in folder.glob("*.safetensors*"):
        path.unlink()
    torch.save({"model.norm.weight": Evil(ran)}, folder / name)


def test_what_is_written_here_would_run(ran, pickled, tmp_path):
    pickle.loads(pickled)
    assert ran.is_dir()
    ran.rmdir()
    torch.save(Evil(ran), tmp_path / "x.bin")
    torch.load(tmp_path / "x.bin", weights_only=False)
    assert ran.is_dir()


@pytest.mark.fault(26, "pickle")
@pytest.mark.parametrize("load", [load_causal, load_scalar])
@pytest.mark.parametrize(
    "name", ["pytorch_model.bin", "model.pt", "model.pth", "last.ckpt", "weights.pkl"]
)
def test_pickled_weights_are_refused(load, name, checkpoint, ran):
    as_pickles(checkpoint, ran, name)
    with pytest.raises(ConfigError, match=f"weights only as {name}.*convert them to safetensors"):
        load(checkpoint)
    assert not ran.exists()


@pytest.mark.fault(26, "pickle")
def test_a_pickled_adapter_and_an_adapter_of_a_pickled_base_are_refused(adapter, checkpoint, ran):
    edit(adapter / "adapter_config.json", base_model_name_or_path=str(checkpoint))
    load_causal(adapter)
    as_pickles(checkpoint, ran, "pytorch_model.bin")
    with pytest.raises(ConfigError, match=r"model: weights only as pytorch_model\.bin"):
        load_causal(adapter)
    edit(adapter / "adapter_config.json", base_model_name_or_path=str(BASE))
    load_causal(adapter)
    # Other safetensors in the folder are not the adapter's.
    (adapter / "adapter_model.safetensors").rename(adapter / "other.safetensors")
    torch.save(Evil(ran), adapter / "adapter_model.bin")
    with pytest.raises(ConfigError, match=r"adapter: weights only as adapter_model\.bin"):
        load_causal(adapter)
    assert not ran.exists()


@pytest.mark.fault(26, "pickle")
def test_pickles_beside_safetensors_are_left_alone(checkpoint, ran):
    for name in ("pytorch_model.bin", "optimizer.pt", "training_args.bin", "rng_state.pth"):
        torch.save(Evil(ran), checkpoint / name)
    load_causal(checkpoint)
    load_scalar(checkpoint)
    load_tokenizer(checkpoint)
    assert not ran.exists()


@pytest.mark.fault(26, "pickle")
def test_a_pickle_that_is_called_safetensors_is_no_model(checkpoint, ran, pickled):
    whole = checkpoint / "model.safetensors"
    torch.save(Evil(ran), whole)
    archive = whole.read_bytes()
    for content in (pickled, archive, b"\x80\x04" + pickled):
        whole.write_bytes(content)
        with pytest.raises(ConfigError, match="cannot be loaded as a model"):
            load_causal(checkpoint)
    assert not ran.exists()


@pytest.mark.fault(26, "pickle", "path in an id")
@pytest.mark.parametrize(
    ("part", "said"),
    [
        ("part.bin", "only safetensors are loaded"),
        ("../elsewhere/part.safetensors", "expected names of files beside it"),
        ("/etc/part.safetensors", "expected names of files beside it"),
        ("..\\part.safetensors", "expected names of files beside it"),
        (7, "expected names of files beside it"),
    ],
)
def test_a_list_of_weights_names_safetensors_of_its_folder(part, said, checkpoint, ran):
    (checkpoint / "model.safetensors").rename(checkpoint / "model-1.safetensors")
    torch.save(Evil(ran), checkpoint / "part.bin")
    index = {"metadata": {}, "weight_map": {"model.norm.weight": part}}
    (checkpoint / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(ConfigError, match=said):
        load_causal(checkpoint)
    assert not ran.exists()


@pytest.mark.fault(26, "remote code")
def test_code_that_is_not_needed_is_not_run_and_that_is_said(checkpoint, code, ran, caplog):
    unsafe._told.clear()
    for name in ("modeling_own.py", "tokenization_own.py", "configuration_own.py"):
        (checkpoint / name).write_text(code)
    (checkpoint / "custom_generate").mkdir()
    (checkpoint / "custom_generate" / "generate.py").write_text(code)
    models = {f"AutoModel{end}": "modeling_own.Own" for end in ("", "ForCausalLM")}
    models["AutoModelForSequenceClassification"] = "modeling_own.Own"
    edit(
        checkpoint / "config.json",
        auto_map={"AutoConfig": "configuration_own.Own", **models},
    )
    edit(
        checkpoint / "tokenizer_config.json",
        auto_map={"AutoTokenizer": ["tokenization_own.Own", None]},
    )
    load_causal(checkpoint)
    load_scalar(checkpoint)
    load_tokenizer(checkpoint)
    (said,) = [
        record.getMessage() for record in caplog.records if "auto_map" in record.getMessage()
    ]
    assert said.startswith(f"{checkpoint}: config.json and tokenizer_config.json name code")
    assert not ran.exists()


@pytest.mark.fault(26, "remote code")
@pytest.mark.parametrize("load", [load_causal, load_scalar])
def test_a_model_that_is_code_of_its_own_is_refused(load, checkpoint, code, ran):
    (checkpoint / "own.py").write_text(code)
    own = {name: "own.Own" for name in ("AutoConfig", "AutoModel", "AutoModelForCausalLM")}
    edit(checkpoint / "config.json", model_type="own", auto_map=own)
    with pytest.raises(ConfigError, match="code from a checkpoint is never run") as refused:
        load(checkpoint)
    assert "trust_remote_code" not in str(refused.value)
    assert not ran.exists()


@pytest.mark.fault(26, "remote code")
def test_a_tokenizer_that_is_code_of_its_own_is_refused(checkpoint, code, ran):
    (checkpoint / "own.py").write_text(code)
    config = {"tokenizer_class": "Own", "auto_map": {"AutoTokenizer": ["own.Own", None]}}
    (checkpoint / "tokenizer.json").unlink()
    (checkpoint / "tokenizer_config.json").write_text(json.dumps(config))
    with pytest.raises(ConfigError):
        load_tokenizer(checkpoint)
    assert not ran.exists()


@pytest.mark.fault(26, "remote code")
@pytest.mark.parametrize(
    "changes",
    [
        {"attn_implementation": "somebody/kernel"},
        {"_attn_implementation": "somebody/kernel@v1:fn"},
        {"_attn_implementation_internal": "somebody/kernel"},
        {"experts_implementation": "somebody/kernel"},
        {"attn_implementation": {"": "somebody/kernel"}},
        {"text_config": {"attn_implementation": "somebody/kernel"}},
    ],
)
def test_a_config_that_asks_for_kernels_of_a_hub_is_refused(changes, checkpoint):
    edit(checkpoint / "config.json", **changes)
    with pytest.raises(ConfigError, match="code that would be fetched and run"):
        load_causal(checkpoint)


@pytest.mark.fault(26, "remote code")
def test_an_adapter_that_names_a_module_to_import_is_refused(adapter, code, ran, monkeypatch):
    (adapter / "own_core.py").write_text(code)
    monkeypatch.syspath_prepend(adapter)
    edit(adapter / "adapter_config.json", megatron_config={}, megatron_core="own_core")
    with pytest.raises(ConfigError, match="megatron_config makes PEFT import a module"):
        load_causal(adapter)
    auto = {"base_model_class": "Own", "parent_library": "own_core"}
    edit(
        adapter / "adapter_config.json",
        megatron_config=None,
        megatron_core="megatron.core",
        task_type=None,
        auto_mapping=auto,
    )
    with pytest.raises(ConfigError, match="cannot be loaded"):
        load_causal(adapter)
    assert not ran.exists()


def test_what_is_damaged_is_left_to_the_loader_and_what_is_no_folder_too(checkpoint):
    refuse_unsafe("owner/name")
    (checkpoint / "config.json").write_text("[" * 100_000)
    refuse_unsafe(checkpoint)
    (checkpoint / "model.safetensors").unlink()
    with pytest.raises(
        ConfigError, match=r"no weights here; a checkpoint has a model\.safetensors"
    ):
        refuse_unsafe(checkpoint)


def test_adapters_of_one_another_have_an_end(adapter):
    other = Path(shutil.copytree(adapter, adapter.with_name("other")))
    for bases in ((adapter, other), (other, adapter), (other, other)):
        for folder, base in zip((adapter, other), bases, strict=True):
            edit(folder / "adapter_config.json", base_model_name_or_path=str(base))
        for use in (refuse_unsafe, weights_fingerprint, load_causal):
            with pytest.raises(ConfigError, match="base_model_name_or_path leads back to"):
                use(adapter)


@pytest.mark.parametrize("base", [None, "", 7, [BASE.name]])
def test_an_adapter_without_a_base_is_told(adapter, base):
    edit(adapter / "adapter_config.json", base_model_name_or_path=base)
    for use in (refuse_unsafe, weights_fingerprint, load_causal):
        with pytest.raises(ConfigError, match=r"adapter_config\.json: expected base_model_name_or"):
            use(adapter)


@pytest.mark.fault(26, "remote code")
def test_a_data_set_that_is_a_program_is_refused(tmp_path, code, ran):
    for place in (tmp_path / "set", tmp_path / "set" / "part"):
        place.mkdir()
        (place / f"{place.name}.py").write_text(code)
    with pytest.raises((DataError, ConfigError)):
        read_preferences(str(tmp_path / "set"))
    assert not ran.exists()


@pytest.mark.fault(26, "pickle")
def test_data_is_never_unpickled(tmp_path, pickled, ran):
    import pyarrow
    from pyarrow import parquet

    # As pyarrow once kept types of Python, which it unpickled when it read them.
    kept = {
        b"ARROW:extension:name": b"arrow.py_extension_type",
        b"ARROW:extension:metadata": pickled,
    }
    fields = [pyarrow.field(name, pyarrow.string(), metadata=kept) for name in ROW]
    table = pyarrow.Table.from_pylist([ROW], schema=pyarrow.schema(fields))
    parquet.write_table(table, tmp_path / "rows.parquet")
    (read,) = read_preferences(tmp_path / "rows.parquet").preferences
    assert read.chosen == "b"
    for name in ("rows.jsonl", "rows.json", "rows.jsonl.gz", "rows.json.gz", "other.parquet"):
        (tmp_path / name).write_bytes(pickled)
        with pytest.raises(DataError):
            read_preferences(tmp_path / name)
    for name in ("rows.pkl", "rows.npy", "rows.pt"):
        (tmp_path / name).write_bytes(pickled)
        with pytest.raises(DataError, match="expected a name that ends in"):
            read_preferences(tmp_path / name)
    assert not ran.exists()
