"""`microgpt mcp`: the models as tools of the Model Context Protocol, on standard input and output.

What the asker can mend comes back as a tool's error, a sentence that a model can read and act on.
"""

from __future__ import annotations

from typing import Any

import anyio
import mcp_types as types
import msgspec
from mcp import MCPError
from mcp.server import Server
from mcp.server.context import ServerRequestContext
from mcp.server.stdio import stdio_server

from reference.app.refusal import Refusal
from reference.app.serving import messages
from reference.app.serving.desk import Desk
from reference.app.serving.tools import TOOLS, Tool, schema

INSTRUCTIONS = """\
Small character-level GPTs that make up names, chords, town names and the like. Begin with list_models; \
where no model is there yet, train makes one in seconds."""


def serve(desk: Desk) -> None:
    """Until the input ends."""
    anyio.run(_serve, desk)


async def _serve(desk: Desk) -> None:
    built = server(desk)
    async with stdio_server() as (reading, writing):
        await built.run(reading, writing, built.create_initialization_options())


def server(desk: Desk) -> Server[Any]:
    async def list_tools(
        context: ServerRequestContext[Any], asked: types.PaginatedRequestParams | None
    ) -> types.ListToolsResult:
        return types.ListToolsResult(tools=[described(tool) for tool in TOOLS.values()])

    async def call_tool(
        context: ServerRequestContext[Any], asked: types.CallToolRequestParams
    ) -> types.CallToolResult:
        if asked.name not in TOOLS:
            raise MCPError(
                types.INVALID_PARAMS, f"there is no tool {asked.name!r}: there are {', '.join(TOOLS)}"
            )

        async def report(progress: messages.Progress) -> None:
            said = f"loss {progress.loss:.4f}"
            await context.session.report_progress(progress.step, progress.steps, said)

        try:
            reply = await desk.do(TOOLS[asked.name], asked.arguments or {}, report)
        except Refusal as problem:
            return types.CallToolResult(
                content=[types.TextContent(text=messages.plain(problem))], is_error=True
            )
        text = msgspec.json.encode(reply).decode()
        return types.CallToolResult(
            content=[types.TextContent(text=text)], structured_content=msgspec.to_builtins(reply)
        )

    return Server("microgpt", instructions=INSTRUCTIONS, on_list_tools=list_tools, on_call_tool=call_tool)


def described(tool: Tool) -> types.Tool:
    return types.Tool(
        name=tool.name,
        description=tool.about,
        input_schema=schema(tool.request),
        output_schema=schema(tool.reply),
        annotations=types.ToolAnnotations(
            read_only_hint=not tool.trains,
            destructive_hint=False,
            idempotent_hint=not tool.trains,
            open_world_hint=False,
        ),
    )
