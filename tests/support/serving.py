"""What the tests of the servers share: the size of a model that the reference trains in a moment."""

SMALL = {"steps": 7, "embedding": 4, "heads": 2, "block": 8, "seed": 3}
