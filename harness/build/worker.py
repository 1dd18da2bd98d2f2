"""One long job of the container engine in a process of its own, so that killing the process ends the job.

The engine stops a build or a pull when its client goes away, and a process can always be killed; a blocked
read in a thread cannot. Prints the engine's events as lines of JSON; a fault of the engine is the event
{"fault": sentence}. Not for people: images.py and base.py start it.

    python -m harness.build.worker build TAG CONTEXT.tar LABELS.json
    python -m harness.build.worker pull IMAGE
    python -m harness.build.worker import TAG ROOT.tar CHANGE...
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from typing import Any

from docker.utils import parse_repository_tag

from harness.errors import MachineFault
from harness.run.engine import asked_to, connect

_SECONDS = 24 * 3600
"""The caller keeps the time; this only keeps the client library from ending a quiet build by itself."""


def build(tag: str, context: str, labels: str) -> Iterator[dict[str, Any]]:
    client = connect(_SECONDS)
    with open(context, "rb") as archive:
        yield from client.build(
            fileobj=archive,
            custom_context=True,
            tag=tag,
            labels=json.loads(labels),
            rm=True,
            forcerm=True,
            decode=True,
        )


def pull(image: str) -> Iterator[dict[str, Any]]:
    name, tag = parse_repository_tag(image)
    yield from connect(_SECONDS).pull(name, tag=tag or "latest", stream=True, decode=True)


def import_root(tag: str, archive: str, *changes: str) -> Iterator[dict[str, Any]]:
    name, version = parse_repository_tag(tag)
    answer = connect(_SECONDS).import_image(archive, repository=name, tag=version, changes=list(changes))
    yield {"stream": f"{answer}\n"}


_JOBS: dict[str, Callable[..., Iterator[dict[str, Any]]]] = {
    "build": build,
    "pull": pull,
    "import": import_root,
}


def main() -> None:
    job, *arguments = sys.argv[1:]
    try:
        with asked_to(f"{job} {arguments[0]}"):
            for event in _JOBS[job](*arguments):
                print(json.dumps(event), flush=True)
    except MachineFault as fault:
        print(json.dumps({"fault": fault.message, "hint": fault.hint, "code": fault.code}), flush=True)


if __name__ == "__main__":
    main()
