"""The part of YAML that a manifest needs: mappings, lists, text, numbers and truth values, a few levels deep.

Aliases, anchors and tags are refused: they make files that are small to read and endless to expand, and no
manifest needs them. Nothing here is a date; what only looks like a number stays text. Not for what the keys
mean: manifest.py says that.
"""

from __future__ import annotations

from typing import Any

import yaml

MOST_BYTES = 64 * 1024
DEEPEST = 6


class NotPlain(ValueError):
    """No YAML, or more than the part of it that is understood here; `line` counts from 1, 0 for none."""

    def __init__(self, sentence: str, line: int) -> None:
        super().__init__(sentence)
        self.line = line


class _Loader(yaml.SafeLoader):
    """SafeLoader without dates and merges."""

    yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in rules if not tag.endswith((":timestamp", ":merge"))]
        for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


def _number_or_text(loader: _Loader, node: yaml.ScalarNode) -> Any:
    """The number, or the text itself if that is no number of ordinary size, such as one of 5,000 digits."""
    whole = node.tag.endswith(":int")
    try:
        number = loader.construct_yaml_int(node) if whole else loader.construct_yaml_float(node)
    except (ValueError, OverflowError):
        return str(node.value)
    return number if not whole or abs(number) < 2**64 else str(node.value)


_Loader.add_constructor("tag:yaml.org,2002:int", _number_or_text)
_Loader.add_constructor("tag:yaml.org,2002:float", _number_or_text)


def parse(text: str) -> tuple[Any, yaml.Node | None]:
    """The content, and the node that tells where everything stands. Raises NotPlain."""
    try:
        _check_events(text)
        loader = _Loader(text)
        node = loader.get_single_node()
        return (None if node is None else loader.construct_document(node)), node
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise NotPlain(f"this is not YAML: {error.problem}", line) from None
    except yaml.YAMLError as error:
        raise NotPlain(f"this is not YAML: {error}", 0) from None


def _check_events(text: str) -> None:
    """Read through without building anything: what is refused is refused before it can grow."""
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.AliasEvent):
            raise _refused(event, f"the alias '*{event.anchor}': write the value itself")
        if isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if not isinstance(event, yaml.NodeEvent):
            continue
        if event.anchor is not None:
            raise _refused(event, f"the anchor '&{event.anchor}': write the value where it is needed")
        if (tag := getattr(event, "tag", None)) is not None:
            raise _refused(event, f"the tag '{tag}'")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        if depth > DEEPEST:
            raise _refused(event, f"lists and mappings more than {DEEPEST} levels deep")


def _refused(event: yaml.Event, what: str) -> NotPlain:
    return NotPlain(
        f"this is not YAML as a manifest may have it: {what}",
        event.start_mark.line + 1 if event.start_mark else 0,
    )
