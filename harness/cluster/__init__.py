"""Many machines: spreads ports and fuzzing campaigns over the workers of a Dask scheduler (docs/CLUSTER.md).

client.py   on your machine: connects, sends calls, takes each answer once
worker.py   on a worker's machine: checks that both have the same project, does one call at a time
ports.py    a port's job, with the port's files in it
"""
