"""Many machines: spreads ports and fuzzing campaigns over the workers of a Dask scheduler (docs/CLUSTER.md).

client.py   on your machine: connects, sends calls, takes each answer once
worker.py   on a worker's machine: checks that both have the same project, does one call at a time
parcel.py   a port's files on their way to a worker
ports.py    the matrix, spread
fuzz.py     fuzzing campaigns, spread in shards
"""
