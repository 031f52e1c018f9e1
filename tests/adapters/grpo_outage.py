"""TRL's GRPOTrainer while its judge is killed, started again, and killed for good:
python grpo_outage.py FOLDER

The judge is a server in a process of its own, and is killed by SIGKILL. Prints what was logged of
every step, how training ended, and whether the policy is finite and another one than before.
"""

import json
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import asdict
from pathlib import Path

import torch
from datasets import Dataset
from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
from trl import GRPOConfig, GRPOTrainer

from jurist.adapters import TRLReward
from jurist.engines.patience import Patience
from jurist.errors import EngineError
from jurist.rewards import ServedReward
from jurist.worlds import BASE, preferences

SIZE, STEPS = 4, 30
KILLED_AFTER, BACK_AFTER, KILLED_AGAIN_AFTER = 2, 4, 6
folder = sys.argv[1]
torch.set_num_threads(1)

with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]
url = f"http://127.0.0.1:{port}"


def start():
    program = Path(__file__).with_name("judging_server.py")
    server = subprocess.Popen([sys.executable, program, str(port)])
    while True:
        assert server.poll() is None
        try:
            with urllib.request.urlopen(f"{url}/healthz"):
                return server
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.05)


class Outages(TrainerCallback):
    """Kills the server and starts it between steps."""

    def __init__(self):
        self.server = start()

    def kill(self):
        self.server.send_signal(signal.SIGKILL)
        self.server.wait()

    def on_step_end(self, args, state, control, **others):
        if state.global_step in (KILLED_AFTER, KILLED_AGAIN_AFTER):
            self.kill()
        elif state.global_step == BACK_AFTER:
            self.server = start()


pairs = preferences("in_distribution", "train", STEPS, seed=1)
patience = Patience(item_seconds=1.5, first_wait_seconds=0.1)
outages = Outages()
trainer = GRPOTrainer(
    model=str(BASE),
    reward_funcs=[
        TRLReward(
            reward=ServedReward(url, patience=patience), column="reference", max_lost_batches=3
        )
    ],
    args=GRPOConfig(
        output_dir=folder,
        max_steps=STEPS,
        per_device_train_batch_size=2 * SIZE,
        num_generations=SIZE,
        max_completion_length=16,
        learning_rate=1e-4,
        logging_steps=1,
        save_strategy="no",
        report_to=[],
        disable_tqdm=True,
        use_cpu=True,
        bf16=False,
        gradient_checkpointing=False,
        seed=0,
    ),
    train_dataset=Dataset.from_list(
        [
            {"prompt": [asdict(turn) for turn in pair.prompt], "reference": pair.rejected}
            for pair in pairs
        ]
    ),
    processing_class=AutoTokenizer.from_pretrained(str(BASE), padding_side="left"),
    callbacks=[outages],
)
ended = ""
try:
    trainer.train()
except EngineError as error:
    ended = str(error)
finally:
    outages.kill()
before = AutoModelForCausalLM.from_pretrained(str(BASE)).state_dict()
after = trainer.model.state_dict()
steps = [entry for entry in trainer.state.log_history if "jurist/without_reward" in entry]
print(
    json.dumps(
        {
            "without_reward": [entry["jurist/without_reward"] for entry in steps],
            "losses": [entry["loss"] for entry in steps],
            "ended": ended,
            "finite": all(bool(weight.isfinite().all()) for weight in after.values()),
            "moved": any(not torch.equal(before[name], after[name]) for name in before),
        }
    )
)
