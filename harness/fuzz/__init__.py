"""Fuzzing: requests that nobody thought of, asked of live ports and of the reference."""
