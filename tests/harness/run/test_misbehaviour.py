"""The harness holds for a port that is broken in any way: a named fault within the limit, and nothing left
behind.

Each fake of fakes.py runs as a plain process, some of them in real containers, too.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import docker
import psutil
import pytest
from fakes import HASTY, HONEST, LIMITS, MISBEHAVING, Fake

from conformance.messages import Request
from harness.build import base
from harness.errors import LimitExceeded, PortCrashed
from harness.run.container import ContainerProcess
from harness.run.limits import Limits
from harness.run.local import LocalProcess
from harness.run.process import Process
from harness.run.reaper import LABEL, MARK, OWNER_FILE, owner, owner_is_dead, owner_word, python_environment
from harness.run.session import Session
from harness.run.sweep import sweep

IN_CONTAINERS = (
    *(
        "exits at once",
        "is killed by a signal",
        "hangs",
        "floods its output",
        "floods its output with good lines",
    ),
    *("floods its standard error", "never reads its input", "gives half a reply and exits", "eats memory"),
    *("leaves children behind that hold its output", "answers with another id"),
    "ignores every polite signal",
)

pytestmark = pytest.mark.usefixtures("bounded")


def local(script: str, limits: Limits = LIMITS) -> Process:
    return LocalProcess(f"sh -c {shlex.quote(script)}", Path("/"), limits)


def contained(script: str, limits: Limits = LIMITS) -> Process:
    return ContainerProcess(base.name(), limits, entrypoint=["sh", "-c", script])


def marked(session: str) -> list[psutil.Process]:
    """The processes that a session left behind."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK, "").startswith(session):
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return found


def containers(client: docker.APIClient, session: str) -> list[str]:
    listed = client.containers(all=True, filters={"label": f"{LABEL}.session={session}"})
    return [container["Id"] for container in listed]


def meets(fake: Fake, start: Callable[[str, Limits], Process]) -> None:
    """The fault is the fake's; the request after it is answered by a fresh process."""
    scripts = iter([fake.script, HONEST])
    with Session(lambda: start(next(scripts), fake.limits), fake.limits) as session:
        for number in range(fake.good):
            assert session.ask(fake.request(f"good{number}")).ok
        with pytest.raises(fake.error) as caught:
            session.ask(fake.request("bad"))
        assert fake.says in caught.value.message
        assert session.timing.launches == 1
        reply = session.ask(Request("arith", "next"))
        assert reply.ok and reply.id == "next"
        assert session.timing.launches == 2
    assert session.notes == []


@pytest.fixture
def nothing_left() -> Iterator[None]:
    yield
    assert marked(owner().session) == []
    left = {path.name for path in Path("/tmp").glob(f"microgpt-conformance-{owner().session}/*")}
    assert left <= {OWNER_FILE}


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize("fake", MISBEHAVING.values(), ids=MISBEHAVING.keys())
def test_a_local_port_that(fake: Fake) -> None:
    meets(fake, local)


@pytest.mark.docker
@pytest.mark.parametrize("does", IN_CONTAINERS)
def test_a_port_in_a_container_that(does: str, client: docker.APIClient) -> None:
    meets(MISBEHAVING[does], contained)
    assert containers(client, owner().session) == []


@pytest.mark.docker
def test_a_container_may_not_fork_without_end(client: docker.APIClient) -> None:
    script = "while :; do sleep 1000 & done"
    with Session(lambda: contained(script)) as session, pytest.raises(PortCrashed) as caught:
        session.ask(Request("arith", "bad"))
    assert "Cannot fork" in caught.value.log[-1]
    assert containers(client, owner().session) == []


@pytest.mark.usefixtures("nothing_left")
def test_the_limits_message_names_the_option() -> None:
    options = {}
    for does in ("hangs", "eats memory", "floods its output with good lines", "floods its standard error"):
        session = Session(lambda does=does: local(MISBEHAVING[does].script), HASTY)
        with session, pytest.raises(LimitExceeded) as caught:
            session.ask(Request("hello", "h"))
        options[does] = caught.value.option
        assert caught.value.option in caught.value.hint
    assert list(options.values()) == ["--start-timeout", "--memory", "--output-limit", "--stderr-limit"]


@pytest.mark.usefixtures("nothing_left")
def test_a_crash_shows_the_end_of_standard_error() -> None:
    script = (
        "for i in 1 2 3; do echo step $i >&2; done; printf '\\033[2Jboo \\033[31mred\\033[0m\\n' >&2; exit 1"
    )
    with Session(lambda: local(script), LIMITS) as session, pytest.raises(PortCrashed) as caught:
        session.ask(Request("hello", "h"))
    assert caught.value.log == ("step 1", "step 2", "step 3", "\\x1b[2Jboo red")


