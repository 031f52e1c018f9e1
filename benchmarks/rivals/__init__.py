"""Other engines, each a program run by an interpreter that has it installed.

A program reads one JSON object a line: first the model, then jobs. It answers each with one line.
"""
