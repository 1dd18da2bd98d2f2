"""Runs the lesson's own modules in Node, as they stand in static/lesson."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

from harness import paths
from harness.report.site import lesson

STATIC = Path(lesson.__file__).parent / "static" / "lesson"
HEX = """
const bits = new DataView(new ArrayBuffer(8));
const hex = (x) => { bits.setFloat64(0, x); return bits.getBigUint64(0).toString(16).padStart(16, '0'); };
"""


def node(folder: Path, program: str, given: object) -> Any:
    """What the body of a function returns, which may await and import, and has `given` and `hex`."""
    shutil.copytree(STATIC, folder, dirs_exist_ok=True)
    shutil.copy(paths.ports_dir() / "javascript" / "exact.js", folder)
    (folder / "package.json").write_text('{"type": "module"}')
    script = folder / "program.js"
    body = f"async function program(given) {{{program}}}\nprogram(JSON.parse(process.argv[2]))"
    script.write_text(f"{HEX}{body}.then((result) => console.log(JSON.stringify(result)));\n")
    done = subprocess.run(
        ["node", script, json.dumps(given)], capture_output=True, text=True, timeout=120, encoding="utf-8"
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
