"""`microgpt serve`: the models over HTTP, for programs on this machine.

No page of another site can use it: only JSON is taken, which a browser does not send across sites unasked,
and only under a host name of this machine, which stops names that are pointed at it (DNS rebinding).
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import AsyncIterator
from typing import Any

import anyio
import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from reference.app.refusal import Refusal
from reference.app.serving import messages, openapi
from reference.app.serving.core import Unknown
from reference.app.serving.desk import Broken, Busy, Desk, TookTooLong
from reference.app.serving.tools import TOOLS, Tool

MOST_BYTES = 16 * 1024  # of a body
BODY_SECONDS = 10.0  # until all of it is there
STOP_SECONDS = 3.0  # that requests under way have after Ctrl-C
STOPPED = "the server was stopped; with resume a training goes on from its last checkpoint"
MOST_CONNECTIONS = 64
LINES = "application/x-ndjson"
STATUSES = {Unknown: 404, Busy: 503, TookTooLong: 504, Broken: 500}
"""Of a refusal; any other is 422: the request is understood and cannot be granted."""
POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


class Bad(Refusal):
    """A request that is none. `status` is HTTP's."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


def application(desk: Desk, host: str = "127.0.0.1") -> Starlette:
    """The server as an ASGI application that is reached as `host`."""
    document = openapi.document(desk.limits, MOST_BYTES)
    page = openapi.page(document)

    async def show_page(request: Request) -> Response:
        return HTMLResponse(page, headers={"Content-Security-Policy": POLICY})

    async def show_document(request: Request) -> Response:
        return JSONResponse(document)

    routes = [Route("/", show_page), Route("/openapi.json", show_document)]
    for tool in TOOLS.values():
        routes.append(Route(openapi.path(tool), _answering(desk, tool), methods=[openapi.method(tool)]))
    hosts = ["localhost", "127.0.0.1", "[::1]", host] if is_loopback(host) else ["*"]
    return Starlette(
        routes=routes,
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=hosts, www_redirect=False)],
        exception_handlers={HTTPException: _say, 500: _say_fault},
    )


def is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Closing:
    """An application whose requests under way are ended, with a sentence each, once `event` is set."""

    def __init__(self, inner: ASGIApp, event: anyio.Event) -> None:
        self._inner, self._event = inner, event

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._inner(scope, receive, send)
        last: Message = {}

        async def noting(message: Message) -> None:
            nonlocal last
            await send(message)
            last = message

        problem: Exception | None = None
        async with anyio.create_task_group() as group:

            async def stop() -> None:
                await self._event.wait()
                group.cancel_scope.cancel()

            group.start_soon(stop)
            try:
                await self._inner(scope, receive, noting)
            except Exception as fault:  # not out of the group, which would wrap it
                problem = fault
            group.cancel_scope.cancel()
        if problem:
            raise problem
        reply = _json({"error": STOPPED}, 503)
        if not last:
            await reply(scope, receive, send)
        elif last["type"] == "http.response.start" or last.get("more_body"):  # the lines of a training
            await send({"type": "http.response.body", "body": bytes(reply.body) + b"\n"})


class Server(uvicorn.Server):
    """Gives requests under way a few seconds to end, then ends them."""

    def __init__(self, config: uvicorn.Config, closing: anyio.Event) -> None:
        super().__init__(config)
        self._closing = closing

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        async def hurry() -> None:
            await anyio.sleep(STOP_SECONDS)
            self._closing.set()

        async with anyio.create_task_group() as group:
            group.start_soon(hurry)
            await super().shutdown(sockets)
            group.cancel_scope.cancel()


def listen(host: str, port: int) -> socket.socket:
    """A socket that takes connections. Raises Refusal if the address is taken or not of this machine."""
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except (OSError, UnicodeError) as problem:
        reason = (getattr(problem, "strerror", None) or str(problem)).partition(" (while")[
            0
        ]  # Python adds it
        raise Refusal(
            f"cannot listen at {host}, port {port}: {reason}: give another --host or --port"
        ) from None


