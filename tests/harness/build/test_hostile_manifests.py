"""Whatever lies in a port's folder is read quickly or refused with a sentence, and harms no other port."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from fakes import HONEST

from harness import paths
from harness.build import images, manifest, sources
from harness.cli import main as cli
from harness.errors import ManifestError
from harness.fleet.choice import Choice
from harness.fleet.listener import Listener
from harness.fleet.matrix import run_matrix
from harness.run.limits import Limits

GOOD = "language: Lua\nrun: lua microgpt.lua\n"
BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n"
    for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)
SPARSE = 300 * 10**9

pytestmark = pytest.mark.usefixtures("bounded")


def folder(tmp_path: Path, text: str | bytes = GOOD, name: str = "lua") -> Path:
    made = tmp_path / name
    made.mkdir(parents=True)
    (made / "port.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
    return made


BAD_TEXTS: dict[str, tuple[str | bytes, str]] = {
    "an impossible date": ("language: 2001-99-99\nrun: x\n", ""),
    "a date": ("language: 2001-09-09\nrun: x\n", ""),
    "5,000 digits": (f"language: Lua\nrun: x\nlevel: {'9' * 5000}\n", "'level' is"),
    "5,000 hexadecimal digits": (f"language: Lua\nrun: x\nlevel: 0x{'f' * 5000}\n", "'level' is"),
    "a fraction as a level": ("language: Lua\nrun: x\nlevel: 1.0\n", "'level' is 1.0"),
    "no number as a timeout": (
        "language: Lua\nrun: x\ntimeouts: {request: .nan}\n",
        "'timeouts.request' is NaN",
    ),
    "an endless timeout": ("language: Lua\nrun: x\ntimeouts: {request: .inf}\n", "is Infinity"),
    "a long timeout": ("language: Lua\nrun: x\ntimeouts: {build: 1.0e+300}\n", "at most 86,400"),
    "a bomb of aliases": (f"{BOMB}language: *i\nrun: x\n", "the anchor '&a'"),
    "a value that holds itself": ("language: &x [*x]\nrun: x\n", "the anchor '&x'"),
    "an unknown alias": ("language: *x\nrun: x\n", "the alias '*x'"),
    "a deep list": (f"language: {'[' * 20000}\nrun: x\n", "levels deep"),
    "a deep mapping": (f"language: {'{a: ' * 9000}\nrun: x\n", "levels deep"),
    "a tag": ("language: !!binary aGk=\nrun: x\n", "the tag"),
    "a wrong number with a tag": ("language: Lua\nrun: x\nlevel: !!int many\n", "the tag"),
    "a zero byte": ('language: Lua\nrun: "lua\\0x"\n', "'run' is"),
    "a raw zero byte": (b"language: Lua\nrun: lua\0x\n", "not YAML"),
    "a line feed at the end": ("language: Lua\nrun: |\n  ./a\n", "'run' is"),
    "an escape sequence": ('language: "\\e[2JLua"\nrun: x\n', "'language' is"),
    "a mark that turns text around": ('language: "Lua\\u202Eaul"\nrun: x\n', "'language' is"),
    "a surrogate": ('language: "\\uD800"\nrun: x\n', "'language' is"),
    "a name without end": (f"language: {'x' * 5000}\nrun: x\n", "40 characters"),
    "no UTF-8": (b"language: \xff\nrun: x\n", "is not UTF-8 text: byte 11 is 0xff"),
    "UTF-16": (GOOD.encode("utf-16"), "is not UTF-8 text"),
    "a key that is markup": ("language: Lua\nrun: x\n'[/red]': 1\n", "there is no key '[/red]'"),
    "a key that is a list": ("? [a, b]\n: 1\n", "not YAML"),
    "a megabyte": (f"# {'x' * 2**20}\n{GOOD}", "65,536 are the most"),
}


@pytest.mark.parametrize("what", BAD_TEXTS)
def test_a_manifest_is_refused_for(what: str, tmp_path: Path) -> None:
    text, says = BAD_TEXTS[what]
    if what in ("an impossible date", "a date"):
        assert manifest.load_folder(folder(tmp_path, text)).language.startswith("2001-")  # it is text
        return
    with pytest.raises(ManifestError) as caught:
        manifest.load_folder(folder(tmp_path, text))
    assert says in caught.value.message
    assert len(caught.value.message) < 2000
    assert all(c.isprintable() or c == "\n" for c in caught.value.message)


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(SPARSE)


def _secret(path: Path) -> None:
    path.symlink_to("/proc/self/environ")


def _circle(path: Path) -> None:
    path.symlink_to(path.name)


def _folder(path: Path) -> None:
    path.mkdir()


def _zero(path: Path) -> None:
    path.symlink_to("/dev/zero")


ODD = [_pipe, _sparse, _secret, _circle, _folder, _zero]


@pytest.mark.parametrize("make", ODD)
def test_port_yaml_may_not_be(make: Callable[[Path], None], tmp_path: Path) -> None:
    (tmp_path / "lua").mkdir()
    make(tmp_path / "lua" / "port.yaml")
    with pytest.raises(ManifestError, match=r"port\.yaml"):
        manifest.load_folder(tmp_path / "lua")


@pytest.mark.parametrize("make", ODD)
def test_the_dockerfile_may_not_be(make: Callable[[Path], None], tmp_path: Path) -> None:
    made = folder(tmp_path)
    make(made / "Dockerfile")
    loaded = manifest.load_folder(made)
    with pytest.raises(ManifestError, match="Dockerfile"):
        images.dockerfile(loaded)


@pytest.mark.parametrize("make", [_sparse, _secret, _zero])
def test_a_source_may_not_be(make: Callable[[Path], None], tmp_path: Path) -> None:
    made = folder(tmp_path)
    make(made / "x.lua")
    with pytest.raises(ManifestError):
        sources.content_hash(manifest.load_folder(made))


def test_a_link_may_stay_in_the_folder(tmp_path: Path) -> None:
    made = folder(tmp_path)
    (made / "real").write_text("FROM scratch\n")
    (made / "Dockerfile").symlink_to("real")
    assert images.dockerfile(manifest.load_folder(made)) == "FROM scratch\n"


def test_a_name_that_is_no_text_is_refused(tmp_path: Path) -> None:
    made = folder(tmp_path)
    for name in (b"\xff.lua", b"a\nb.lua"):
        path = os.path.join(os.fsencode(made), name)
        open(path, "w").close()
        with pytest.raises(ManifestError, match="whose name cannot be shown"):
            manifest.load_folder(made).files()
        os.unlink(path)


def test_a_folder_that_nobody_may_read_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = manifest.load_folder(folder(tmp_path))

    def denied(self: Path) -> list[Path]:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", denied)
    with pytest.raises(ManifestError, match="cannot be read: Permission denied"):
        loaded.files()


# ---------------------------------------------------------------- the others


@pytest.fixture
def ports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with a good port and every bad one."""
    for number, (text, _) in enumerate(BAD_TEXTS.values()):
        folder(tmp_path / "ports", text, f"bad-{number}")
    for make in ODD:
        (tmp_path / "ports" / f"odd{make.__name__.replace('_', '-')}").mkdir()
        make(tmp_path / "ports" / f"odd{make.__name__.replace('_', '-')}" / "port.yaml")
    made = folder(tmp_path / "ports", "language: sh\nrun: sh port.sh\n", "good")
    (made / "port.sh").write_text(HONEST)
    monkeypatch.setattr(paths, "ports_dir", lambda: tmp_path / "ports")
    monkeypatch.setenv("CONFORM_RESULTS", str(tmp_path / "results"))
    monkeypatch.setenv("CONFORM_CACHE", str(tmp_path / "cache"))
    return tmp_path / "ports"


