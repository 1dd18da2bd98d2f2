"""The size of a program's text: lines and tokens by role, identifiers, dependencies, compressed bytes.

What is code is decided by the lexers of pygments. Notebooks count by their code cells; pictures, data, lock
files and licenses are files only.
"""

from __future__ import annotations

import ast
import json
import lzma
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from pygments.lexer import Lexer
from pygments.lexers import BashLexer, CudaLexer, MakefileLexer, PythonLexer
from pygments.token import Comment, Name, String, Whitespace

KINDS = {
    **dict.fromkeys((".py",), "Python"),
    **dict.fromkeys((".c", ".h", ".cu", ".cuh", ".cpp", ".hpp"), "C and CUDA"),
    **dict.fromkeys((".ipynb",), "notebook"),
    **dict.fromkeys((".sh", ".mk"), "shell"),
    **dict.fromkeys((".md",), "document"),
}
SOURCE = ("Python", "C and CUDA")
"""What counts as the program itself."""
LEXERS: dict[str, type[Lexer]] = {
    "Python": PythonLexer,
    "notebook": PythonLexer,
    "C and CUDA": CudaLexer,
    "shell": BashLexer,
}
OTHER = "other"
DIRECTIVES = (Comment.Preproc, Comment.PreprocFile, Comment.Hashbang)
"""What pygments files under comments, and a compiler or a shell reads."""
STANDARD_HEADERS = re.compile(
    r"(c?(assert|ctype|errno|fenv|float|inttypes|limits|locale|math|setjmp|signal|stdarg|stdbool|stddef|stdint|stdio"
    r"|stdlib|string|time|wchar|complex|stdatomic|threads)(\.h)?"
    r"|(unistd|fcntl|dirent|glob|netdb|sys/\w+|arpa/inet|netinet/in|dlfcn|pthread)\.h"
    r"|algorithm|array|atomic|chrono|cstdlib|functional|iostream|map|memory|random|set|string|string_view|tuple"
    r"|type_traits|unordered_map|utility|vector|bitset|filesystem|fstream|sstream|thread|mutex|numeric|bit|limits)"
)
"""Headers of ISO C, ISO C++ and POSIX."""

BODY = re.compile(r"\)[\w\s]*$")
OUTER = re.compile(r"(extern\s*\"C\"|namespace\s*\w*)\s*$")
"""What ends the words before the body of a function; and before braces that only enclose."""


@dataclass
class Size:
    """Lines and tokens by role. A line with code is code, whatever else is on it; docstrings are comments."""

    files: int = 0
    code: int = 0
    comments: int = 0
    blank: int = 0
    tokens: int = 0
    comment_tokens: int = 0

    def add(self, other: Size) -> None:
        for name in self.__dataclass_fields__:
            setattr(self, name, getattr(self, name) + getattr(other, name))


@dataclass
class Text:
    """What was read of one file: its size, its identifiers, and its code alone."""

    size: Size
    identifiers: set[str] = field(default_factory=set)
    code: str = ""


def kind_of(path: str) -> str:
    name = PurePosixPath(path)
    return "shell" if name.name == "Makefile" else KINDS.get(name.suffix, OTHER)


def text_of(content: bytes) -> str:
    return content.decode("utf-8", errors="replace").replace("\r\n", "\n")


def read(path: str, content: bytes) -> Text:
    """One file, by its kind. A document has lines only, and all but the blank ones are comment."""
    kind, text = kind_of(path), text_of(content)
    if kind == OTHER:
        return Text(Size(files=1))
    if kind == "document":
        lines = text.splitlines()
        blank = sum(not line.strip() for line in lines)
        return Text(Size(1, 0, len(lines) - blank, blank))
    if kind == "notebook":
        text = cells(text)
    lexer = MakefileLexer if PurePosixPath(path).name == "Makefile" else LEXERS[kind]
    return lexed(text, lexer(stripnl=False, ensurenl=False))


def cells(text: str) -> str:
    """The code of a notebook's cells, without the lines that are not Python but IPython's (% and !)."""
    found = []
    for cell in json.loads(text)["cells"]:
        if cell["cell_type"] == "code":
            source = cell["source"] if isinstance(cell["source"], str) else "".join(cell["source"])
            found += [line for line in source.split("\n") if not line.lstrip().startswith(("%", "!"))]
    return "\n".join(found)


def within(kind: Any, *families: Any) -> bool:
    """Whether a token is of one of these kinds, or of a kind below: pygments' types say so with `in`."""
    return any(kind in family for family in families)


