"""How far each port's own exp, log, sin, cos and pow are from the truth: a table, not a verdict."""
