"""Removes what harnesses left behind that were killed together with their reapers: called before work begins.

    containers   by label: the owner that is named there is dead, or they are two days old
    images       by label and age: unnamed ones that failed builds left, a day old; younger ones are a cache
    folders      scratch space in the temporary folder whose owner is dead

Never what a harness that still runs may use, on this machine or, sharing the engine, elsewhere.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import threading
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import docker
import docker.errors

from harness.run.engine import asked_to, connect
from harness.run.reaper import LABEL, OWNER_FILE, SCRATCH_PREFIX, owner_is_dead

KIND = f"{LABEL}.kind=port"
"""The label of every image that a build of ours makes on its way, and so of the containers in between."""
_DAY = 24 * 3600.0
_CONTAINER_AGE, _IMAGE_AGE, _FOLDER_AGE = 2 * _DAY, _DAY, 2 * _DAY
_lock = threading.Lock()
_swept = False


def sweep_once() -> None:
    """Sweep, unless this process has done so. Raises MachineFault."""
    global _swept
    with _lock:
        if not _swept:
            sweep()
            _swept = True


def sweep() -> int:
    """Remove all of it; returns the number of containers removed. Raises MachineFault."""
    folders()
    client = connect()
    try:
        with asked_to("remove what earlier runs left"):
            removed = containers(client)
            images(client)
    finally:
        client.close()
    return removed


def containers(client: docker.APIClient) -> int:
    """Remove containers of dead owners; returns how many."""
    removed = 0
    for found in client.containers(all=True, filters={"label": f"{LABEL}.owner"}):
        is_dead = owner_is_dead(found["Labels"].get(f"{LABEL}.owner", ""))
        if is_dead or _age(found["Created"]) > _CONTAINER_AGE:
            removed += _tried(client.remove_container, found["Id"], force=True, v=True)
    for found in client.containers(all=True, filters={"label": KIND, "status": "exited"}):
        if _age(found["Created"]) > _CONTAINER_AGE:  # of a build whose engine was killed
            removed += _tried(client.remove_container, found["Id"], v=True)
    return removed


def images(client: docker.APIClient) -> int:
    """Remove old unnamed images of ours, which no other image is built on; returns how many."""
    found = client.images(filters={"label": KIND, "dangling": True})
    old = [image["Id"] for image in found if _age(image["Created"]) > _IMAGE_AGE]
    return sum(_tried(client.remove_image, image) for image in old)


def folders() -> int:
    """Remove scratch folders of this user whose owner is dead; returns how many."""
    removed = 0
    for folder in Path(tempfile.gettempdir()).glob(f"{SCRATCH_PREFIX}*"):
        with contextlib.suppress(OSError):
            state = folder.lstat()
            if (
                (hasattr(os, "geteuid") and state.st_uid != os.geteuid())
                or folder.is_symlink()
                or not folder.is_dir()
            ):
                continue
            named = folder / OWNER_FILE
            if named.exists():
                is_left = owner_is_dead(named.read_text(encoding="utf-8"))
            else:
                is_left = time.time() - state.st_mtime > _FOLDER_AGE
            if is_left:
                shutil.rmtree(folder, ignore_errors=True)
                removed += 1
    return removed


def _age(created: int | str) -> float:
    """Seconds since a moment that the engine gives as seconds or as ISO 8601."""
    moment = created if isinstance(created, int) else datetime.fromisoformat(created).timestamp()
    return time.time() - moment


def _tried(remove: Any, name: str, **options: Any) -> bool:
    """Whether something was removed; in use, or removed by another in this moment, it is left alone."""
    try:
        remove(name, **options)
    except docker.errors.APIError:
        return False
    return True
