"""Recipes: one file per method, read top to bottom; each a frozen config and a run function."""
