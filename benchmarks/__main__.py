"""`make bench`: the benchmarks that take minutes. `make bench ONLY=NAME` runs one by its name.

python -m benchmarks.sampling      replies per second, against transformers' generate
python -m benchmarks.training      tokens per second of each method's training
python -m benchmarks.against_trl   training on long prompts, against TRL; names below
python -m benchmarks.voting        votes per second, against generate, vLLM and llama.cpp
python -m benchmarks.adaptive      early stopping, on the world that ships
python -m benchmarks.http_100k     the HTTP engine at 100,000 comparisons, and under kill -9
python -m benchmarks.workers       two worker processes, or Ray actors, against one
python -m benchmarks.durability    what keeping every reply costs, of the time of judging
python -m benchmarks.habits        what of a gain on the chains world is habit
python -m benchmarks.policy        a policy trained on a judge's rewards (about 15 minutes)
python -m benchmarks.world_pools   pools of the chains world, for `jurist select`
python -m benchmarks.tuning        learning rates, on validation pairs (about 30 minutes)
python -m benchmarks.forms         every form of judge with SmolLM2 on real pairs (about 40 minutes)
python -m benchmarks.attacks       judges under attack, before and after a defence (some hours)
python -m benchmarks.robustness    STaR-DPO on three seeds and a few bases (about 35 minutes)
"""

import subprocess
import sys

PROGRAMS = {
    "voting-1x32": ("benchmarks.voting", "--comparisons", "1"),
    "voting-8x32": ("benchmarks.voting", "--comparisons", "8"),
    "dpo": ("benchmarks.against_trl", "--name", "dpo"),
    "sft-8": ("benchmarks.against_trl", "--name", "sft-8"),
    "bradley-terry": ("benchmarks.against_trl", "--name", "bradley-terry"),
    "adaptive": ("benchmarks.adaptive",),
    "http-100k": ("benchmarks.http_100k",),
    "workers": ("benchmarks.workers",),
    "durability": ("benchmarks.durability",),
}
"""Module and flags of each benchmark that is run by name. Its last line is one JSON object."""


def main() -> None:
    """Run the one named first on the command line with the flags after it, or those of minutes."""
    if len(sys.argv) == 1:
        for module in ("sampling", "training"):
            print(f"== benchmarks.{module}", flush=True)
            subprocess.run([sys.executable, "-m", f"benchmarks.{module}"], check=True)
        return
    name, *flags = sys.argv[1:]
    if name not in PROGRAMS:
        raise SystemExit(f"no benchmark is named {name!r}; there are {', '.join(PROGRAMS)}")
    command = [sys.executable, "-m", *PROGRAMS[name], *flags]
    raise SystemExit(subprocess.run(command, check=False).returncode)


if __name__ == "__main__":
    main()
