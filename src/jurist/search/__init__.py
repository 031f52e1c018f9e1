"""Search: choosing among many responses to a prompt, and what choosing among n of them is worth."""
