"""From a port's manifest to its image: rendered Dockerfile, visible build, reuse by content.

    port.yaml --Dockerfile.j2--> Dockerfile + files + toolchain --engine--> microgpt-conformance/<port>:<hash>

Not for running: container.py does that.
"""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass
from pathlib import Path

import docker
import docker.errors
import jinja2

from harness import paths
from harness.build import base, own_dockerfile, sources, toolchains
from harness.build.architecture import SIGNS, Architecture, cannot_run
from harness.build.base import Worked
from harness.build.manifest import Manifest
from harness.build.network import closed_to_the_machine
from harness.build.own_dockerfile import REPOSITORY
from harness.errors import BuildFailed, ConformError, LimitExceeded, MachineFault, ManifestError
from harness.run.circumstances import USUAL
from harness.run.container import USER
from harness.run.engine import asked_to, connect
from harness.run.limits import OPTIONS, Limits, seconds, size
from harness.run.reaper import LABEL, scratch
from harness.run.subprocesses import OnLine, silent
from harness.run.sweep import KIND, sweep_once

_PORT_LABEL = f"{LABEL}.port"
_DISK_SIGN = "no space left on device"
_NETWORK_SIGNS: tuple[str, ...] = (
    *("temporary failure resolving", "could not resolve", "unable to fetch some archives", "failed to fetch"),
    *("could not connect to", "cannot initiate the connection", "some index files failed to download"),
)
"""What apt-get prints when the network, and not the port, is to blame. Compilers may print such words, too.
"""
_REGISTRY_SIGNS = ("dial tcp", "no such host", "i/o timeout", "tls handshake timeout", "net/http:")
"""What the engine says of a FROM when no registry can be reached."""
_ENGINE_SIGNS = (
    *("failed to create endpoint", "to bridge docker0", "network bridge", "adding interface", "join network"),
    *("layer does not exist", "failed to get layer", "failed to register layer", "failed to export image"),
    *("unknown parent image", "no such image: sha256", "error creating overlay mount", "context canceled"),
    *("cannot allocate memory", "no such container", "containerd", "error mounting", "cgroup"),
)
"""What the engine, and never a command of the port, says when it cannot do its part: no bridge, a layer that
another harness has removed meanwhile, an engine that ends.
"""


@dataclass(frozen=True)
class Image:
    """An image that is ready to run. `seconds` is what the build took, 0 when it was `reused`."""

    tag: str
    id: str
    content_hash: str
    base: str
    reused: bool
    seconds: float
    bytes: int


def dockerfile(manifest: Manifest, architecture: Architecture | None = None) -> str:
    """The port's own Dockerfile if it brings one, else the one rendered from its manifest.

    Raises ManifestError for an own one that reaches past the limits, or for another architecture.
    """
    own = manifest.own_dockerfile()
    if own is not None and architecture is not None:
        raise ManifestError(
            f"{manifest.name} cannot be built for {architecture.name}: it has a Dockerfile of its own",
            code="dockerfile",
        )
    if own is not None:
        own_dockerfile.check(manifest.name, own)
        return own
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=False,
        trim_blocks=True,
        keep_trailing_newline=True,
        undefined=jinja2.StrictUndefined,
    )
    return environment.get_template("Dockerfile.j2").render(
        port=manifest,
        base=base.name(architecture),
        user=USER,
        label=_PORT_LABEL,
        kind=KIND,
        entry_point=json.dumps(["sh", "-c", USUAL.script(manifest.run), "microgpt"]),
    )


def content_hash(manifest: Manifest, base_id: str, architecture: Architecture | None = None) -> str:
    """What an image consists of: the port's files, how they are built, and the base image."""
    return sources.content_hash(manifest, dockerfile(manifest, architecture), base_id)


