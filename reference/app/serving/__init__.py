"""Models for other programs: `core` does the work, `desk` limits it, `agent` (MCP) and `web` (HTTP) offer it."""
