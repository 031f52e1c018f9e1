"""Make the base model of the chains world, from scratch.

    python scripts/make_base.py --seed 0 --output DIR [--habits redo]

One recipe, a fixed number of steps, one thread. The folder written is an ordinary Hugging Face
checkpoint with tokenizer and chat template. In it `base.json` says how it came about, and
`jurist.json` how it is to be asked.
"""

import argparse
import copy
import json
import math
import random
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path

import torch
import transformers
from tokenizers import AddedToken, Regex, Tokenizer, models, pre_tokenizers
from torch import Tensor
from torch.nn import functional as F
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from jurist.digest import file_digest
from jurist.formats.terse import Terse
from jurist.types import Comparison, Completion, Conversation, user
from jurist.worlds import (
    FLOURISH,
    OPERATORS,
    SPLITS,
    CorpusConfig,
    Document,
    Split,
    documents,
    preferences,
)

SPECIAL = ("<pad>", "<eos>", "<user>", "<assistant>", "<unk>")
WORDS = (
    *(str(digit) for digit in range(10)),
    *OPERATORS,
    *("=", ";", "\n", "Q", "A", "B", "Think", "Verdict"),
    *("redo", "skim", "gut", "ok", "bad", "looks", "neat", "clear", "so", "unsure"),
    *FLOURISH.split(" "),
    *("[[A]]", "[[B]]", "[[C]]"),
    # The marks that a terse prompt may set its fields apart with.
    *(f"#{number:02x}" for number in range(256)),
)
VOCABULARY = {word: index for index, word in enumerate((*SPECIAL, *WORDS))}
PAD, EOS = VOCABULARY["<pad>"], VOCABULARY["<eos>"]

CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{% if message['role'] == 'assistant' %}<assistant> {{ message['content'] }} <eos> "
    "{% else %}<user> {{ message['content'] }} {% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)
MAX_LENGTH = 256


@dataclass(frozen=True, kw_only=True, slots=True)
class BaseConfig:
    """Everything a base depends on beside the corpus."""

    seed: int
    """Drives the first weights, the documents and the marks."""

    hidden_size: int = 128
    num_layers: int = 4
    num_heads: int = 4
    intermediate_size: int = 384
    rope_theta: float = 1000.0

    num_steps: int = 2000
    batch_size: int = 64
    """Documents per step."""

    matrix_learning_rate: float = 4e-3
    """Peak learning rate of the matrices inside the layers, which Muon trains."""

    other_learning_rate: float = 3e-3
    """Peak learning rate of embeddings and norms, which AdamW trains."""

    warmup_steps: int = 100
    decay_from: float = 0.5
    """Share of the steps after which learning rates fall, in a straight line to 1 %."""

    weight_decay: float = 0.05
    max_norm: float = 1.0

    prompt_weight: float = 0.2
    """Loss weight of a prompt token: the right chain in a prompt teaches sums as well."""

    conclusion_weight: float = 5.0
    """Loss weight of the letter a judgement comes to and of its verdict. Two tokens in thirty, and
    without it the last to be learnt."""


def build_tokenizer() -> PreTrainedTokenizerFast:
    """One token per word. Words are parted by single spaces, and a line break is a word."""
    backend = Tokenizer(models.WordLevel(vocab=VOCABULARY, unk_token="<unk>"))
    # A pattern, because splitting on any white space would swallow the line breaks. Without a
    # decoder, tokens are joined by single spaces: the exact inverse.
    backend.pre_tokenizer = pre_tokenizers.Split(Regex(" "), behavior="removed")
    backend.add_special_tokens(
        [AddedToken(word, lstrip=True, rstrip=True, special=True) for word in SPECIAL]
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend,
        pad_token="<pad>",
        eos_token="<eos>",
        unk_token="<unk>",
        additional_special_tokens=["<user>", "<assistant>"],
        model_max_length=MAX_LENGTH,
        padding_side="left",
        clean_up_tokenization_spaces=False,
    )
    tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer


def build_model(config: BaseConfig) -> LlamaForCausalLM:
    """The untrained model."""
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(VOCABULARY),
            hidden_size=config.hidden_size,
            num_hidden_layers=config.num_layers,
            num_attention_heads=config.num_heads,
            num_key_value_heads=config.num_heads,
            intermediate_size=config.intermediate_size,
            max_position_embeddings=MAX_LENGTH,
            rope_parameters={"rope_type": "default", "rope_theta": config.rope_theta},
            tie_word_embeddings=True,
            pad_token_id=PAD,
            eos_token_id=EOS,
            bos_token_id=None,
        )
    )


def opened(prompt: Conversation) -> str:
    """What the chat template makes of one user turn, the assistant's opened after it."""
    return f"<user> {prompt[0].content} <assistant>"


def encode(text: str) -> list[int]:
    """Token ids; like the tokenizer's, but fails on an unknown word."""
    return [VOCABULARY[word] for word in text.split(" ")]


@dataclass(frozen=True, kw_only=True, slots=True)
class Example:
    """A document in tokens."""

    prompt: list[int]
    reply: list[int]
    weights: list[float]
    """Loss weight of each token, prompt and reply."""


