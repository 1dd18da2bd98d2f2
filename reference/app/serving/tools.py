"""The table of what a server can do. `agent.py` offers each row as a tool, `web.py` as an address."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from reference.app.serving import core, messages


@dataclass(frozen=True)
class Tool:
    """`work` takes the folder and a request, and where `trains`, a function to report progress to."""

    name: str
    about: str
    request: type[messages.Request]
    reply: type[msgspec.Struct]
    work: Callable[..., msgspec.Struct]
    trains: bool = False


TOOLS = {
    tool.name: tool
    for tool in (
        Tool(
            "list_models",
            "Which models can be asked, what each was trained on, and which datasets there are to train on.",
            messages.ListModels,
            messages.Models,
            core.list_models,
        ),
        Tool(
            "generate",
            "Draw texts from a model. The same request, the same texts: without a seed, those that "
            "'microgpt generate' draws.",
            messages.Generate,
            messages.Generated,
            core.generate,
        ),
        Tool(
            "score",
            "How likely a model finds a text: the loss of each character and of the end, and their mean.",
            messages.Score,
            messages.Scores,
            core.score,
        ),
        Tool(
            "train",
            "Train a new model on a dataset of the garden and measure 200 of its samples. It takes seconds "
            "to minutes and reports its progress.",
            messages.Train,
            messages.Trained,
            core.train,
            trains=True,
        ),
    )
}


def schema(kind: type[msgspec.Struct]) -> dict[str, Any]:
    """The JSON Schema of one message, an object at its root."""
    [found], parts = msgspec.json.schema_components([kind], ref_template="#/$defs/{name}")
    root: dict[str, Any] = parts.pop(found["$ref"].rpartition("/")[2])
    return root | ({"$defs": parts} if parts else {})
