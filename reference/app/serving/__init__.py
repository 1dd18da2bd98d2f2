"""Models for other programs: `core` works, `desk` limits, `agent` (MCP) and `web` (HTTP) offer it."""
