"""A manifest is read whole, and every mistake in it is named with its line and what would be right."""

from __future__ import annotations

from pathlib import Path

import jsonschema
import pytest

from harness import paths
from harness.build import manifest, sources
from harness.build.manifest import Toolchain
from harness.errors import ManifestError
from harness.run.limits import Limits

GOOD = """
language: Rust
apt: [rustc, libc6-dev]
build: rustc -O -o microgpt microgpt.rs
run: ./microgpt
version: rustc --version
agreement: bit
timeouts: {request: 300, build: 60.5}
"""
HASH = "0123456789abcdef" * 4


def port(tmp_path: Path, text: str, name: str = "rust") -> Path:
    folder = tmp_path / name
    folder.mkdir()
    (folder / "port.yaml").write_text(text)
    return folder


def refused(tmp_path: Path, text: str) -> str:
    with pytest.raises(ManifestError) as caught:
        manifest.load_folder(port(tmp_path, text))
    assert caught.value.outcome == "usage"
    return caught.value.message


def test_every_key_arrives(tmp_path: Path) -> None:
    folder = port(tmp_path, GOOD)
    found = manifest.load_folder(folder)
    assert (found.name, found.language, found.folder) == ("rust", "Rust", folder)
    assert found.apt == ("rustc", "libc6-dev")
    assert found.build == "rustc -O -o microgpt microgpt.rs"
    assert (found.run, found.version, found.agreement, found.level) == (
        "./microgpt",
        "rustc --version",
        "bit",
        12,
    )
    assert found.limits(Limits()) == Limits(request=300, build=60.5)


def test_files_of_other_ports_come_in_where_the_port_has_none_of_that_name(tmp_path: Path) -> None:
    for name, file in (("c", "main.c"), ("c", "graph.h"), ("wasm", "main.c"), ("other", "graph.h")):
        (tmp_path / name).mkdir(exist_ok=True)
        (tmp_path / name / "port.yaml").write_text("language: C\nrun: ./a\n")
        (tmp_path / name / file).write_text(f"{name}'s {file}")
    (tmp_path / "wasm" / "port.yaml").write_text("language: C\nsources: [c, other]\nrun: ./a\n")
    found = manifest.load_folder(tmp_path / "wasm")
    assert [str(path) for path in found.files()] == ["graph.h", "main.c"]
    assert [found.read(path) for path in found.files()] == [b"c's graph.h", b"wasm's main.c"]
    before = sources.source_hash(found)
    sources.copy(found, tmp_path / "copy")
    assert sorted(path.name for path in (tmp_path / "copy").iterdir()) == ["graph.h", "main.c"]
    (tmp_path / "c" / "graph.h").write_text("changed")
    assert sources.source_hash(found) != before


def test_sources_are_ports_beside_this_one(tmp_path: Path) -> None:
    for name in ("gone", "rust"):
        folder = tmp_path / name[::-1]
        folder.mkdir()
        text = f"language: Rust\nsources: [{name}]\nrun: ./microgpt\n"
        with pytest.raises(ManifestError, match="expected another port in"):
            manifest.load_folder(port(folder, text))


NOTES = ("natural", "fights", "doubles", "integers", "autograd", "stack", "text", "surprise")


def test_soil_notes_arrive_whole_or_are_refused(tmp_path: Path) -> None:
    soil = "soil:\n" + "".join(f"  {key}: Something about {key}.\n" for key in NOTES)
    found = manifest.load_folder(port(tmp_path, GOOD + "family: C family\n" + soil))
    assert found.family == "C family"
    assert dict(found.soil) == {key: f"Something about {key}." for key in NOTES}
    (tmp_path / "again").mkdir()
    says = refused(tmp_path / "again", GOOD + soil.replace("  text: Something about text.\n", ""))
    assert "the key 'soil.text' is missing: how characters are read and written" in says


def test_two_keys_are_enough(tmp_path: Path) -> None:
    found = manifest.load_folder(port(tmp_path, "language: Lua\nrun: lua microgpt.lua\n"))
    assert (found.apt, found.build, found.version, found.toolchain) == ((), None, None, None)
    assert found.limits(Limits()) == Limits()


@pytest.mark.parametrize("hashes", [HASH, f"[{HASH}]"])
def test_a_toolchain_from_pypi(tmp_path: Path, hashes: str) -> None:
    text = f"toolchain: {{pypi: ziglang, version: 0.17.1, sha256: {hashes}, path: ziglang}}\n"
    found = manifest.load_folder(port(tmp_path, "language: Zig\nrun: ./microgpt\n" + text))
    assert found.toolchain == Toolchain("ziglang", "0.17.1", (HASH,), "ziglang")


