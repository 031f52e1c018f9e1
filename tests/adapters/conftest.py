"""Programs for processes of their own are no test modules, and import what may not be there."""

collect_ignore = [
    "grpo_outage.py",
    "grpo_training.py",
    "inspect_evaluation.py",
    "judging_server.py",
    "lm_evaluation.py",
    "stating.py",
]
