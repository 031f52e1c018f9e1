"""Where models run on this machine. Brings torch alone, without the seconds of transformers."""

import torch


def device() -> torch.device:
    """The accelerator if there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def accelerator_name() -> str:
    """What `jurist doctor` says of the accelerator."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return f"none; CPU on {torch.get_num_threads()} threads"
