"""What the HTTP server can do, as an OpenAPI 3.1 document, and that as a page without scripts."""

from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import jinja2
import msgspec

from reference.app.serving import messages
from reference.app.serving.desk import Limits
from reference.app.serving.tools import TOOLS, Tool

ERRORS = {
    "400": "The body is not JSON.",
    "404": "There is no such model.",
    "408": "The body did not come in time.",
    "413": "The body is too large.",
    "415": "The body is not declared as JSON.",
    "422": "A field is wrong, or cannot be granted; the error says which and why.",
    "500": "The server's own fault, such as too little memory.",
    "503": "Too many are waiting, or the model is in training.",
    "504": "The time was used up.",
}
EXAMPLES = {
    "generate": '{"model": "names-1", "count": 3, "start": "ma", "seed": 7}',
    "score": '{"model": "names-1", "text": "maria"}',
    "train": '{"name": "names-1", "dataset": "names", "steps": 1000}',
}


class Refused(msgspec.Struct):
    """One sentence: what was expected, what came, and what mends it."""

    error: str


def method(tool: Tool) -> str:
    return "POST" if msgspec.structs.fields(tool.request) else "GET"


def path(tool: Tool) -> str:
    return "/models" if method(tool) == "GET" else f"/{tool.name}"


def document(limits: Limits, most_bytes: int) -> dict[str, Any]:
    kinds = [kind for tool in TOOLS.values() for kind in (tool.request, tool.reply)]
    _, schemas = msgspec.json.schema_components(
        [*kinds, messages.Progress, Refused], ref_template="#/components/schemas/{name}"
    )
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "microgpt",
            "version": own_version(),
            "description": (
                f"Small character-level GPTs. A body has up to {most_bytes:,} bytes. At the same time "
                f"{limits.answers} answers and {limits.trainings} training are computed, and "
                f"{limits.waiting} more of each may wait. An answer may take {limits.seconds:g} seconds, "
                f"a training {limits.training_seconds:g}."
            ),
        },
        "paths": {path(tool): {method(tool).lower(): operation(tool)} for tool in TOOLS.values()},
        "components": {"schemas": schemas},
    }


def operation(tool: Tool) -> dict[str, Any]:
    done: dict[str, Any] = {"application/json": reference(tool.reply)}
    described: dict[str, Any] = {"operationId": tool.name, "summary": tool.about}
    if tool.trains:
        done["application/x-ndjson"] = {"schema": {"type": "string"}}
        described["description"] = (
            "With the header Accept: application/x-ndjson the answer is a line of JSON for each report of "
            'progress, {"progress": Progress}, and a last one, {"reply": Trained} or {"error": sentence}.'
        )
    errors: dict[str, Any] = {
        status: {"description": said, "content": {"application/json": reference(Refused)}}
        for status, said in ERRORS.items()
        if method(tool) == "POST" or status in ("500", "503", "504")
    }
    described["responses"] = {"200": {"description": "The answer.", "content": done}} | errors
    if method(tool) == "POST":
        content = {"application/json": reference(tool.request)}
        described["requestBody"] = {"required": True, "content": content}
    return described


def reference(kind: type[msgspec.Struct]) -> dict[str, Any]:
    return {"schema": {"$ref": f"#/components/schemas/{kind.__name__}"}}


def own_version() -> str:
    try:
        return version("microgpt-conformance")
    except PackageNotFoundError:  # a copy that was not installed
        return "0"


def page(document: dict[str, Any]) -> str:
    template = (Path(__file__).parent / "page.html").read_text(encoding="utf-8")
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters["kind"] = kind
    return environment.from_string(template).render(document=document, examples=EXAMPLES)


def kind(field: dict[str, Any]) -> str:
    """A field's type and bounds in words: "integer, 1 to 100"."""
    if "anyOf" in field:
        return " or ".join(kind(one) for one in field["anyOf"])
    if "$ref" in field:
        return str(field["$ref"]).rpartition("/")[2]
    if field.get("type") == "array":
        return f"list of {kind(field['items'])}"
    if "enum" in field:
        return "one of " + ", ".join(map(str, field["enum"]))
    said = str(field.get("type", "any"))
    if "minimum" in field and "maximum" in field:
        said += f", {field['minimum']:,} to {field['maximum']:,}"
    if "maxLength" in field:
        said += f", {field.get('minLength', 0):,} to {field['maxLength']:,} characters"
    return said
