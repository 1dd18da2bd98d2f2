"""Claims on `microgpt serve`: addresses, statuses, every limit, and who may ask."""

import json
import signal
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")

import anyio
import jsonschema
import msgspec
from command_line import child
from serving import SMALL
from starlette.testclient import TestClient

from reference.app.serving import messages, openapi, web
from reference.app.serving.desk import Broken, Busy, Desk, Limits, TookTooLong
from reference.app.serving.tools import TOOLS, Tool

SCORE = {"model": "small", "text": "Asia"}


class Here(Desk):
    """Computes in this process."""

    async def _compute(self, work: Any, *arguments: Any) -> Any:
        return await anyio.to_thread.run_sync(work, *arguments)


@pytest.fixture
def client(models: Path) -> TestClient:
    return TestClient(web.application(Here(models, Limits())), base_url="http://127.0.0.1")


def refusal(reply: Any, status: int) -> str:
    assert reply.status_code == status, reply.text
    [(key, sentence)] = reply.json().items()
    assert key == "error" and "\n" not in sentence
    return str(sentence)


def test_models_samples_and_scores_come_as_their_schemas_say(client: TestClient) -> None:
    document = client.get("/openapi.json").json()
    asked = {
        "/models": client.get("/models"),
        "/generate": client.post("/generate", json={"model": "small", "count": 2}),
        "/score": client.post("/score", json=SCORE),
    }
    for path, reply in asked.items():
        [operation] = document["paths"][path].values()
        schema = operation["responses"]["200"]["content"]["application/json"]["schema"]
        assert reply.status_code == 200
        jsonschema.validate(reply.json(), schema | {"components": document["components"]})
    assert len(asked["/generate"].json()["samples"]) == 2


