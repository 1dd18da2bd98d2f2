"""The network of builds: the internet, but no link-local address.

At 169.254.169.254 clouds tell any process of a machine the machine's own credentials. A build may fetch
packages, and shares the network of a container that has no route to those addresses; only that container
could put one there.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import docker
import docker.errors

from harness.errors import MachineFault
from harness.run.engine import asked_to
from harness.run.reaper import owner

_CLOSED = "169.254.0.0/16"
_PERL = r"""
socket(S, 2, 2, 0) or die "socket: $!";
sub place { pack("S n a4 x8", 2, 0, pack("C4", @_)) }
my $route = pack("x8 a16 x16 a16 S x6 x16 x8 x8 x16 x8", place(169, 254, 0, 0), place(255, 255, 0, 0), 0x201);
ioctl(S, 0x890B, $route) or die "SIOCADDRT: $!";
"""
"""The ioctl that adds a route, with RTF_UP and RTF_REJECT: a bare Debian has Perl, but no `ip`."""


@contextlib.contextmanager
def closed_to_the_machine(client: docker.APIClient, base: str) -> Iterator[str]:
    """A network mode for builds, as long as the `with` lasts. `base` is an image with a shell."""
    name = owner().hold()
    container = f"microgpt-conformance-{name}"
    try:
        with asked_to("prepare the network of a build"):
            _start(client, container, base)
            _close(client, container)
        yield f"container:{container}"
    finally:
        with contextlib.suppress(docker.errors.NotFound), asked_to("remove the network of a build"):
            client.remove_container(container, force=True, v=True)
        owner().release(name)


def _start(client: docker.APIClient, container: str, base: str) -> None:
    host = client.create_host_config(
        network_mode="bridge",
        read_only=True,
        cap_drop=["ALL"],
        cap_add=["NET_ADMIN"],
        security_opt=["no-new-privileges"],
        mem_limit="64m",
        pids_limit=16,
        init=True,
    )
    client.create_container(
        base, entrypoint=["sleep", "infinity"], name=container, labels=owner().labels(), host_config=host
    )
    client.start(container)


def _close(client: docker.APIClient, container: str) -> None:
    """Raises MachineFault: a build with those addresses open is not run."""
    command = 'ip route add unreachable "$1" 2>/dev/null || perl -e "$2"'
    job = client.exec_create(container, ["sh", "-c", command, "sh", _CLOSED, _PERL])
    said = client.exec_start(job["Id"])
    if client.exec_inspect(job["Id"])["ExitCode"] != 0:
        text = " ".join(said.decode("utf-8", errors="replace").split())
        raise MachineFault(
            f"{_CLOSED}, where clouds keep a machine's credentials, cannot be closed to builds: {text}",
            hint="the base image needs perl, as Debian's has, or ip",
            code="network",
        )
