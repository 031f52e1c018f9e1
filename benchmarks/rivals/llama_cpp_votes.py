"""Votes with llama.cpp, by llama-cpp-python. Run by an interpreter that has it; needs no jurist.

Speaks as `vllm_votes` does; `model` is a GGUF file. The prompt is read once and its state is kept
for all votes on it, which are decoded one after the other: the binding has no batches of samples.
"""

import json
import os
import sys
import time

answers = os.fdopen(os.dup(1), "w", buffering=1)
os.dup2(2, 1)

import llama_cpp  # noqa: E402 - what it prints is not an answer

opening = json.loads(sys.stdin.readline())
model = llama_cpp.Llama(
    model_path=opening["model"],
    n_ctx=opening["max_model_len"],
    n_threads=opening["threads"],
    n_threads_batch=opening["threads"],
    seed=0,
    verbose=False,
)
print(json.dumps({"version": llama_cpp.__version__}), file=answers)
for line in sys.stdin:
    job = json.loads(line)
    tokens = 0
    wall, busy = time.perf_counter(), time.process_time()
    for ids in job["prompts"]:
        model.reset()
        model.eval(ids)
        read = model.save_state()
        for _ in range(job["votes"]):
            model.load_state(read)
            for step in range(job["tokens"]):
                token = model.sample(temp=1.0, top_k=0, top_p=1.0, min_p=0.0)
                tokens += 1
                if step + 1 < job["tokens"]:
                    model.eval([token])
    wall, busy = time.perf_counter() - wall, time.process_time() - busy
    told = {"seconds": wall, "processor_seconds": busy, "tokens": tokens}
    print(json.dumps(told), file=answers)
