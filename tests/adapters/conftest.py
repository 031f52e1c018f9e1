"""Programs for processes of their own are no test modules, and import what may not be there."""

collect_ignore = ["inspect_evaluation.py", "lm_evaluation.py", "grpo_training.py", "stating.py"]