def prepare(
    manifest: Manifest,
    limits: Limits,
    on_line: OnLine = silent,
    force: bool = False,
    architecture: Architecture | None = None,
) -> Image:
    """The port's image, built unless one of the same content is there (`force` rebuilds all the same).

    Raises BuildFailed, LimitExceeded, MachineFault or ManifestError.
    """
    base_id = base.ensure_base(on_line, architecture)
    sweep_once()
    text = dockerfile(manifest, architecture)
    digest = content_hash(manifest, base_id, architecture)
    tag = f"{REPOSITORY}/{manifest.name}:{digest[:12]}"
    client = connect()
    try:
        found = base.image_id(client, tag)
        if found and not force:
            return Image(tag, found, digest, base_id, reused=True, seconds=0.0, bytes=_size(client, found))
        began = time.monotonic()
        if manifest.own_dockerfile() is not None:
            _check_origins(client, manifest, text)
        with closed_to_the_machine(client, base_id) as network:
            _build(manifest, text, tag, Conditions(limits, network, on_line, architecture))
        built = base.image_id(client, tag)
        if built is None:
            raise MachineFault(f"the engine said it had built {tag}, but does not have it")
        _check_volumes(client, manifest, built)
        _prune(client, manifest.name, keep=built)
        took = time.monotonic() - began
        return Image(tag, built, digest, base_id, reused=False, seconds=took, bytes=_size(client, built))
    finally:
        client.close()


def remove(tag: str, keep_layers: bool) -> None:
    """Remove an image; with `keep_layers` those below its own stay, for ports with the same packages."""
    client = connect()
    try:
        client.remove_image(tag, noprune=keep_layers)
    except docker.errors.APIError as error:
        if error.status_code not in (404, 409):
            raise MachineFault(f"the image {tag} could not be removed: {error}") from None
    finally:
        client.close()


def _size(client: docker.APIClient, image: str) -> int:
    """Bytes of all its layers, those of the base image included."""
    with asked_to("inspect an image"):
        return int(client.inspect_image(image)["Size"])  # type: ignore[no-untyped-call]


@dataclass(frozen=True)
class Conditions:
    """What a build is given: limits, a network mode, and somebody who is told its lines."""

    limits: Limits
    network: str
    on_line: OnLine
    architecture: Architecture | None = None


def _check_origins(client: docker.APIClient, manifest: Manifest, text: str) -> None:
    """No port is built on the image of another. Raises ManifestError."""
    for step, image in own_dockerfile.images(text):
        try:
            with asked_to(f"look for the image {image}"):
                labels = client.inspect_image(image)["Config"]["Labels"]  # type: ignore[no-untyped-call]
        except docker.errors.NotFound:
            continue
        except MachineFault:
            continue  # no name for an image: the build says so
        if _PORT_LABEL in (labels or {}):
            raise own_dockerfile.another_ports(manifest.name, step, image)


def _check_volumes(client: docker.APIClient, manifest: Manifest, image: str) -> None:
    """Wherever they come from: a container would get a place on the host's disk. Raises ManifestError."""
    with asked_to("inspect an image"):
        found = client.inspect_image(image)["Config"].get("Volumes")  # type: ignore[no-untyped-call]
    if found:
        _remove(client, image)
        raise ManifestError(
            f"the image of {manifest.name} has volumes, {', '.join(sorted(found))}, which let a port write "
            "to the host's disk; the image that its Dockerfile begins with brings them",
            hint="begin with an image of Debian",
            code="dockerfile",
        )


def _build(manifest: Manifest, text: str, tag: str, conditions: Conditions) -> None:
    """Raises BuildFailed, LimitExceeded, MachineFault or ManifestError."""
    limits, on_line = conditions.limits, conditions.on_line
    foreign = conditions.architecture
    wheel = foreign.wheel if foreign else None
    tools = toolchains.fetch(manifest.toolchain, limits.build, on_line, wheel) if manifest.toolchain else None
    is_own = manifest.own_dockerfile() is not None
    options = {
        "labels": {_PORT_LABEL: manifest.name} if is_own else {},
        "network": conditions.network,
        "memory": limits.build_memory,
        "disk": limits.build_disk,
        "pids": limits.build_pids,
    }
    with scratch() as folder:
        context = folder / "context.tar"
        try:
            sources.pack(manifest, own_dockerfile.labelled(text, KIND) if is_own else text, tools, context)
        except OSError as error:
            raise MachineFault(f"the build context of {manifest.name} cannot be written: {error}") from None
        job = ["build", tag, str(context), json.dumps(options)]
        worked = base.work(job, f"{manifest.name}-build", limits.build, on_line)
    if worked.built and not worked.error and not worked.fault:
        return
    if worked.finished.code is None and worked.container:
        _remove_intermediate(worked.container)
    if foreign and any(sign in "\n".join((*worked.tail, worked.error)).lower() for sign in SIGNS):
        raise cannot_run(foreign)
    raise _build_fault(manifest, worked, limits)


