"""The engine for pages: engine.c compiled to a WebAssembly module, and the script that wraps it.

The C is that of the port c-fast; the compiler is the pinned Zig of ports/wasm. A module is compiled once for
each content and kept in the cache.
"""

from __future__ import annotations

import base64
import gzip
import os
import tempfile
from pathlib import Path

from harness import files, paths
from harness.build import manifest, sources, toolchains
from harness.errors import BuildFailed, LimitExceeded
from harness.run import subprocesses
from harness.run.limits import OPTIONS, Limits, seconds

PORT, COMPILER = "c-fast", "wasm"
MOST_BYTES = 60_000
"""Of the module: a page is to open at once."""
COMMAND = (
    *("zig", "cc", "-target", "wasm32-wasi", "-mexec-model=reactor", "-msimd128", "-mexception-handling"),
    *("-mllvm", "-wasm-enable-sjlj", "-std=c11", "-Os", "-s", "-fno-math-errno", "-ffp-contract=off"),
    *("-Wall", "-Wextra", "-Werror", "-Wno-unused-function", "-DINLINE="),
)
"""-DINLINE= leaves it to the compiler which kernels it repeats: 58 kB and 42 µs a step of `classic`, where
all of them repeated make 78 kB and 52 µs, and -O2 makes 81 kB and 30 µs.
"""
_HERE = Path(__file__).parent


def module() -> bytes:
    """The WebAssembly module. Raises BuildFailed, LimitExceeded, MachineFault or ManifestError."""
    kept = paths.cache_dir() / "engine" / f"{_content_hash()}.wasm"
    if not kept.exists():
        files.write_whole(kept, _compiled())
    return kept.read_bytes()


def script() -> str:
    """engine.js with the module in it. Raises like module()."""
    packed = base64.b64encode(gzip.compress(module(), mtime=0)).decode()
    return f"{(_HERE / 'engine.js').read_text('utf-8')}\nEngine.module = '{packed}';\n"


def _content_hash() -> str:
    parts = [repr((COMMAND, manifest.load(COMPILER).toolchain))]
    parts += [path.read_text("utf-8") for path in sorted(_HERE.glob("*.[ch]"))]
    return sources.content_hash(manifest.load(PORT), *parts)[:24]


def _compiled() -> bytes:
    limit = Limits().build
    toolchain = manifest.load(COMPILER).toolchain
    assert toolchain is not None, "Zig comes from PyPI"
    programs = toolchains.programs(toolchain, toolchains.fetch(toolchain, limit))
    cache = paths.cache_dir() / "zig"
    log = paths.logs_dir() / "engine-build.log"
    with tempfile.TemporaryDirectory() as work:
        out = Path(work) / "engine.wasm"
        sources.copy(manifest.load(PORT), Path(work) / PORT)
        finished = subprocesses.run(
            [*COMMAND, f"-I{Path(work) / PORT}", "-o", str(out), str(_HERE / "engine.c")],
            log=log,
            seconds=limit,
            how=subprocesses.How(
                environment={
                    **os.environ,
                    "PATH": f"{programs}:{os.environ['PATH']}",
                    "ZIG_GLOBAL_CACHE_DIR": str(cache),
                    "ZIG_LOCAL_CACHE_DIR": str(cache),
                }
            ),
        )
        if finished.code is None:
            raise LimitExceeded(
                f"compiling the engine for pages took longer than {seconds(limit)}",
                option=OPTIONS["build"],
                log=finished.tail,
            )
        if finished.code != 0:
            raise BuildFailed(
                "the engine for pages cannot be compiled",
                command=" ".join(COMMAND),
                hint=f"the whole log is in {paths.shown(log)}",
                log=finished.tail,
            )
        return out.read_bytes()