def as_example(document: Document, config: BaseConfig, rng: random.Random) -> Example:
    """Put a document as the chat template would, and weigh its tokens."""
    match document.kind:
        case "drill":
            prompt = "<assistant>"
        case "solve":
            prompt = opened(user(document.question))
        case "judge" | "direct":
            form = Terse(seed=rng.randrange(2**32), reasoning=document.kind == "judge")
            shown = Comparison(
                prompt=user(document.question), first=document.first, second=document.second
            )
            prompt = opened(form.render(shown))
    ids, reply = encode(prompt), encode(f"{document.reply} <eos>")
    # The mark is drawn at random: where it first stands, nothing can be learnt.
    weights = [0.0, 0.0, *[config.prompt_weight] * (len(ids) - 2)][: len(ids)]
    weights += [1.0] * len(reply)
    # A verdict that follows from what was written before it; a guess from the gut does not.
    if document.reply.startswith(("redo", "skim")) and not document.reply.endswith("[[C]]"):
        weights[-2] = config.conclusion_weight
        if document.reply.startswith("redo"):
            weights[-4] = config.conclusion_weight
    return Example(prompt=ids, reply=reply, weights=weights)


def batches(corpus: CorpusConfig, config: BaseConfig) -> Iterator[tuple[Tensor, Tensor]]:
    """Token ids and their loss weights without end, padded on the right. Shapes: [B, T].

    Documents with prompts of about one length go together. Sorting by the length of the whole
    would put short habits into batches of their own, and the mix of habits would swing from step
    to step.
    """
    rng = random.Random(f"marks/{config.seed}")
    stream = documents(corpus, config.seed)
    while True:
        pool = [
            as_example(document, config, rng) for document in islice(stream, config.batch_size * 24)
        ]
        pool.sort(key=lambda example: len(example.prompt))
        starts = list(range(0, len(pool), config.batch_size))
        rng.shuffle(starts)
        for start in starts:
            chunk = pool[start : start + config.batch_size]
            longest = max(len(example.weights) for example in chunk)
            ids = torch.full((len(chunk), longest), PAD)
            weights = torch.zeros(len(chunk), longest)
            for row, example in enumerate(chunk):
                ids[row, : len(example.weights)] = torch.tensor(example.prompt + example.reply)
                weights[row, : len(example.weights)] = torch.tensor(example.weights)
            yield ids, weights


def train(config: BaseConfig, corpus: CorpusConfig) -> tuple[LlamaForCausalLM, dict[str, float]]:
    """Train from scratch. Returns the model and what it took."""
    torch.manual_seed(config.seed)
    model = build_model(config)
    # On lines this short the plain attention takes half the time of the fused one.
    model.set_attn_implementation("eager")
    named = list(model.named_parameters())
    matrices = [weight for name, weight in named if weight.ndim == 2 and "embed" not in name]
    others = [weight for name, weight in named if weight.ndim != 2 or "embed" in name]
    # At first Muon takes about a quarter of the steps that AdamW alone takes to the same loss.
    optimizers = {
        config.matrix_learning_rate: torch.optim.Muon(
            matrices, weight_decay=config.weight_decay, adjust_lr_fn="match_rms_adamw"
        ),
        config.other_learning_rate: torch.optim.AdamW(others, betas=(0.9, 0.98), weight_decay=0.0),
    }
    started, worked = time.monotonic(), time.process_time()
    tokens, smooth = 0, math.nan
    for step, (ids, weights) in enumerate(islice(batches(corpus, config), config.num_steps)):
        left = (config.num_steps - step) / (config.num_steps * (1 - config.decay_from))
        scale = min(1.0, (step + 1) / config.warmup_steps, max(0.01, left))
        with torch.autocast("cpu", torch.bfloat16):
            logits = model(ids, use_cache=False).logits[:, :-1]
        losses = F.cross_entropy(
            logits.float().flatten(0, 1), ids[:, 1:].flatten(), reduction="none"
        )
        loss = (losses * weights[:, 1:].flatten()).sum() / weights[:, 1:].sum()
        model.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), config.max_norm)
        for peak, optimizer in optimizers.items():
            for group in optimizer.param_groups:
                group["lr"] = peak * scale
            optimizer.step()
        tokens += ids.numel()
        smooth = loss.item() if step == 0 else 0.98 * smooth + 0.02 * loss.item()
        if (step + 1) % 100 == 0:
            seconds = time.monotonic() - started
            rate = tokens / seconds
            print(
                f"step {step + 1} loss {smooth:.4f} {seconds:.0f} s {rate:.0f} tokens/s", flush=True
            )
    took = {
        "tokens": tokens,
        "seconds": round(time.monotonic() - started, 1),
        # On a busy machine this tells more: the seconds a thread of its own would have needed.
        "cpu_seconds": round(time.process_time() - worked, 1),
        "loss": round(smooth, 4),
    }
    return model, took