def _build_fault(manifest: Manifest, worked: Worked, limits: Limits) -> ConformError:
    """Whose fault a failed build is, and the sentence for it."""
    number, command = _step(worked.step)
    log = paths.shown(paths.logs_dir() / f"{manifest.name}-build.log")
    whole_log = f"the whole log is in {log}"
    if worked.finished.code is None:
        took = f"the build of {manifest.name} took longer than {seconds(limits.build)}"
        return LimitExceeded(
            f"{took}; it was at {number}, {command}", option=OPTIONS["build"], log=worked.tail
        )
    if worked.limit:
        return LimitExceeded(
            f"the build of {manifest.name} wrote more than {size(limits.build_disk)} at {number}, {command}",
            option=OPTIONS[worked.limit],
            log=worked.tail,
        )
    if worked.fault:
        return MachineFault(worked.fault["fault"], hint=worked.fault["hint"], code=worked.fault["code"])
    cannot = f"the image of {manifest.name} cannot be built here: {number}, {command}, said"
    if sign := _machine_sign(command, worked):
        return MachineFault(
            f"{cannot} '{sign}'",
            hint=f"free disk space, or mend the network, and try again; {whole_log}",
            log=worked.tail,
            code="disk-full" if sign == _DISK_SIGN else "network",
        )
    code = re.search(r"returned a non-zero code: (\d+)", worked.error)
    if not worked.error or (code is None and any(sign in worked.error.lower() for sign in _ENGINE_SIGNS)):
        said = worked.error or "nothing, and went away"
        return MachineFault(
            f"{cannot} {said}", hint=f"try again; {whole_log}", log=worked.tail, code="engine"
        )
    hint = whole_log
    if code and int(code[1]) == 137:
        hint = (
            f"a command that uses more than {size(limits.build_memory)} of memory is killed; "
            f"{OPTIONS['build_memory']} raises that; {whole_log}"
        )
    if not worked.step:
        message = f"the Dockerfile of {manifest.name} cannot be built: {worked.error}"
        return BuildFailed(message, command=command, hint=hint, log=worked.tail)
    ended = f"ended with exit code {code[1]}" if code else f"failed: {worked.trouble()}"
    return BuildFailed(
        f"the build of {manifest.name} failed at {number}: the command '{command}' {ended}",
        command=command,
        hint=hint,
        log=worked.tail,
    )


def _machine_sign(command: str, worked: Worked) -> str | None:
    """What tells that disk or network are to blame for a failed command."""
    seen = "\n".join((*worked.tail, worked.error)).lower()
    network = _NETWORK_SIGNS if "apt-get" in command else ()
    if command.upper().startswith("FROM "):
        network = _REGISTRY_SIGNS
    return next((sign for sign in (_DISK_SIGN, *network) if sign in seen), None)


def _step(line: str) -> tuple[str, str]:
    """('step 3/9', 'gcc -o x x.c') from the engine's 'Step 3/9 : RUN gcc -o x x.c'."""
    found = re.fullmatch(r"Step (\d+/\d+) : (?:RUN )?(.*)", line)
    return (f"step {found[1]}", found[2]) if found else ("its start", "reading the Dockerfile")


def _remove_intermediate(container: str) -> None:
    """The engine ends a build whose client is gone; this makes sure of its last container."""
    client = connect()
    try:
        client.remove_container(container, force=True, v=True)
    except docker.errors.APIError as error:
        if error.status_code not in (404, 409):
            raise MachineFault(f"a stopped build left its container {container} behind: {error}") from None
    finally:
        client.close()


def _prune(client: docker.APIClient, port: str, keep: str) -> None:
    """Remove what earlier builds of the same port left. An image that is in use stays."""
    with asked_to("list images"):
        images = client.images(filters={"label": f"{_PORT_LABEL}={port}"})
    for image in images:
        if image["Id"] != keep:
            for tag in image["RepoTags"] or [image["Id"]]:
                _remove(client, image["Id"] if tag == "<none>:<none>" else tag)


def _remove(client: docker.APIClient, image: str) -> None:
    try:
        client.remove_image(image)
    except docker.errors.APIError as error:
        if error.status_code not in (404, 409):
            raise MachineFault(f"the old image {image} could not be removed: {error}") from None
