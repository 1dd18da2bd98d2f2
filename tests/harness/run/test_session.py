"""A session hides no fault, blames the right request, and never reads a late answer as the next one's.

With ports that are functions; test_misbehaviour.py does the same with real processes.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterable
from dataclasses import replace

import pytest
from fakes import FunctionProcess

from conformance.messages import Request
from harness.errors import (
    BuildFailed,
    ConformError,
    LimitExceeded,
    MachineFault,
    ManifestError,
    PortCrashed,
    ProtocolFault,
)
from harness.run.limits import Limits
from harness.run.process import Exit
from harness.run.session import Session

Pieces = Iterable[bytes | Exit]


def silent_port(data: bytes) -> Pieces:
    return []


def name_in(data: bytes) -> str:
    return data.split(b"\n")[0].split(b" ")[1].decode()


def honest(data: bytes) -> Pieces:
    return [f"ok {name_in(data)}\nend\n".encode()]


class Ports:
    """Launches one function after the other and remembers the processes."""

    def __init__(self, *answers: Callable[[bytes], Pieces]) -> None:
        self.started: list[FunctionProcess] = []
        self._answers = list(answers)

    def __call__(self) -> FunctionProcess:
        self.started.append(FunctionProcess(self._answers.pop(0), stderr=("last words",)))
        return self.started[-1]


def ask(session: Session, name: str, verb: str = "arith") -> bool:
    return session.ask(Request(verb, name)).ok


def test_one_process_answers_many_requests() -> None:
    ports = Ports(honest)
    with Session(ports) as session:
        assert ask(session, "a") and ask(session, "b")
    assert len(ports.started) == 1
    assert ports.started[0].received == [b"arith a\nend\n", b"arith b\nend\n"]
    assert ports.started[0].killed
    assert session.notes == []
    assert session.timing.requests == 2 and session.timing.launches == 1


def test_nothing_starts_before_the_first_request() -> None:
    with Session(Ports()) as session:
        assert session.timing.launches == 0


def test_an_error_reply_is_a_reply() -> None:
    with Session(Ports(lambda data: [b"error a unsupported\nend\n"])) as session:
        reply = session.ask(Request("train", "a"))
    assert (reply.ok, reply.reason) == (False, "unsupported")


def test_a_late_answer_is_not_read_as_the_next_ones() -> None:
    ports = Ports(lambda data: [] if b"slow" in data else [b"ok slow\nend\n", *honest(data)], honest)
    with Session(ports) as session:
        with pytest.raises(LimitExceeded):
            ask(session, "slow")
        assert ports.started[0].killed
        assert ask(session, "next")
    assert len(ports.started) == 2


FAULTY: dict[str, tuple[Pieces, type[ConformError], str]] = {
    "silence": ([], LimitExceeded, "gave no answer at all to 'a'"),
    "wrong id": ([b"ok b\nend\n"], ProtocolFault, "the answer to another request"),
    "exit": ([Exit(code=2)], PortCrashed, "while it was answering 'a', the port ended with exit code 2"),
    "signal": ([b"ok a\n", Exit(signal=11)], PortCrashed, "signal 11 (SIGSEGV"),
    "no memory": ([Exit(code=137, out_of_memory=True)], LimitExceeded, "used all the memory it may have"),
    "two replies": ([b"ok a\nend\n", b"ok a\nend\n"], ProtocolFault, "wrote 'ok a\\nend\\n' unasked"),
}


@pytest.mark.parametrize("pieces, error, says", FAULTY.values(), ids=FAULTY.keys())
def test_after_a_fault_comes_a_fresh_process(pieces: Pieces, error: type[ConformError], says: str) -> None:
    ports = Ports(lambda data: pieces, honest)
    with Session(ports) as session:
        with pytest.raises(error) as caught:
            ask(session, "a")
            ask(session, "b")
        assert says in caught.value.message
        assert caught.value.log == ("last words",)
        assert ports.started[0].killed
        assert ask(session, "c")
    assert session.timing.launches == 2


def test_words_after_the_last_reply_are_a_fault_of_the_end() -> None:
    session = Session(Ports(lambda data: [*honest(data), b"by the way\n"]))
    assert ask(session, "a")
    with pytest.raises(ProtocolFault, match="after its reply to 'a' the port wrote 'by the way"):
        session.close()


def test_an_end_between_two_requests_is_a_crash() -> None:
    with Session(Ports(lambda data: [*honest(data), Exit(code=1)])) as session:
        assert ask(session, "a")
        with pytest.raises(PortCrashed, match="between its reply to 'a' and the request 'b', the port ended"):
            ask(session, "b")


def test_another_exit_code_at_the_end_is_noted() -> None:
    class Failing(FunctionProcess):
        def close_input(self) -> None:
            self._pieces.append(Exit(code=9))

    with Session(lambda: Failing(honest)) as session:
        ask(session, "a")
    assert session.notes == [
        "after its input had ended, the port ended with exit code 9; expected exit code 0"
    ]


def test_an_exception_of_the_caller_kills_the_port() -> None:
    ports = Ports(honest)
    with pytest.raises(KeyboardInterrupt), Session(ports) as session:
        ask(session, "a")
        raise KeyboardInterrupt
    assert ports.started[0].killed


class Clock(FunctionProcess):
    """Answers nothing and remembers how long it might have taken."""

    def __init__(self, seen: list[float]) -> None:
        super().__init__(lambda data: [] if b"slow" in data else honest(data))
        self._seen = seen

    def read(self, deadline: float) -> bytes:
        if deadline and not self._pieces:
            self._seen.append(deadline)
        return super().read(deadline)


@pytest.mark.parametrize(
    "verb, first, allowed, option",
    [
        ("hello", True, "within 7 s", "--start-timeout"),
        ("train", True, "within 107 s", "--request-timeout"),
        ("train", False, "within 100 s", "--request-timeout"),
    ],
)
def test_start_and_request_have_limits_of_their_own(
    verb: str, first: bool, allowed: str, option: str
) -> None:
    seen: list[float] = []
    with Session(lambda: Clock(seen), replace(Limits(), start=7, request=100)) as session:
        if not first:
            assert ask(session, "quick")
        with pytest.raises(LimitExceeded) as caught:
            ask(session, "slow", verb)
    assert allowed in caught.value.message
    assert caught.value.option == option
    assert len(seen) == 1


def test_a_request_may_have_a_limit_of_its_own() -> None:
    with Session(Ports(honest, lambda data: [])) as session:
        ask(session, "a")
        session.kill()
        with pytest.raises(LimitExceeded, match="within 1030 s"):
            session.ask(Request("run", "long"), timeout=1000)


@pytest.mark.parametrize(
    "error",
    [
        ManifestError("m", hint="h"),
        MachineFault("m", code="disk-full", log=["l"]),
        BuildFailed("m", command="gcc x.c", log=["l"]),
        PortCrashed("m", log=("a", "b")),
        LimitExceeded("m", option="--memory"),
        ProtocolFault("m", line=3),
    ],
    ids=lambda error: type(error).__name__,
)
def test_every_fault_travels_between_processes(error: ConformError) -> None:
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error) and copy.__dict__ == error.__dict__ and str(copy) == "m"
    assert error.outcome in ("protocol", "crashed", "limit", "build", "machine", "usage")


def test_a_port_whose_input_ends_within_a_request_answers_and_ends_well() -> None:
    def complaining(code: int) -> Callable[[bytes], Pieces]:
        return lambda data: [f"error {name_in(data)} cut off\nend\n".encode(), Exit(code=code)]

    ports = Ports(complaining(0), complaining(3), honest)
    session = Session(ports)
    request = Request("arith", "cut", raw=b"arith cut\nadd")
    assert session.ask_last(request).reason == "cut off"
    with pytest.raises(PortCrashed, match="exit code 3"):
        session.ask_last(request)
    assert session.notes == []
    assert ask(session, "next"), "a fresh process answers what comes after"
    assert ports.started[0].received == [b"arith cut\nadd"]


def test_a_run_has_an_end_however_many_requests_are_just_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    session = Session(Ports(honest), replace(Limits(), run=300.0))
    assert ask(session, "a")
    session.timing.total = 300.5
    for name in ("b", "c"):
        with pytest.raises(
            LimitExceeded, match=r"asked for 300\.5.? s in all, and a run may take 300 s"
        ) as caught:
            ask(session, name)
        assert caught.value.option == "--run-timeout" and "--run-timeout" in caught.value.hint


def test_no_request_outlives_the_run() -> None:
    session = Session(Ports(silent_port), replace(Limits(), run=0.5, start=0.0))
    with pytest.raises(LimitExceeded) as caught:
        session.ask(Request("arith", "a"))
    assert "--run-timeout" in caught.value.hint
