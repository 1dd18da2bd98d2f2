"""From a port's manifest to its image: rendered Dockerfile, visible build, reuse by content.

    port.yaml --Dockerfile.j2--> Dockerfile + files + toolchain --engine--> microgpt-conformance/<port>:<hash>

Not for running: container.py does that.
"""

from __future__ import annotations

import json
import re
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import docker
import docker.errors
import jinja2

from harness import paths
from harness.build import base, sources, toolchains
from harness.build.base import Worked
from harness.build.manifest import Manifest
from harness.errors import BuildFailed, LimitExceeded, MachineFault
from harness.run.container import USER
from harness.run.engine import asked_to, connect
from harness.run.limits import OPTIONS, Limits, seconds
from harness.run.reaper import LABEL
from harness.run.subprocesses import OnLine, silent

REPOSITORY = "microgpt-conformance"
_PORT_LABEL = f"{LABEL}.port"
_DISK_SIGN = "no space left on device"
_NETWORK_SIGNS = (
    *("temporary failure resolving", "could not resolve", "unable to fetch some archives", "failed to fetch"),
    *("could not connect to", "cannot initiate the connection", "some index files failed to download"),
)
"""What apt-get prints when the network, and not the port, is to blame. Compilers may print such words, too.
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


def dockerfile(manifest: Manifest) -> str:
    """The port's own Dockerfile if it brings one, else the one rendered from its manifest."""
    if own := manifest.own_dockerfile():
        return own.read_text(encoding="utf-8")
    top = sorted({path.parts[0] for path in manifest.files()})
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=False,
        trim_blocks=True,
        keep_trailing_newline=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["tojson"] = json.dumps
    return environment.get_template("Dockerfile.j2").render(
        port=manifest,
        base=base.name(),
        user=USER,
        label=_PORT_LABEL,
        files=[name for name in top if (manifest.folder / name).is_file()],
        folders=[name for name in top if (manifest.folder / name).is_dir()],
        entry_point=json.dumps(["sh", "-c", f'exec {manifest.run} "$@"', "microgpt"]),
    )


def content_hash(manifest: Manifest, base_id: str) -> str:
    """What an image consists of: the port's files, how they are built, and the base image."""
    return sources.content_hash(manifest, dockerfile(manifest), base_id)


def prepare(manifest: Manifest, limits: Limits, on_line: OnLine = silent, force: bool = False) -> Image:
    """The port's image, built unless one of the same content is there (`force` builds anew all the same).

    Raises BuildFailed, LimitExceeded, MachineFault or ManifestError.
    """
    base_id = base.ensure_base(on_line)
    text = dockerfile(manifest)
    digest = content_hash(manifest, base_id)
    tag = f"{REPOSITORY}/{manifest.name}:{digest[:12]}"
    client = connect()
    try:
        found = base.image_id(client, tag)
        if found and not force:
            return Image(tag, found, digest, base_id, reused=True, seconds=0.0, bytes=_size(client, found))
        began = time.monotonic()
        _build(client, manifest, text, tag, limits, on_line)
        built = base.image_id(client, tag)
        if built is None:
            raise MachineFault(f"the engine said it had built {tag}, but does not have it")
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


def _build(
    client: docker.APIClient, manifest: Manifest, text: str, tag: str, limits: Limits, on_line: OnLine
) -> None:
    tools = toolchains.fetch(manifest.toolchain, limits.build, on_line) if manifest.toolchain else None
    labels = json.dumps({_PORT_LABEL: manifest.name} if manifest.own_dockerfile() else {})
    with tempfile.TemporaryDirectory(prefix="microgpt-conformance-context-") as folder:
        context = Path(folder) / "context.tar"
        try:
            sources.pack(manifest, text, tools, context)
        except OSError as error:
            raise MachineFault(f"the build context of {manifest.name} cannot be written: {error}") from None
        worked = base.work(
            ["build", tag, str(context), labels], f"{manifest.name}-build", limits.build, on_line
        )
    if worked.finished.code == 0 and not worked.error and not worked.fault:
        return
    if worked.finished.code is None and worked.container:
        _remove_intermediate(client, worked.container)
    raise _build_fault(manifest, worked, limits)


def _build_fault(
    manifest: Manifest, worked: Worked, limits: Limits
) -> BuildFailed | LimitExceeded | MachineFault:
    """Whose fault a failed build is, and the sentence for it."""
    number, command = _step(worked.step)
    log = paths.shown(paths.logs_dir() / f"{manifest.name}-build.log")
    if worked.finished.code is None:
        took = f"the build of {manifest.name} took longer than {seconds(limits.build)}"
        return LimitExceeded(
            f"{took}; it was at {number}, {command}",
            option=OPTIONS["build"],
            log=worked.tail,
        )
    if worked.fault:
        return MachineFault(worked.fault["fault"], hint=worked.fault["hint"], code=worked.fault["code"])
    seen = "\n".join((*worked.tail, worked.error)).lower()
    signs = (_DISK_SIGN, *_NETWORK_SIGNS) if "apt-get" in command else (_DISK_SIGN,)
    if sign := next((sign for sign in signs if sign in seen), None):
        return MachineFault(
            f"the image of {manifest.name} cannot be built here: {number}, {command}, said '{sign}'",
            hint=f"free disk space, or mend the network, and try again; the whole log is in {log}",
            log=worked.tail,
            code="disk-full" if sign == _DISK_SIGN else "network",
        )
    code = re.search(r"returned a non-zero code: (\d+)", worked.error)
    ended = f"ended with exit code {code[1]}" if code else f"failed: {worked.trouble()}"
    return BuildFailed(
        f"the build of {manifest.name} failed at {number}: the command '{command}' {ended}",
        command=command,
        hint=f"the whole log is in {log}",
        log=worked.tail,
    )


def _step(line: str) -> tuple[str, str]:
    """('step 3/9', 'gcc -o x x.c') from the engine's 'Step 3/9 : RUN gcc -o x x.c'."""
    found = re.fullmatch(r"Step (\d+/\d+) : (?:RUN )?(.*)", line)
    return (f"step {found[1]}", found[2]) if found else ("its start", "reading the Dockerfile")


def _remove_intermediate(client: docker.APIClient, container: str) -> None:
    """The engine ends a build whose client is gone; this makes sure of its last container."""
    try:
        client.remove_container(container, force=True, v=True)
    except docker.errors.APIError as error:
        if error.status_code not in (404, 409):
            raise MachineFault(f"a stopped build left its container {container} behind: {error}") from None


def _prune(client: docker.APIClient, port: str, keep: str) -> None:
    """Remove what earlier builds of the same port left. An image that is in use stays."""
    with asked_to("list images"):
        images = client.images(filters={"label": f"{_PORT_LABEL}={port}"})
    for image in images:
        if image["Id"] != keep:
            try:
                for tag in image["RepoTags"] or [image["Id"]]:
                    client.remove_image(image["Id"] if tag == "<none>:<none>" else tag)
            except docker.errors.APIError as error:
                if error.status_code not in (404, 409):
                    raise MachineFault(f"an old image of {port} could not be removed: {error}") from None