def test_one_bad_port_never_ends_the_list(ports: Path) -> None:
    result = CliRunner().invoke(cli.main, ["list"])
    assert result.exit_code == 2
    assert [line.split()[0] for line in result.stdout.splitlines() if line.startswith("good ")] == ["good"]
    assert "bad-2" in result.stderr and "Traceback" not in result.output


def test_one_bad_port_never_ends_the_plan(ports: Path) -> None:
    result = CliRunner().invoke(cli.main, ["plan"])
    assert result.exit_code == 0 and "  good" in result.stdout.splitlines()


def test_one_bad_port_never_ends_the_matrix(ports: Path) -> None:
    rows = run_matrix(manifest.known_ports(), Limits(), Choice("local", level=1), lambda name: Listener())
    found = {row.port: row for row in rows}
    assert found["good"].record is not None and found["good"].fault is None
    odd = [row for row in rows if row.port.startswith("odd")]
    assert odd and all(row.fault is not None and row.fault.outcome == "usage" for row in odd)


def test_the_matrix_shows_a_key_that_is_markup(ports: Path) -> None:
    number = list(BAD_TEXTS).index("a key that is markup")
    result = CliRunner().invoke(cli.main, ["matrix", f"bad-{number}", "--runner", "local"])
    assert result.exit_code == 2
    assert "there is no key '[/red]'" in " ".join(result.output.split())
