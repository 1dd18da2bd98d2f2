"""Claims about `conform new`: the harness accepts what it writes, and nothing is overwritten."""

import shutil
from pathlib import Path

import pytest

from harness import manifest, paths, runners, scaffold
from harness.conform import Choice, Listener, conform
from harness.errors import ManifestError
from harness.ladder import VERBS
from harness.limits import Limits
from harness.scaffold import Wishes, begin, languages

QUICK = ("lua", "perl", "c", "tcl")  # small images: these are built and judged in every run of the tests


@pytest.mark.parametrize("language", languages(), ids=lambda language: language.name)
def test_every_language_gets_a_manifest_and_a_source_with_the_whole_ladder(language, tmp_path: Path):
    begun = begin(language.name, Wishes(), tmp_path)
    loaded = manifest.load_folder(begun.folder)
    assert (loaded.level, loaded.language) == (1, language.language)
    assert sorted(path.name for path in begun.folder.iterdir()) == sorted(["port.yaml", language.source])
    source = (begun.folder / language.source).read_text()
    for verb in VERBS:
        assert verb in source
    assert "@" not in source or "@name@" not in source


def test_names_and_aliases_are_unique():
    words = [word for row in languages() for word in {row.name, *row.aliases}]
    assert sorted(words) == sorted(set(words))


@pytest.mark.parametrize("row", [row for row in languages() if row.skeleton], ids=lambda row: row.name)
def test_every_skeleton_that_is_named_exists(row):
    assert (Path(scaffold.__file__).parent / "templates" / "new" / f"{row.skeleton}.in").is_file()


def test_a_language_is_found_by_alias_and_in_any_case():
    assert scaffold.find("C++").name == "cpp"
    assert scaffold.find(" GoLang ").name == "go"


def test_nothing_that_exists_is_touched(tmp_path: Path):
    (tmp_path / "lua").mkdir()
    (tmp_path / "lua" / "mine").write_text("mine")
    with pytest.raises(ManifestError, match="exists already, and nothing in it was changed"):
        begin("lua", Wishes(), tmp_path)
    assert [path.name for path in (tmp_path / "lua").iterdir()] == ["mine"]


@pytest.mark.parametrize(
    ("language", "wishes", "sentence"),
    [
        ("luaa", Wishes(), "there is no language 'luaa' in the table; did you mean lua"),
        ("lua", Wishes(name="Lua 5"), "'Lua 5' is no name for a port"),
        ("lua", Wishes(name="../lua"), "is no name for a port"),
        ("lua", Wishes(family="lispy"), "there is no family 'lispy'"),
        ("lua", Wishes(extension="a/b"), "is no file name's ending"),
        ("lua", Wishes(run="lua a; lua b"), "'run' is"),
        ("lua", Wishes(apt=("Lua!",)), "'apt' is"),
    ],
)
def test_what_is_wrong_gets_a_sentence_and_leaves_nothing(
    language: str, wishes: Wishes, sentence: str, tmp_path: Path
):
    with pytest.raises(ManifestError, match=sentence):
        begin(language, wishes, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_wishes_go_before_what_is_known(tmp_path: Path):
    wishes = Wishes(name="mine", apt=("lua5.3",), run="lua5.3 microgpt.lua", version="lua5.3 -v")
    loaded = manifest.load_folder(begin("lua", wishes, tmp_path).folder)
    assert (loaded.name, loaded.apt, loaded.run) == ("mine", ("lua5.3",), "lua5.3 microgpt.lua")


def test_an_unknown_language_gets_an_outline_of_nothing_but_comments(tmp_path: Path):
    wishes = Wishes(family="generic", extension="xyz", comment="%", run="xyz microgpt.xyz")
    begun = begin("Xyzzy", wishes, tmp_path)
    lines = (begun.folder / "microgpt.xyz").read_text().splitlines()
    assert all(line.startswith("%") for line in lines)


@pytest.mark.docker
@pytest.mark.parametrize("name", QUICK)
def test_a_skeleton_builds_and_passes_level_1(name: str, tmp_path: Path):
    folder = begin(name, Wishes(name=f"new-{name}"), tmp_path).folder
    port = manifest.load_folder(folder)
    limits = port.limits(Limits())
    found = conform(port, runners.runner("docker", limits), limits, Choice("docker", level=1), Listener())
    assert found["outcome"] == "conforms", found["levels"]


def test_the_locale_is_not_taken_for_a_language():
    if shutil.which("make") is None:
        pytest.skip("make is not installed")
    text = (paths.root() / "Makefile").read_text()
    assert "$(filter command,$(origin LANG))" in text
