"""How microgpt relates to the repositories before it: measured, not told. `conform archaeology`."""