def test_the_document_names_every_tool_and_the_page_every_field(client: TestClient) -> None:
    document = client.get("/openapi.json").json()
    operations = [one for methods in document["paths"].values() for one in methods.values()]
    assert [one["operationId"] for one in operations] == list(TOOLS)
    for schema in document["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)
    page = client.get("/")
    assert "default-src 'none'" in page.headers["content-security-policy"] and "<script" not in page.text
    fields = {field.name for tool in TOOLS.values() for field in msgspec.structs.fields(tool.request)}
    assert all(f"<code>{field}</code>" in page.text for field in fields)


@pytest.mark.parametrize("name", openapi.EXAMPLES)
def test_the_examples_on_the_page_are_right(name: str) -> None:
    assert messages.read(TOOLS[name].request, json.loads(openapi.EXAMPLES[name]))


@pytest.mark.parametrize(
    ("body", "kind", "status", "reason"),
    [
        (b"{", "application/json", 400, "the body is not JSON"),
        (b'{"model": NaN}', "application/json", 400, "the body is not JSON"),
        (b"[]", "application/json", 422, "expected object, got array"),
        (b"{}", "text/plain", 415, "Content-Type should be application/json"),
        (b" " * web.MOST_BYTES + b"{}", "application/json", 413, "more than 16384 bytes"),
        (b'{"model": "none", "text": "a"}', "application/json", 404, "there is no model 'none'"),
        (b'{"model": "small", "text": ""}', "application/json", 422, "text: expected str of length >= 1"),
        (b'{"model": "small", "text": "a", "x": 1}', "application/json", 422, "unknown field x"),
    ],
)
def test_a_bad_request_has_a_status_and_a_sentence(
    client: TestClient, body: bytes, kind: str, status: int, reason: str
) -> None:
    reply = client.post("/score", content=body, headers={"Content-Type": kind})
    assert reason in refusal(reply, status)


def test_a_body_of_unknown_length_is_cut_off_at_the_limit(client: TestClient) -> None:
    sent = 0

    def endless() -> Iterator[bytes]:
        nonlocal sent
        while sent < 100 * web.MOST_BYTES:
            sent += 1024
            yield b" " * 1024

    reply = client.post("/score", content=endless(), headers={"Content-Type": "application/json"})
    assert "more than 16384 bytes" in refusal(reply, 413)


def test_steps_have_a_limit_here_too(client: TestClient) -> None:
    reply = client.post("/train", json={"name": "x", "dataset": "sums", "steps": messages.MOST_STEPS + 1})
    assert refusal(reply, 422) == "steps: expected int <= 2000, not 2001"
    assert refusal(client.post("/train", json={"name": "small", "dataset": "sums"}), 422).endswith(
        "say resume"
    )


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/none", 404), ("GET", "/train", 405)])
def test_another_address_or_method_is_pointed_to_the_page(
    client: TestClient, method: str, path: str, status: int
) -> None:
    assert "GET / shows what there is" in refusal(client.request(method, path), status)


@pytest.mark.parametrize(
    ("problem", "status"),
    [(Busy("later"), 503), (TookTooLong("less"), 504), (Broken("ended"), 500)],
)
def test_limits_have_statuses(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, problem: Exception, status: int
) -> None:
    async def refuse(*_: Any) -> None:
        raise problem

    monkeypatch.setattr(Desk, "do", refuse)
    reply = client.post("/score", json=SCORE)
    assert refusal(reply, status) == str(problem) and ("Retry-After" in reply.headers) == (status == 503)


def test_a_fault_of_our_own_is_a_sentence_too(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: Any) -> None:
        raise RuntimeError("secret")

    monkeypatch.setattr(Desk, "do", fail)
    application = web.application(Here(models, Limits()))
    client = TestClient(application, base_url="http://127.0.0.1", raise_server_exceptions=False)
    assert "secret" not in refusal(client.post("/score", json=SCORE), 500)


def test_a_name_that_only_points_here_is_not_answered(models: Path) -> None:
    for host, status in (("evil.example", 400), ("localhost:8042", 200), ("127.0.0.1:8042", 200)):
        client = TestClient(web.application(Here(models, Limits())), base_url=f"http://{host}")
        assert client.get("/models").status_code == status
    assert [web.is_loopback(host) for host in ("127.0.0.1", "::1", "localhost", "0.0.0.0", "a.example")] == [
        True, True, True, False, False,
    ]  # fmt: skip


@pytest.mark.slow
def test_training_sends_a_line_for_each_report_and_the_reply(tmp_path: Path) -> None:
    client = TestClient(web.application(Desk(tmp_path, Limits())), base_url="http://127.0.0.1")
    headers = {"Accept": web.LINES}
    request = {"name": "new", "dataset": "timezones", **SMALL}
    *reports, last = [
        json.loads(line) for line in client.post("/train", json=request, headers=headers).iter_lines()
    ]
    assert reports[-1]["progress"]["step"] == last["reply"]["model"]["steps_done"] == 7
    [line] = client.post("/train", json=request, headers=headers).iter_lines()
    assert json.loads(line)["error"].startswith("the model 'new' exists already")
    assert refusal(client.post("/train", json={}, headers=headers), 422)


# ---------------------------------------------------------------- over a real socket


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def up(process: Any, port: int) -> None:
    """Wait until it answers."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/openapi.json", timeout=5).close()
            break
        except OSError:
            time.sleep(0.1)


@pytest.fixture
def address(models: Path) -> Iterator[str]:
    port = free_port()
    process = child(
        "serve", "--models", str(models), "--port", str(port), "--answers", "1", "--seconds", "20"
    )
    up(process, port)
    yield f"127.0.0.1:{port}"
    process.send_signal(signal.SIGINT)
    printed, said = process.communicate(timeout=60)
    assert b"Traceback" not in said and f"127.0.0.1:{port}".encode() in said, said


def post(address: str, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    request = urllib.request.Request(
        f"http://{address}{path}", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as reply:
            return reply.status, json.load(reply)
    except urllib.error.HTTPError as problem:
        return problem.code, json.load(problem)


@pytest.mark.slow
def test_many_clients_are_answered_or_told_to_come_again(address: str) -> None:
    statuses: list[int] = []
    clients = [
        threading.Thread(target=lambda: statuses.append(post(address, "/score", SCORE)[0])) for _ in range(24)
    ]
    for one in clients:
        one.start()
    for one in clients:
        one.join()
    assert set(statuses) == {200, 503} and statuses.count(200) >= 9  # one at once, eight waiting


@pytest.mark.slow
def test_who_goes_away_frees_the_place(address: str) -> None:
    body = json.dumps({"model": "small", "count": 100, "temperature": 100.0}).encode()
    head = f"POST /generate HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n"
    host, _, port = address.partition(":")
    assert post(address, "/score", SCORE)[0] == 200
    for _ in range(9):
        with socket.create_connection((host, int(port))) as connection:
            connection.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
    deadline = time.monotonic() + 60
    while (status := post(address, "/score", SCORE)[0]) == 503 and time.monotonic() < deadline:
        time.sleep(0.2)
    assert status == 200


@pytest.mark.slow
@pytest.mark.parametrize("accept", ["application/json", web.LINES])
def test_who_waits_when_the_server_is_stopped_is_told(tmp_path: Path, accept: str) -> None:
    """A training that would take long; nothing of Python's is logged."""
    port = free_port()
    process = child("serve", "--models", str(tmp_path), "--port", str(port))
    up(process, port)
    heard: list[bytes] = []
    headers = {"Content-Type": "application/json", "Accept": accept}
    body = {"name": "new", "dataset": "words", "steps": 2000, "embedding": 64, "layers": 2, "block": 64}

    def ask() -> None:
        request = urllib.request.Request(f"http://127.0.0.1:{port}/train", json.dumps(body).encode(), headers)
        try:
            heard.append(urllib.request.urlopen(request, timeout=60).read())
        except urllib.error.HTTPError as problem:
            heard.append(problem.read())

    asking = threading.Thread(target=ask)
    asking.start()
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    asking.join()
    assert json.loads(heard[0].splitlines()[-1]) == {"error": web.STOPPED}
    assert said.count(b"\n") == 1 and said.startswith(b"microgpt: serving the models in"), said


def test_an_address_that_is_taken_is_said_before_anything_is_promised(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from command_line import refusal as refused

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        sentence = refused(["serve", "--models", str(tmp_path), "--port", str(port)], capsys)
    assert sentence.strip().endswith(
        f"cannot listen at 127.0.0.1, port {port}: Address already in use: give another --host or --port"
    )


def test_missing_packages_and_folders_are_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from command_line import refusal as refused

    assert "is not a directory" in refused(["serve", "--models", str(tmp_path / "none")], capsys)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "uvicorn" else True)
    assert "needs the package uvicorn: pip install 'microgpt-conformance[serve]'" in refused(
        ["serve"], capsys
    )


def test_tools_are_offered_once() -> None:
    assert len({openapi.path(tool) for tool in TOOLS.values()}) == len(TOOLS)
    assert all(isinstance(tool, Tool) for tool in TOOLS.values())
