"""Votes with vLLM. Run by the interpreter of an environment that has vLLM; needs no jurist.

Reads from standard input, one JSON object a line:

    {"model": FOLDER, "dtype": "bfloat16", "threads": 2, "max_model_len": 1024, "num_rows": 256}
    {"prompts": [[token, ...], ...], "votes": 32, "tokens": 64}     as often as wanted

and writes one line for each: {"version": ...}, then {"seconds": ..., "processor_seconds": ...,
"tokens": ...}. Prefix caching is on, which is what makes n votes pay for their prompt once, and it
is emptied before each job: no run finds the prompts of the one before. What is cached is whole
blocks, so these are of 32 tokens: with 128, the default on a processor, it samples a quarter fewer
votes per second. The model is compiled, which takes a minute or two when it starts.
"""

import json
import os
import sys
import time

# The answers go to what standard output was; everything that libraries print goes to the error.
answers = os.fdopen(os.dup(1), "w", buffering=1)
os.dup2(2, 1)

opening = json.loads(sys.stdin.readline())
os.environ["OMP_NUM_THREADS"] = str(opening["threads"])
os.environ.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "0")
os.environ.setdefault("VLLM_CPU_OMP_THREADS_BIND", "nobind")

import vllm  # noqa: E402 - it reads the environment when it is imported

model = vllm.LLM(
    model=opening["model"],
    dtype=opening["dtype"],
    max_model_len=opening["max_model_len"],
    max_num_seqs=opening["num_rows"],
    enable_prefix_caching=True,
    block_size=32,
    kv_cache_memory_bytes=4 << 30,
    seed=0,
)
print(json.dumps({"version": vllm.__version__}), file=answers)
for line in sys.stdin:
    job = json.loads(line)
    model.reset_prefix_cache()
    sampling = vllm.SamplingParams(
        n=job["votes"],
        temperature=1.0,
        max_tokens=job["tokens"],
        min_tokens=job["tokens"],
        ignore_eos=True,
        detokenize=False,
    )
    prompts = [{"prompt_token_ids": ids} for ids in job["prompts"]]
    wall, busy = time.perf_counter(), time.process_time()
    outputs = model.generate(prompts, sampling, use_tqdm=False)
    wall, busy = time.perf_counter() - wall, time.process_time() - busy
    tokens = sum(len(one.token_ids) for output in outputs for one in output.outputs)
    told = {"seconds": wall, "processor_seconds": busy, "tokens": tokens}
    print(json.dumps(told), file=answers)
