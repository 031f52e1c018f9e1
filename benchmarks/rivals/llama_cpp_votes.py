"""Votes with llama.cpp, by llama-cpp-python. Run by an interpreter that has it; needs no jurist.

Speaks as `vllm_votes` does; `model` is a GGUF file, whose weights are made bfloat16 first: that
steps faster than four bits do. The binding's own class decodes one sequence at a time, so this goes
below it, to batches of llama.cpp itself: each prompt is read once, its keys and values are shared
by as many sequences as there are votes, and these are stepped together, a prompt after the other.
Drawing is llama.cpp's own, from all tokens.

llama.cpp's buffers for processors with AMX end this program with a segmentation fault (0.3.36 of
the binding, weights of four or eight bits, a prompt of 600 tokens), so they are switched off. Its
flash attention is too: on the processor where this was tried, a step of 32 votes took 0.57 s with
it and 0.19 s without.
"""

import ctypes
import json
import os
import sys
import tempfile
import time
from pathlib import Path

answers = os.fdopen(os.dup(1), "w", buffering=1)
os.dup2(2, 1)

import llama_cpp  # noqa: E402 - what it prints is not an answer

BATCH = 2048
"""Tokens read at once."""


def rounded(gguf: str, folder: str) -> Path:
    """The model with its weights in bfloat16."""
    path = Path(folder) / "bfloat16.gguf"
    asked = llama_cpp.llama_model_quantize_default_params()
    asked.ftype = llama_cpp.LLAMA_FTYPE_MOSTLY_BF16
    asked.allow_requantize = True
    if llama_cpp.llama_model_quantize(gguf.encode(), str(path).encode(), ctypes.byref(asked)):
        raise RuntimeError(f"{gguf}: llama.cpp cannot convert it")
    return path


class Votes:
    """A model, and room for the votes on one prompt."""

    def __init__(self, opening: dict) -> None:
        llama_cpp.llama_backend_init()
        loading = llama_cpp.llama_model_default_params()
        loading.use_extra_bufts = False
        with tempfile.TemporaryDirectory() as folder:
            path = rounded(opening["model"], folder)
            self.model = llama_cpp.llama_model_load_from_file(str(path).encode(), loading)
        self.opening = opening
        self.batch = llama_cpp.llama_batch_init(BATCH, 0, 1)
        self.sampler = llama_cpp.llama_sampler_init_dist(0)

    def open(self, votes: int, tokens: int) -> None:
        """Make room for so many votes of so many tokens."""
        longest = self.opening["max_model_len"]
        settings = llama_cpp.llama_context_default_params()
        settings.n_ctx = longest + votes * tokens
        settings.n_batch = BATCH
        settings.n_seq_max = votes
        settings.n_threads = settings.n_threads_batch = self.opening["threads"]
        settings.kv_unified = True
        settings.flash_attn_type = llama_cpp.LLAMA_FLASH_ATTN_TYPE_DISABLED
        self.context = llama_cpp.llama_init_from_model(self.model, settings)
        self.memory = llama_cpp.llama_get_memory(self.context)

    def close(self) -> None:
        """Give the room back."""
        llama_cpp.llama_free(self.context)

    def vote(self, ids: list[int], votes: int, tokens: int) -> int:
        """Sample votes on one prompt; how many tokens they have."""
        llama_cpp.llama_memory_clear(self.memory, True)
        last = len(ids) - 1
        self.decode([(token, n, 0, n == last) for n, token in enumerate(ids)])
        for vote in range(1, votes):
            llama_cpp.llama_memory_seq_cp(self.memory, 0, vote, -1, -1)
        # All begin with the logits of the prompt's last token.
        newest = [self.draw(-1) for _ in range(votes)]
        for step in range(tokens - 1):
            place = len(ids) + step
            self.decode([(token, place, vote, True) for vote, token in enumerate(newest)])
            newest = [self.draw(vote) for vote in range(votes)]
        return votes * tokens

    def draw(self, row: int) -> int:
        """A token from the logits of a row of the last batch."""
        return llama_cpp.llama_sampler_sample(self.sampler, self.context, row)

    def decode(self, rows: list[tuple[int, int, int, bool]]) -> None:
        """Run tokens, each with its position, its sequence, and whether its logits are wanted."""
        for n, (token, place, sequence, wanted) in enumerate(rows):
            self.batch.token[n] = token
            self.batch.pos[n] = place
            self.batch.n_seq_id[n] = 1
            self.batch.seq_id[n][0] = sequence
            self.batch.logits[n] = wanted
        self.batch.n_tokens = len(rows)
        if status := llama_cpp.llama_decode(self.context, self.batch):
            raise RuntimeError(f"llama_decode: {status}")


model = Votes(json.loads(sys.stdin.readline()))
print(json.dumps({"version": llama_cpp.__version__}), file=answers)
for line in sys.stdin:
    job = json.loads(line)
    model.open(job["votes"], job["tokens"])
    wall, busy = time.perf_counter(), time.process_time()
    tokens = sum(model.vote(ids, job["votes"], job["tokens"]) for ids in job["prompts"])
    wall, busy = time.perf_counter() - wall, time.process_time() - busy
    model.close()
    told = {"seconds": wall, "processor_seconds": busy, "tokens": tokens}
    print(json.dumps(told), file=answers)
