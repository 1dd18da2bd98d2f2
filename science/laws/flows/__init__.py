"""The fourteen flows, in the order in which the algorithm runs through them."""

from science.laws.flows import (  # noqa: F401  (importing them enters their laws)
    adam,
    attention,
    backward,
    chance,
    embedding,
    numbers,
    output,
    sampling,
    text,
    training,
    whole,
)

FLOWS = (
    "text to tokens",
    "seeding and words",
    "uniform to normal",
    "shuffle and choice",
    "embedding",
    "rmsnorm",
    "attention",
    "feed-forward",
    "logits and softmax",
    "loss",
    "backward",
    "Adam",
    "schedule",
    "sampling",
)
