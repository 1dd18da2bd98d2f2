"""Models for other programs: safetensors, and a C header. Both keep every bit of every parameter.

Tensors have the names of the model file, which are those of microgpt's state_dict: wte, wpe, lm_head and
layer0.attn_wq to layer0.mlp_fc2, each of [rows, columns], doubles.
"""

import json
import os
import re
import struct
from pathlib import Path

from reference import microgpt
from reference.app.modelfile import Model, check_target, temporary_name
from reference.app.refusal import Refusal


def write(model: Model, path: Path) -> None:
    """Raises Refusal for another ending than .safetensors or .h, or if the file cannot be written."""
    if path.suffix not in FORMATS:
        raise Refusal(f"--to {path} should end in .safetensors or .h: that decides the format")
    check_target(path)
    part = temporary_name(path)
    try:
        part.write_bytes(FORMATS[path.suffix](model, path.stem))
        os.replace(part, path.resolve())
    except OSError as problem:
        raise Refusal(f"cannot write {path}: {problem.strerror}") from None
    finally:
        part.unlink(missing_ok=True)


def facts(model: Model) -> dict[str, str]:
    config = model.training.config
    sizes = ("layers", "heads", "embedding", "block", "vocabulary", "activation")
    return {
        "format": "microgpt",
        **{size: str(getattr(config, size)) for size in sizes},
        "characters": "".join(model.tokenizer.characters),
        "trained_on": model.trained_on.file,
        "trained_on_sha256": model.trained_on.sha256,
        "preset": model.preset,
        "seed": str(model.seed),
        "steps_done": str(model.training.step),
    }


def safetensors(model: Model, name: str) -> bytes:
    """The format of huggingface.co/docs/safetensors: the header's length, the header as JSON, the numbers."""
    header: dict[str, object] = {"__metadata__": facts(model)}
    at = 0
    for matrix, rows, columns in model.training.config.matrices():
        end = at + 8 * rows * columns
        header[matrix] = {"dtype": "F64", "shape": [rows, columns], "data_offsets": [at, end]}
        at = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    numbers = [value.data for value in microgpt.flatten(model.training.parameters)]
    return struct.pack("<Q", len(text)) + text + struct.pack(f"<{len(numbers)}d", *numbers)


def c_header(model: Model, name: str) -> bytes:
    """C99: sizes as macros, the characters as code points, a constant array a matrix."""
    prefix = re.sub(r"\W", "_", name, flags=re.ASCII)
    prefix = f"m_{prefix}" if prefix[:1].isdigit() or not prefix else prefix
    config = model.training.config
    lines = [
        "/* A model of microgpt. Written by `microgpt export`; doubles in hexadecimal keep every bit. */",
        f"#ifndef {prefix.upper()}_H",
        f"#define {prefix.upper()}_H",
        "",
        *(
            f"#define {prefix.upper()}_{size.upper()} {getattr(config, size)}"
            for size in ("layers", "heads", "embedding", "block", "vocabulary")
        ),
        f"#define {prefix.upper()}_{config.activation.upper()} 1",
        "",
        f"static const unsigned {prefix}_characters[{model.tokenizer.bos}] = {{",
        "    " + ", ".join(str(ord(character)) for character in model.tokenizer.characters),
        "};",
    ]
    for matrix, values in model.training.parameters.items():
        shape = f"[{len(values)}][{len(values[0])}]"
        lines += ["", f"static const double {prefix}_{matrix.replace('.', '_')}{shape} = {{"]
        lines += ["    {" + ", ".join(value.data.hex() for value in row) + "}," for row in values]
        lines += ["};"]
    return "\n".join([*lines, "", "#endif", ""]).encode("ascii")


FORMATS = {".safetensors": safetensors, ".h": c_header}