def serve(desk: Desk, host: str, listening: socket.socket) -> None:
    """Until Ctrl-C."""
    closing = anyio.Event()
    config = uvicorn.Config(
        Closing(application(desk, host), closing),
        log_level="warning",
        limit_concurrency=MOST_CONNECTIONS,
        timeout_graceful_shutdown=2 * round(STOP_SECONDS),
        server_header=False,
    )
    Server(config, closing).run(sockets=[listening])


def _answering(desk: Desk, tool: Tool) -> Any:
    async def answer(request: Request) -> Response:
        try:
            given = await _body(request) if openapi.method(tool) == "POST" else {}
            if tool.trains and LINES in request.headers.get("accept", ""):
                messages.read(tool.request, given)  # so that a bad request has a status of its own
                return StreamingResponse(_lines(desk, tool, given), media_type=LINES)
            return _json(await _unless_gone(request, desk, tool, given))
        except Refusal as problem:
            return _refused(problem)

    return answer


async def _body(request: Request) -> Any:
    """The JSON in the body. Raises Bad if it is none, of another type, too large or too slow."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise Bad(415, "the header Content-Type should be application/json")
    data = b""
    try:
        with anyio.fail_after(BODY_SECONDS):
            async for part in request.stream():
                data += part
                if len(data) > MOST_BYTES:
                    raise Bad(413, f"the body has more than {MOST_BYTES} bytes, the most that is read")
    except TimeoutError:
        raise Bad(408, f"the body did not come within {BODY_SECONDS:g} seconds") from None
    except ClientDisconnect:
        raise Bad(400, "the body was not sent to its end") from None
    try:
        return msgspec.json.decode(data)
    except msgspec.DecodeError as problem:
        raise Bad(400, f"the body is not JSON: {problem}") from None


async def _unless_gone(request: Request, desk: Desk, tool: Tool, given: Any) -> msgspec.Struct:
    """The reply. What nobody waits for any more is stopped."""
    reply: msgspec.Struct | Refusal = Bad(400, "the client has gone away")
    async with anyio.create_task_group() as group:

        async def watch() -> None:
            while not await request.is_disconnected():
                await anyio.sleep(0.2)
            group.cancel_scope.cancel()

        group.start_soon(watch)
        try:
            reply = await desk.do(tool, given)
        except Refusal as problem:  # not out of the group, which would wrap it
            reply = problem
        group.cancel_scope.cancel()
    if isinstance(reply, Refusal):
        raise reply
    return reply


async def _lines(desk: Desk, tool: Tool, given: Any) -> AsyncIterator[bytes]:
    """A line of JSON for each report of progress, then one with the reply or with the error."""
    sending, receiving = anyio.create_memory_object_stream[bytes](16)

    async def work() -> None:
        async def report(progress: messages.Progress) -> None:
            await sending.send(msgspec.json.encode({"progress": progress}) + b"\n")

        async with sending:
            try:
                last: dict[str, Any] = {"reply": await desk.do(tool, given, report)}
            except Refusal as problem:
                last = {"error": messages.plain(problem)}
            await sending.send(msgspec.json.encode(last) + b"\n")

    async with anyio.create_task_group() as group, receiving:
        group.start_soon(work)
        async for line in receiving:
            yield line


def _json(reply: Any, status: int = 200, **headers: str) -> Response:
    return Response(msgspec.json.encode(reply), status, headers, media_type="application/json")


def _refused(problem: Refusal) -> Response:
    status = problem.status if isinstance(problem, Bad) else STATUSES.get(type(problem), 422)
    headers = {"Retry-After": "5"} if status == 503 else {}
    return _json({"error": messages.plain(problem)}, status, **headers)


async def _say(request: Request, problem: Exception) -> Response:
    assert isinstance(problem, HTTPException)
    said = f"{request.method} {request.url.path}: {problem.detail}; GET / shows what there is"
    return _json({"error": said}, problem.status_code, **(problem.headers or {}))


async def _say_fault(request: Request, problem: Exception) -> Response:
    return _json({"error": "something happened that nobody foresaw: see what the server has logged"}, 500)