@pytest.mark.parametrize(
    "text, line, says",
    [
        ("langage: C\nrun: ./a\n", 1, "there is no key 'langage'; did you mean 'language'?"),
        (
            "language: C\nrun: ./a\nspeed: 9\n",
            3,
            "no key 'speed'; known keys: language, sources, apt, build",
        ),
        (
            "language: C\nrun: ./a\ntimeouts:\n  requst: 3\n",
            4,
            "no key 'timeouts.requst'; did you mean 'request'?",
        ),
        ("language: C\n", 1, "the key 'run' is missing: the command that starts the port"),
        ("run: ./a\nlanguage: 5\n", 2, "'language' is 5, expected the language's name"),
        ("language: C\nrun: ./a\nversion: 1.10\n", 3, "'version' is 1.1, expected one line for sh"),
        ("language: C\nrun: ./a\nversion: 1.10\n", 3, "put it in quotes"),
        ("language: C\napt: gcc\nrun: ./a\n", 2, "'apt' is \"gcc\", expected a list of the Debian packages"),
        (
            "language: C\napt: [gcc, 'a; b']\nrun: ./a\n",
            2,
            "'apt' is \"a; b\", expected the name of a Debian package",
        ),
        ("language: C\nrun: X=1 ./a\n", 2, "set variables with 'env NAME=value command'"),
        ("language: C\nrun: ./a | cat\n", 2, "without shell operators"),
        ("language: C\nrun: ./a\nbuild: |\n  gcc\n  ld\n", 3, "join commands with &&"),
        ("language: C\nrun: ./a\nbuild: gcc \\\n", 3, "'build' is \"gcc \\\\\""),
        (
            "language: C\nrun: ./a\nagreement: bits\n",
            3,
            "'agreement' is \"bits\", expected what the port claims: bit",
        ),
        ("language: C\nrun: ./a\nlevel: 13\n", 3, "'level' is 13"),
        ("language: C\nrun: ./a\ntimeouts: {start: 0}\n", 3, "'timeouts.start' is 0, expected seconds"),
        (
            "language: C\nrun: ./a\ntoolchain: {pypi: z, version: 0.17.1}\n",
            3,
            "'toolchain.sha256' is missing",
        ),
        (
            "language: C\nrun: ./a\ntoolchain: {pypi: z, version: 0.17, sha256: x}\n",
            3,
            "'toolchain.version' is 0.17",
        ),
        ("language: C\nrun: ./a\ntoolchain: {pypi: z, version: 1.2.3, sha256: x}\n", 3, "64 hex digits"),
        ("language: C\nrun: ./a\nrun: ./b\n", 3, "the key 'run' stands twice, first on line 2"),
        ("language: C\nrun: [\n", 3, "this is not YAML"),
        ("language: C\nrun: ./a\nbuild: !!python/object:os.system x\n", 3, "this is not YAML"),
    ],
)
def test_a_mistake_is_named_with_its_line(tmp_path: Path, text: str, line: int, says: str) -> None:
    message = refused(tmp_path, text)
    assert any(f"port.yaml, line {line}: " in part and says in part for part in message.splitlines()), message


@pytest.mark.parametrize("text", ["", "# nothing\n", "- language\n", "just text\n"])
def test_a_file_without_keys_is_refused(tmp_path: Path, text: str) -> None:
    assert "holds no 'key: value' lines" in refused(tmp_path, text)


def test_all_mistakes_are_named_at_once(tmp_path: Path) -> None:
    message = refused(tmp_path, "langage: C\nrun: 3\nlevel: x\n")
    assert [part.split(": ")[0].rpartition(" ")[2] for part in message.splitlines()] == ["1", "1", "2", "3"]


def test_an_unknown_port_is_answered_with_the_known_ones(tmp_path: Path) -> None:
    port(tmp_path, GOOD)
    port(tmp_path, GOOD, "haskell")
    with pytest.raises(ManifestError) as caught:
        manifest.load("haskel", tmp_path)
    assert (
        caught.value.message
        == "there is no port named 'haskel'; did you mean 'haskell'? known ports: haskell, rust"
    )
    (tmp_path / "empty").mkdir()
    with pytest.raises(ManifestError, match="empty has no port.yaml"):
        manifest.load("empty", tmp_path)
    with pytest.raises(ManifestError, match="no port named '../rust'"):
        manifest.load("../rust", tmp_path)
    assert manifest.load("rust", tmp_path).language == "Rust"


@pytest.mark.parametrize("name", ["Rust", "-rust", "c++", "my port"])
def test_a_port_has_a_plain_name(tmp_path: Path, name: str) -> None:
    with pytest.raises(ManifestError, match="is not a valid port name"):
        manifest.load_folder(port(tmp_path, GOOD, name))


def test_the_files_of_a_port_are_its_sources(tmp_path: Path) -> None:
    folder = port(tmp_path, GOOD)
    for name in (
        "b.rs",
        "a.rs",
        "src/x/y.rs",
        ".hidden",
        "a.o",
        "target/z",
        "__pycache__/q.pyc",
        ".git/config",
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    (folder / "Dockerfile").write_text("FROM scratch\n")
    found = manifest.load_folder(folder)
    assert [str(path) for path in found.files()] == ["a.rs", "b.rs", "src/x/y.rs"]
    assert found.own_dockerfile() == "FROM scratch\n"


def test_a_link_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    folder = port(tmp_path, GOOD)
    (tmp_path / "secret").write_text("s")
    (folder / "inside.rs").write_text("i")
    (folder / "alias.rs").symlink_to("inside.rs")
    assert [str(path) for path in manifest.load_folder(folder).files()] == ["alias.rs", "inside.rs"]
    (folder / "stolen.rs").symlink_to(tmp_path / "secret")
    with pytest.raises(ManifestError, match="leads out of the port's folder"):
        manifest.load_folder(folder).files()


def test_the_schema_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(manifest.schema())


@pytest.mark.parametrize("name", manifest.known_ports())
def test_the_manifest_of_every_port_of_this_repository_is_good(name: str) -> None:
    found = manifest.load(name)
    assert found.files() and found.folder == paths.ports_dir() / name
