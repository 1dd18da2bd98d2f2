"""An agent's session with `microgpt mcp`, as docs/AGENTS.md shows it.

python tests/support/agent_session.py    writes it there again
"""

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import anyio
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "AGENTS.md"
BEGIN, END = "```text\n", "```\n"
MOST = 200  # characters of a reply
CALLS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("generate", {"model": "hex", "count": 3}),
    ("train", {"name": "hex", "dataset": "hexcolors", "steps": 500}),
    ("generate", {"model": "hex", "count": 3, "start": "#f", "seed": 7}),
    ("score", {"model": "hex", "text": "#c0ffee"}),
    ("score", {"model": "hex", "text": "#coffee"}),
    ("generate", {"model": "hex", "count": 1000}),
)


async def transcript() -> str:
    """What a client and the server say to each other. It is the same every time."""
    lines: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        command = ["-m", "reference", "mcp", "--models", folder]
        started = StdioServerParameters(command=sys.executable, args=command, cwd=ROOT, env=dict(os.environ))
        async with Client(stdio_client(started)) as client:
            tools = (await client.list_tools()).tools
            lines += ["> tools/list", f"  {', '.join(tool.name for tool in tools)}"]
            for name, arguments in CALLS:
                lines += await call(client, name, arguments)
    return "\n".join([*lines, ""])


async def call(client: Client, name: str, arguments: dict[str, Any]) -> list[str]:
    heard: list[str] = []

    async def progress(done: float, total: float | None, message: str | None) -> None:
        heard.append(f"  progress: {done:g} of {total or 0:g}, {message}")

    result = await client.call_tool(name, arguments, progress_callback=progress)
    text = result.content[0].text
    said = f"error: {text}" if result.is_error else text
    shown = said if len(said) <= MOST else said[:MOST] + " …"
    return ["", f"> {name} {json.dumps(arguments)}", *heard[-1:], f"  {shown}"]


def shown() -> str:
    """The session that the document shows."""
    return DOCUMENT.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0]


if __name__ == "__main__":
    before, _, rest = DOCUMENT.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    DOCUMENT.write_text(before + BEGIN + anyio.run(transcript) + END + after, encoding="utf-8")
