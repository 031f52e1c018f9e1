"""`make bench`: the benchmarks that take minutes. Those that take longer are run by name.

python -m benchmarks.sampling      replies per second, against transformers' generate
python -m benchmarks.training      tokens per second of each method's training
python -m benchmarks.tuning        learning rates, on validation pairs (about 20 minutes)
python -m benchmarks.robustness    STaR-DPO on three seeds and three bases (about 25 minutes)
"""

import subprocess
import sys

for name in ("sampling", "training"):
    print(f"== benchmarks.{name}", flush=True)
    subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=True)