@pytest.mark.usefixtures("nothing_left")
def test_a_big_request_and_a_big_reply_pass_at_the_same_time() -> None:
    """A port may answer while it still reads; neither side's full pipe may lock the other."""
    echo = "read -r verb id; printf 'ok %s\\n' $id; exec cat"
    lines = tuple(f"row {number} {'f' * 900}" for number in range(4000))
    with Session(lambda: local(echo, Limits())) as session:
        assert session.ask(Request("arith", "big", lines)).lines == lines
        assert session.timing.overhead < session.timing.total


@pytest.mark.docker
@pytest.mark.usefixtures("client")
def test_a_big_request_and_a_big_reply_pass_through_a_container() -> None:
    echo = "read -r verb id; printf 'ok %s\\n' $id; exec cat"
    lines = tuple(f"row {number} {'f' * 900}" for number in range(4000))
    with Session(lambda: contained(echo, Limits())) as session:
        assert session.ask(Request("arith", "big", lines)).lines == lines


@pytest.mark.usefixtures("nothing_left")
def test_a_port_that_does_not_exit_at_the_end_of_its_input_is_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.run.session._END_SECONDS", 0.5)
    with Session(lambda: local(HONEST.replace("exit 0", "exec sleep 1000")), LIMITS) as stubborn:
        assert stubborn.ask(Request("arith", "a")).ok
    with Session(lambda: local(HONEST.replace("|| exit 0", "|| exit 7")), LIMITS) as failing:
        assert failing.ask(Request("arith", "a")).ok
    assert stubborn.notes == ["the port did not exit within 0.5 s after its input ended, and was killed"]
    assert failing.notes == [
        "after its input had ended, the port ended with exit code 7; expected exit code 0"
    ]


CHILD_HARNESS = """
    import shlex, sys, time
    from pathlib import Path
    from harness.build import base
    from harness.run.container import ContainerProcess
    from harness.run.limits import Limits
    from harness.run.local import LocalProcess
    from conformance.messages import Request
    from harness.run.reaper import owner
    from harness.run.session import Session

    kind, script = sys.argv[1:]

    def launch():
        if kind == "docker":
            process = ContainerProcess(base.name(), Limits(), entrypoint=["sh", "-c", script])
        else:
            process = LocalProcess(f"sh -c {shlex.quote(script)}", Path("/"), Limits())
        print(owner().session, flush=True)
        return process

    with Session(launch) as session:
        session.ask(Request("run", "r"))
"""

SCRIPTS = {
    "waiting": "setsid sleep 1000 & sleep 1000",
    "flooding": "read -r verb id; echo ok $id; exec yes value 1",
}


def dies(kind: str, number: int, script: str) -> tuple[str, int]:
    """A harness in the middle of a request gets a signal; its session and its exit code."""
    harness = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(CHILD_HARNESS), kind, script],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=python_environment(),
    )
    assert harness.stdout is not None
    session = harness.stdout.readline().decode().strip()
    assert session
    os.kill(harness.pid, number)
    code = harness.wait()
    harness.stdout.close()
    return session, code


def vanish(find: Callable[[], list[object]]) -> bool:
    for _ in range(200):
        if not find():
            return True
        time.sleep(0.1)
    return False


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_no_process_outlives_a_harness_that_is_ended_by(number: signal.Signals) -> None:
    session, code = dies("local", number, SCRIPTS["waiting"])
    assert code != 0
    assert vanish(lambda: [*marked(session), *Path("/tmp").glob(f"microgpt-conformance-{session}")])


@pytest.mark.docker
@pytest.mark.parametrize("doing", SCRIPTS)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_no_container_outlives_a_harness_that_is_ended_by(
    number: signal.Signals, doing: str, client: docker.APIClient
) -> None:
    session, code = dies("docker", number, SCRIPTS[doing])
    assert code != 0
    assert vanish(lambda: [*containers(client, session)])


def test_nobody_is_dead_who_cannot_be_known() -> None:
    machine, _, here = owner_word(os.getpid()).partition(" ")
    pid = here.partition(" ")[0]
    assert not owner_is_dead(f"{machine} {here}")
    assert owner_is_dead(f"{machine} {pid} 1"), "the process id was given to another process"
    assert not owner_is_dead(f"another-{machine} {pid} 1")
    assert not owner_is_dead("")


@pytest.mark.docker
def test_a_sweep_removes_the_containers_of_dead_harnesses_only(client: docker.APIClient) -> None:
    gone = subprocess.Popen(["sleep", "1000"])
    word = owner_word(gone.pid)
    dead = client.create_container(base.name(), "true", labels={f"{LABEL}.owner": word})["Id"]
    alive = client.create_container(base.name(), "true", labels={f"{LABEL}.owner": owner_word(os.getpid())})[
        "Id"
    ]
    try:
        sweep()
        assert client.inspect_container(dead)["Id"] == dead
        gone.kill()
        gone.wait()
        sweep()
        with pytest.raises(docker.errors.NotFound):
            client.inspect_container(dead)
        assert client.inspect_container(alive)["Id"] == alive
    finally:
        gone.kill()
        client.remove_container(alive)