def lexed(text: str, lexer: Lexer) -> Text:
    """Every token by its role, and every line by its tokens."""
    size, line = Size(files=1), 0
    names: set[str] = set()
    has_code: set[int] = set()
    has_comment: set[int] = set()
    kept = []
    for kind, value in lexer.get_tokens(text):
        is_comment = within(kind, Comment, String.Doc) and not within(kind, *DIRECTIVES)
        if not within(kind, Whitespace) and value.strip():
            size.comment_tokens += is_comment
            size.tokens += not is_comment
            if within(kind, Name) and not is_comment:
                names.add(value.strip())
            seen = has_comment if is_comment else has_code
            seen.update(line + at for at, part in enumerate(value.split("\n")) if part.strip())
        kept.append("\n" * value.count("\n") if is_comment else value)
        line += value.count("\n")
    lines = text.count("\n") + (not text.endswith("\n") and text != "")
    size.code = len(has_code)
    size.comments = len(has_comment - has_code)
    size.blank = lines - size.code - size.comments
    code = (piece.rstrip() for piece in "".join(kept).split("\n"))
    return Text(size, names, "".join(f"{piece}\n" for piece in code if piece))


def definitions(kind: str, text: str) -> int:
    """The functions, methods and classes that a text defines; none if Python 3 cannot read it.

    C and CUDA: the bodies of functions, at the top or in `extern "C"` and namespaces.
    """
    if kind == "Python":
        try:
            tree = ast.parse(text)
        except SyntaxError:
            return 0
        kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
        return sum(isinstance(node, kinds) for node in ast.walk(tree))
    return sum(bool(BODY.search(head)) for head in heads(text))


def heads(text: str) -> Iterator[str]:
    """What stands before each brace that opens at the top of a text in C."""
    head, depth = "", 0
    for kind, value in LEXERS["C and CUDA"]().get_tokens(text):
        if within(kind, Comment):
            continue
        for piece in (value,) if within(kind, String) else value:
            if piece == "{" and (depth or not OUTER.search(head)):
                if not depth:
                    yield head
                depth += 1
            elif piece == "}":
                depth, head = max(0, depth - 1), ""
            elif piece in ";{":
                head = ""
            elif not depth:
                head += piece


def dependencies(files: Mapping[str, bytes]) -> list[str]:
    """What the source includes or imports that is neither its own nor its language's standard library.

    Python: the first part of a module's name, by the standard library of the Python that runs this. C:
    headers in angle brackets, but for ISO C, C++ and POSIX.
    """
    found: set[str] = set()
    for path, content in files.items():
        if kind_of(path) == "Python":
            found |= imports(text_of(content)) - modules_beside(path, files)
        else:
            headers = re.findall(r"^[ \t]*#[ \t]*include[ \t]*<([^>]+)>", text_of(content), re.M)
            found |= {header for header in headers if not STANDARD_HEADERS.fullmatch(header)}
    return sorted(found - sys.stdlib_module_names, key=str.casefold)


def modules_beside(path: str, files: Mapping[str, bytes]) -> set[str]:
    """The modules that a file can import by name: those at the top, and its neighbors outside packages."""
    folder = PurePosixPath(path).parent
    tops = {PurePosixPath(PurePosixPath(one).parts[0]).stem for one in files}
    if (folder / "__init__.py").as_posix() in files:
        return tops
    return tops | {PurePosixPath(one).stem for one in files if PurePosixPath(one).parent == folder}


def imports(text: str) -> set[str]:
    """The first part of every module that is imported by its full name; none if the text is not Python 3."""
    try:
        tree = ast.parse(text)
    except SyntaxError:
        return set()
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.split(".")[0])
    return found


def compressed(text: bytes) -> int:
    """Bytes of `text` in LZMA2 at its strongest, with no header: the window is larger than any text here."""
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME}]
    return len(lzma.compress(text, lzma.FORMAT_RAW, filters=filters))


def distance(a: bytes, b: bytes) -> float:
    """The normalised compression distance (Cilibrasi and Vitanyi, 2005): 0 for the same, 1 for strangers.

    Of the two orders of a and b the one that compresses better.
    """
    alone = compressed(a), compressed(b)
    together = min(compressed(a + b), compressed(b + a))
    return (together - min(alone)) / max(alone)


def new_share(before: bytes, after: bytes) -> float:
    """How much of `after` is new to who has `before`: the bytes it adds, over those it takes alone."""
    return (compressed(before + after) - compressed(before)) / compressed(after)


def lines_of(files: Iterable[tuple[str, bytes]]) -> int:
    """The lines of the source that are not blank, comments included: what a history is counted in."""
    source = (content for path, content in files if kind_of(path) in SOURCE)
    return sum(bool(line.strip()) for content in source for line in content.splitlines())
