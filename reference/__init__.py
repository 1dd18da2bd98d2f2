"""The seed: one small GPT in plain Python, its exact functions and its command line."""