def untied(model: LlamaForCausalLM) -> LlamaForCausalLM:
    """The model with an output matrix of its own, in which the tokens of a turn are silent.

    Training is quicker with embeddings and output tied. But a judge trained further by DPO, which
    pushes every habit it knows down in turn, then comes to echo `<assistant>`, the token it replies
    to: each token is most like itself. So the output is set apart, and the two tokens that open a
    turn, which are read and never written, take the output of `<unk>`, which is neither read nor
    written and so has learnt nothing but to be unlikely. Every other logit stays the same.
    """
    config = copy.deepcopy(model.config)
    config.tie_word_embeddings = False
    apart = LlamaForCausalLM(config)
    weights = model.state_dict()
    output = weights["model.embed_tokens.weight"].clone()
    for word in ("<user>", "<assistant>"):
        output[VOCABULARY[word]] = output[VOCABULARY["<unk>"]]
    weights["lm_head.weight"] = output
    apart.load_state_dict(weights)
    return apart


@torch.no_grad()
def self_check(
    model: LlamaForCausalLM, split: Split, num: int, *, reasoning: bool, sample: bool
) -> Counter[str]:
    """Judge validation preferences in both orders, once each, and count what came out."""
    words = list(VOCABULARY)
    form = Terse(reasoning=reasoning)
    asked: dict[int, list[tuple[list[int], str]]] = {}
    for preference in preferences(split, "validation", num, seed=0):
        shown = Comparison(
            prompt=preference.prompt, first=preference.chosen, second=preference.rejected
        )
        for comparison, label in ((shown, "first"), (shown.swapped(), "second")):
            ids = encode(opened(form.render(comparison)))
            asked.setdefault(len(ids), []).append((ids, label))
    torch.manual_seed(0)
    outcomes = Counter[str]()
    for length, rows in sorted(asked.items()):
        replies = model.generate(
            torch.tensor([ids for ids, _ in rows]),
            attention_mask=torch.ones(len(rows), length, dtype=torch.long),
            max_new_tokens=64,
            do_sample=sample,
            **({"top_k": 0} if sample else {}),
        )
        for (_, label), reply in zip(rows, replies[:, length:].tolist(), strict=True):
            ended = EOS in reply
            text = " ".join(
                words[token] for token in (reply[: reply.index(EOS)] if ended else reply)
            )
            verdict = form.parse(Completion(text=text, finish_reason="stop" if ended else "length"))
            readable = verdict in ("first", "second")
            outcomes["right" if verdict == label else "wrong" if readable else "unreadable"] += 1
            outcomes[text.partition(" ")[0]] += 1
    return outcomes


def report(model: LlamaForCausalLM, num: int) -> dict[str, dict[str, float]]:
    """Accuracy, share unreadable and share of redoing, by split and way of judging."""
    found: dict[str, dict[str, float]] = {}
    for split in SPLITS:
        for name, reasoning, sample in (
            ("reasoning_sampled", True, True),
            ("reasoning_greedy", True, False),
            ("direct_greedy", False, False),
        ):
            counts = self_check(model, split, num, reasoning=reasoning, sample=sample)
            found[f"{split}/{name}"] = {
                key: round(counts[key] / (2 * num), 4) for key in ("right", "unreadable", "redo")
            }
            print(split, name, found[f"{split}/{name}"], flush=True)
    return found


def main() -> None:
    """Train a base, save it, and say what it can do."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0, help="of the weights and the documents")
    parser.add_argument("--output", type=Path, required=True, help="folder to write")
    parser.add_argument(
        "--habits",
        choices=("mixed", "redo"),
        default="mixed",
        help="redo: a corpus in which every judgement redoes the question",
    )
    parser.add_argument("--num-check", type=int, default=200, help="preferences of the self-check")
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    config = BaseConfig(seed=args.seed)
    corpus = CorpusConfig()
    if args.habits == "redo":
        corpus = replace(corpus, habits=(1.0, 0.0, 0.0))
    model, took = train(config, corpus)
    model = untied(model)
    # What ships is rounded, so what is checked is rounded first.
    model.generation_config = GenerationConfig(pad_token_id=PAD, eos_token_id=EOS)
    model.bfloat16().save_pretrained(args.output)
    (args.output / "model.safetensors").chmod(0o644)
    build_tokenizer().save_pretrained(args.output, save_jinja_files=False)
    card = {"method": "base", "kind": "reasoning", "format": "terse"}
    (args.output / "jurist.json").write_text(json.dumps(card, indent=2) + "\n")
    model = LlamaForCausalLM.from_pretrained(args.output, dtype=torch.float32)
    found = report(model, args.num_check)
    record = {
        "recipe": "scripts/make_base.py",
        "config": asdict(config),
        "corpus": asdict(corpus),
        **took,
        "sha256": file_digest(args.output / "model.safetensors"),
        "validation_preferences": args.num_check,
        "validation": found,
        "versions": {"torch": torch.__version__, "transformers": transformers.__version__},
    }
    (args.output / "base.json").write_text(json.dumps(record, indent=2) + "\n")
    print(f"{took['seconds']} s, {args.output}, sha256 {record['sha256']}")


if __name__ == "__main__":
    main()
