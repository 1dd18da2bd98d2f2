"""A port for tests of builds: a script for sh that tells where it runs and what it may do."""

from __future__ import annotations

import os
from pathlib import Path

import docker

from harness.build import manifest
from harness.build.manifest import Manifest
from harness.run.reaper import LABEL

SCRIPT = """
say() { printf '%s\\n' "$*"; }
while IFS=' ' read -r verb id; do
    while read -r line; do [ "$line" = end ] && break; done
    say "ok $id"
    say "user $(id -u) $(id -g)"
    say "arguments $#"
    say "interfaces" $(ls /sys/class/net)
    for place in / /port /etc /usr/bin /var/tmp; do
        (echo x > $place/written) 2> /dev/null && say "writable $place"
    done
    (echo 'echo ran' > /tmp/program && chmod +x /tmp/program && /tmp/program > /tmp/out) && say "scratch /tmp"
    sed -n 's/^CapEff:\\t/capabilities /p; s/^CapBnd:\\t/bounding /p' /proc/self/status
    sed -n 's/^NoNewPrivs:\\t/privileges /p' /proc/self/status
    say "memory" $(cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2> /dev/null)
    say "pids" $(cat /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/pids.max 2> /dev/null)
    say "core $(ulimit -c)"
    say "built $(cat built 2> /dev/null || echo nothing)"
    say end
done
"""
PORT = f"test-{os.getpid()}"
"""Tests may run side by side, and older images of the same port are removed."""


def of_port(client: docker.APIClient) -> list[str]:
    return [image["Id"] for image in client.images(filters={"label": f"{LABEL}.port={PORT}"})]


def tiny(tmp_path: Path, build: str = "echo yes > built", **more: str) -> Manifest:
    folder = tmp_path / PORT
    folder.mkdir(exist_ok=True)
    (folder / "port.sh").write_text(SCRIPT)
    keys = {"language": "sh", "build": build, "run": "sh port.sh", "version": "echo tiny 1.0", **more}
    (folder / "port.yaml").write_text("".join(f"{key}: {value!r}\n" for key, value in keys.items()))
    return manifest.load_folder(folder)
