"""Claims on `microgpt mcp`, made with the client of the `mcp` package over standard input and output."""

import os
import shutil
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("mcp")

import agent_session
import anyio
import jsonschema
from command_line import ROOT
from mcp import Client, MCPError, StdioServerParameters
from mcp.client.stdio import stdio_client
from serving import SMALL

from reference.app.serving.tools import TOOLS

pytestmark = pytest.mark.slow


def session(folder: Path, work: Callable[[Client], Awaitable[None]]) -> None:
    async def talk() -> None:
        command = ["-m", "reference", "mcp", "--models", str(folder)]
        started = StdioServerParameters(command=sys.executable, args=command, cwd=ROOT, env=dict(os.environ))
        async with Client(stdio_client(started)) as client:
            await work(client)

    anyio.run(talk)


def test_the_tools_have_schemas_that_say_every_field(models: Path) -> None:
    async def work(client: Client) -> None:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert list(tools) == ["list_models", "generate", "score", "train"]
        for tool in tools.values():
            jsonschema.Draft202012Validator.check_schema(tool.input_schema)
            assert tool.input_schema["additionalProperties"] is False and tool.description
        assert tools["train"].input_schema["properties"]["steps"]["anyOf"][0]["maximum"] == 2000
        assert "names" in tools["train"].input_schema["properties"]["dataset"]["enum"]
        assert [tool.annotations.read_only_hint for tool in tools.values()] == [True, True, True, False]

    session(models, work)


def test_a_client_lists_generates_and_scores(models: Path) -> None:
    async def work(client: Client) -> None:
        async def call(name: str, **arguments: Any) -> Any:
            result = await client.call_tool(name, arguments)  # which checks it against the output schema
            assert not result.is_error, result.content
            return result.structured_content

        [small] = (await call("list_models"))["models"]
        assert small["name"] == "small"
        drawn = await call("generate", model="small", count=3, seed=5, start="As")
        assert len(drawn["samples"]) == 3 and drawn == await call(
            "generate", model="small", count=3, seed=5, start="As"
        )
        scores = await call("score", model="small", text="Asia")
        assert [one["character"] for one in scores["characters"]] == ["A", "s", "i", "a", ""]

    session(models, work)


def test_training_reports_progress_and_makes_a_model_that_answers(tmp_path: Path) -> None:
    async def work(client: Client) -> None:
        heard: list[tuple[float, float | None, str | None]] = []

        async def progress(done: float, total: float | None, message: str | None) -> None:
            heard.append((done, total, message))

        arguments = {"name": "new", "dataset": "timezones", **SMALL}
        result = await client.call_tool("train", arguments, progress_callback=progress)
        assert result.structured_content["model"]["steps_done"] == 7
        assert heard[-1][:2] == (7, 7) and heard[-1][2].startswith("loss ")
        assert not (await client.call_tool("generate", {"model": "new", "count": 1})).is_error

    session(tmp_path, work)


def test_errors_are_sentences_that_an_agent_can_act_on(models: Path) -> None:
    async def work(client: Client) -> None:
        for name, arguments, sentence in (
            ("generate", {"model": "none"}, "there is no model 'none': list_models says which there are"),
            ("generate", {"model": "small", "count": 500}, "count: expected int <= 100, not 500"),
            ("train", {"name": "x", "dataset": "sums", "embedding": 30}, "embedding 30 should be a multiple"),
        ):
            result = await client.call_tool(name, arguments)
            assert result.is_error and result.content[0].text.startswith(sentence)
        with pytest.raises(MCPError, match="there is no tool 'draw': there are list_models, generate"):
            await client.call_tool("draw", {})

    session(models, work)


def test_every_tool_is_in_the_manual() -> None:
    from reference.app.options import MCP_MANUAL

    assert all(name in MCP_MANUAL for name in TOOLS)


@pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc: the session names the engine")
def test_the_session_in_the_documents_is_what_is_said() -> None:
    assert anyio.run(agent_session.transcript) == agent_session.shown()
