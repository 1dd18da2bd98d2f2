"""Models for other programs: safetensors, GGUF, and a C header. All keep every bit of every parameter.

Tensors have the names of the model file, which are those of microgpt's state_dict: wte, wpe, lm_head and
layer0.attn_wq to layer0.mlp_fc2, each of [rows, columns], doubles. GGUF has names of its own for them.
"""

import json
import os
import re
import struct
import tempfile
from pathlib import Path

from reference import microgpt
from reference.app.modelfile import Model, check_target, temporary_name
from reference.app.refusal import Refusal

GGUF_NAMES = {
    "wte": "token_embd",
    "wpe": "position_embd",
    "lm_head": "output",
    "attn_wq": "attn_q",
    "attn_wk": "attn_k",
    "attn_wv": "attn_v",
    "attn_wo": "attn_output",
    "mlp_fc1": "ffn_up",
    "mlp_fc2": "ffn_down",
}


def write(model: Model, path: Path) -> None:
    """Raises Refusal for another ending than these, a missing library, or if the file cannot be written."""
    if path.suffix not in FORMATS:
        raise Refusal(f"--to {path} should end in .safetensors, .gguf or .h: that decides the format")
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


def gguf(model: Model, name: str) -> bytes:
    """The format of github.com/ggml-org/ggml, docs/gguf.md, written by its own library, in doubles."""
    try:
        import numpy
        from gguf import GGUFWriter
    except ImportError:
        raise Refusal(
            "GGUF is written by the library gguf: pip install 'microgpt-conformance[gguf]'"
        ) from None
    config = model.training.config
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.gguf"
        writer = GGUFWriter(path, "microgpt")
        writer.add_name(name)
        writer.add_block_count(config.layers)
        writer.add_head_count(config.heads)
        writer.add_embedding_length(config.embedding)
        writer.add_context_length(config.block)
        writer.add_feed_forward_length(4 * config.embedding)
        writer.add_tokenizer_model("characters")
        writer.add_token_list([*model.tokenizer.characters, "<BOS>"])
        writer.add_bos_token_id(model.tokenizer.bos)
        writer.add_eos_token_id(model.tokenizer.bos)
        for key, value in facts(model).items():
            writer.add_string(f"microgpt.{key}", value)
        for matrix, rows in model.training.parameters.items():
            values = numpy.array([[value.data for value in row] for row in rows])
            layer, _, part = matrix.rpartition(".")
            block = layer.replace("layer", "blk.") + "." if layer else ""
            writer.add_tensor(f"{block}{GGUF_NAMES[part]}.weight", values)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        return path.read_bytes()


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


FORMATS = {".safetensors": safetensors, ".gguf": gguf, ".h": c_header}
