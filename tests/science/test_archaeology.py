"""Claims on the archaeology: what counts as what, that a wrong table is an error, that the figures repeat."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from harness.cli import main as cli
from harness.judge import original
from science import statistics
from science.archaeology import clones, concepts, dig, gist, presets, sizes
from science.archaeology.clones import DigError, Site

PROGRAM = b'''"""What it is for."""

import os
import torch
from own import thing


def relu(x):  # not below zero
    # a comment
    return max(0, x)
'''
HEADER = b"#include <stdio.h>\n#include <cuda.h>\n\n/* two\n   lines */\nint one = 1; // one\n"


def git(folder: Path, *words: str) -> str:
    """Git as in a clone of anybody's: no settings of this machine, and every day the same."""
    day = "2020-04-12T00:00:00Z"
    who = {f"GIT_{role}_{what}": "a@b" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    env = (
        os.environ
        | who
        | {"GIT_AUTHOR_DATE": day, "GIT_COMMITTER_DATE": day, "GIT_CONFIG_GLOBAL": "/dev/null"}
    )
    done = subprocess.run(["git", "-C", str(folder), *words], check=True, capture_output=True, env=env)
    return done.stdout.decode().strip()


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A repository of two commits, `small`, in the folder `tmp_path`."""
    folder = tmp_path / "small"
    folder.mkdir()
    git(folder, "init", "--quiet")
    for content in (b"x = 1\n", PROGRAM):
        (folder / "relu.py").write_bytes(content)
        (folder / "own.py").write_bytes(b"thing = 1\n")
        git(folder, "add", ".")
        git(folder, "commit", "--quiet", "--message", "one")
    return Site("small", "for a test", git(folder, "rev-parse", "HEAD"))


# ---------------------------------------------------------------- sizes


def test_a_line_is_code_or_comment_or_blank_and_docstrings_are_comments():
    size = sizes.read("relu.py", PROGRAM).size
    assert (size.code, size.comments, size.blank) == (5, 2, 3)


def test_c_directives_are_code():
    size = sizes.read("a.cu", HEADER).size
    assert (size.code, size.comments, size.blank) == (3, 2, 1)


def test_identifiers_are_names_and_code_alone_has_no_comment():
    read = sizes.read("relu.py", PROGRAM)
    assert {"relu", "x", "torch"} <= read.identifiers and "comment" not in read.identifiers
    assert read.code.splitlines()[0] == "import os" and "#" not in read.code and "\n\n" not in read.code


def test_a_notebook_counts_by_its_cells_of_code():
    cells = [
        {"cell_type": "code", "source": ["%time\n", "x = 1"]},
        {"cell_type": "markdown", "source": "y = 2"},
    ]
    assert sizes.read("a.ipynb", json.dumps({"cells": cells}).encode()).size.code == 1


def test_what_is_no_text_is_a_file_and_nothing_more():
    assert sizes.read("puppy.jpg", b"\xff\xd8\n\n") == sizes.Text(sizes.Size(files=1))


def test_dependencies_are_neither_own_nor_standard():
    files = {"relu.py": PROGRAM, "own.py": b"", "a.cu": HEADER}
    assert sizes.dependencies(files) == ["cuda.h", "torch"]


def test_a_module_of_a_package_does_not_hide_a_library_of_its_name():
    files = {
        "small/__init__.py": b"",
        "small/regex.py": b"import regex\n",
        "tools/a.py": b"import b\n",
        "tools/b.py": b"",
    }
    assert sizes.dependencies(files) == ["regex"]


@pytest.mark.parametrize(
    "kind, text, defined",
    [
        ("Python", "class A:\n    def f(self): pass\n    async def g(self): pass\nh = lambda: 0\n", 3),
        ("Python", "print 'Python 2'\n", 0),
        ("C and CUDA", "int f(int a);\nint f(int a) { if (a) { a(); } return 0; }\n", 1),
        (
            "C and CUDA",
            '__global__ void k(float* x) {}\nextern "C" { void g(void) {} }\nnamespace n { int h() {} }',
            3,
        ),
        ("C and CUDA", 'struct S { int y; };\nint a[] = {1};\n/* int c() { } */ char *s = "int d() {";\n', 0),
        ("C and CUDA", "#if 1\n#define F() { 1 }\n#endif\nint T::m() const { return 0; }\n", 1),
    ],
)
def test_definitions_are_what_has_a_body(kind: str, text: str, defined: int):
    assert sizes.definitions(kind, text) == defined


def test_a_text_is_near_itself_and_far_from_a_stranger():
    one = bytes(range(256)) * 4
    other = bytes((7 * i * i + i // 3) % 251 for i in range(2000))
    assert sizes.distance(one, one) < 0.1 < 0.7 < sizes.distance(one, other)
    assert sizes.new_share(one, one) < 0.1


# ---------------------------------------------------------------- clones


@pytest.mark.parametrize("form", ["normal", "bare"])
def test_a_clone_is_read_at_its_commit_bare_or_not(site: Site, tmp_path: Path, form: str):
    folder = tmp_path
    if form == "bare":
        folder = tmp_path / "bare"
        git(tmp_path, "clone", "--quiet", "--bare", "small", "bare/small.git")
    else:
        (tmp_path / "small" / "relu.py").write_text("changed, and not committed\n")
    clone = clones.find(site, folder)
    assert clone.files() == {"own.py": b"thing = 1\n", "relu.py": PROGRAM}
    assert [commit.day for commit in clone.history()] == ["2020-04-12"] * 2 and clone.count() == 2


def test_history_counts_the_lines_of_each_moment(site: Site, tmp_path: Path):
    history = dig.about(site, clones.find(site, tmp_path), lambda text: None)["history"]
    assert [moment["lines"] for moment in history] == [2, 8]


def test_a_missing_clone_and_a_missing_commit_are_sentences(site: Site, tmp_path: Path):
    with pytest.raises(DigError, match="no clone of other"):
        clones.find(Site("other", "", "1" * 40), tmp_path)
    with pytest.raises(DigError, match="small has no commit 111111111111"):
        clones.find(Site("small", "", "1" * 40), tmp_path)


# ---------------------------------------------------------------- the gist


def version(content: bytes, name: str) -> gist.Version:
    return gist.Version(name, hashlib.sha256(content).hexdigest(), "https://example.org", "seed", "a", "b")


def test_a_version_of_the_gist_is_found_by_its_hash_in_whatever_commit(site: Site, tmp_path: Path):
    (tmp_path / "small").rename(tmp_path / gist.NAME)
    contents = [b"x = 1\n", PROGRAM]
    known = [version(content, "one") for content in contents]
    assert gist.contents(known, tmp_path) == contents
    first, second = dig.stations_of(known, contents)
    assert (first["lines"], first["definitions"], first["new_text"]) == (1, 0, None)
    assert second["definitions"] == 1 and second["new_text"] > 0.5
    with pytest.raises(DigError, match="lacks a version of microgpt, other"):
        gist.contents([version(b"y = 1\n", "other")], tmp_path)


def test_the_versions_have_the_presets_numbers_but_for_those_that_are_named():
    first, second, third = gist.versions()
    assert first.values | {"schedule": "cosine", "temperature": 0.5} == second.values
    assert third.sha256 == original.SHA256 and gist.GIST == original.GIST
    assert [one.numbers for one in (first, second, third)] == ["seed", "seed", "classic"]


# ---------------------------------------------------------------- concepts


def test_a_name_that_is_not_there_names_repository_file_and_line():
    wrong = concepts.Concept("ReLU", {"small": concepts.Place("relu.py", 8, 10, ("relu", "gelu"))})
    with pytest.raises(DigError, match=r"ReLU: small, relu.py, lines 8 to 10: gelu is not there"):
        concepts.check([wrong], {"small": {"relu.py": PROGRAM}})


@pytest.mark.parametrize(
    "path, first, last, name, wrong",
    [
        ("relu.py", 9, 10, "relu", "relu is not there"),
        ("relu.py", 8, 10, "rel", "rel is not there"),
        ("other.py", 8, 10, "relu", "no such file"),
        ("relu.py", 8, 99, "relu", "the file has 11 lines"),
    ],
)
def test_every_way_to_be_wrong_is_seen(path: str, first: int, last: int, name: str, wrong: str):
    table = [concepts.Concept("ReLU", {"small": concepts.Place(path, first, last, (name,))})]
    with pytest.raises(DigError, match=wrong):
        concepts.check(table, {"small": {"relu.py": PROGRAM}})


def test_an_entry_of_another_form_is_a_sentence(tmp_path: Path):
    file = tmp_path / "concepts.yaml"
    file.write_text("- concept: ReLU\n  small: [relu.py, 8, [relu]]\n")
    with pytest.raises(DigError, match="ReLU, small: .* was expected"):
        concepts.table(file)


def test_the_reference_has_every_concept_where_the_table_says():
    own = [site for site in clones.sites() if site.own]
    table = [
        concepts.Concept(one.name, {concepts.LAST: one.places[concepts.LAST]})
        for one in concepts.table()
        if one.lives
    ]
    assert len(table) >= 20
    concepts.check(table, {site.name: clones.own_files(site) for site in own})


def test_the_table_speaks_of_repositories_that_are_measured_and_says_each_concept_once():
    table = concepts.table()
    assert {where for one in table for where in one.places} == {site.name for site in clones.sites()}
    assert len({one.name for one in table}) == len(table) >= 40


def test_an_heirloom_is_shared_with_one_other_alone():
    place = concepts.Place("a", 1, 1, ("a",))
    table = [
        concepts.Concept("one", {"old": place, "microgpt": place}),
        concepts.Concept("two", {"old": place, "older": place, "microgpt": place}),
        concepts.Concept("three", {"old": place}),
    ]
    assert concepts.heirlooms(table) == {"old": ["one"]}


# ---------------------------------------------------------------- presets


def test_all_switches_together_make_the_other_preset():
    for start, other in (presets.ENDS, presets.ENDS[::-1]):
        assert presets.Trial(start, "all").preset == presets.Trial(other).preset


def test_a_switch_changes_its_own_numbers_alone():
    for name in presets.SWITCHES:
        assert presets.Trial("classic", name).preset != presets.Trial("classic").preset
    betas, plain = presets.Trial("classic", "betas").preset, presets.Trial("classic").preset
    assert betas.config == plain.config and (betas.optimizer.beta1, betas.optimizer.beta2) == (0.9, 0.95)


def test_an_interval_holds_its_mean_and_is_a_point_for_equal_values():
    low, high = statistics.interval([0.1, 0.2, 0.3, 0.4, 0.5])
    assert 0.1 < low < 0.3 < high < 0.5
    assert statistics.interval([0.25] * 5) == (0.25, 0.25)


def test_samples_are_new_if_no_name_is_and_differ_if_no_other_sample_is():
    name = presets.goldens.of_garden().lines[0]
    found = presets.of_samples([name, "zzzz", "zzzz", ""])
    assert found == {"new": 0.75, "different": 0.75, "length": (len(name) + 8) / 4}


@pytest.mark.parametrize(
    "low, high, above, said",
    [
        (-1.0, 1.0, 3, "no claim"),
        (0.1, 1.0, 4, "no claim"),
        (0.1, 1.0, 5, "higher"),
        (-1.0, -0.1, 0, "lower"),
    ],
)
def test_nothing_is_claimed_where_zero_is_inside_or_seeds_disagree(
    low: float, high: float, above: int, said: str
):
    assert statistics.claim(low, high, above, 5) == said


# ---------------------------------------------------------------- what is kept


def test_the_figures_kept_follow_from_the_table_and_hold_no_line_of_code():
    kept = dig.load()
    assert [row["commit"] for row in kept["repositories"]] == [site.commit for site in clones.sites()]
    assert {one["name"] for one in kept["concepts"]} == {one.name for one in concepts.table()}
    own = next(row for row in kept["repositories"] if row["own"])
    assert own["source"] == dig.measure(clones.own_files(clones.sites()[-1]))[0]["source"]
    assert [one["sha256"] for one in kept["gist"]] == [one.sha256 for one in gist.versions()]
    assert [one["values"] for one in kept["gist"]] == [one.values for one in gist.versions()]
    assert "def " not in json.dumps(kept) and "import " not in json.dumps(kept)


def test_a_folder_without_clones_is_a_sentence(tmp_path: Path):
    done = CliRunner().invoke(cli.main, ["archaeology", "--folder", str(tmp_path)])
    assert done.exit_code == 2 and "no clone of micrograd" in " ".join(done.output.split())


def test_fetch_asks_for_a_folder():
    assert "--folder DIR" in CliRunner().invoke(cli.main, ["archaeology", "--fetch"]).output


@pytest.mark.slow
def test_a_run_repeats_to_the_last_bit():
    with presets.fastest() as engine:
        first, again = (presets.run(engine, presets.Trial("seed").preset, 42) for _ in range(2))
    assert first == again
    [kept] = [
        one for one in dig.load()["presets"]["trials"] if (one["start"], one["switched"]) == ("seed", "")
    ]
    assert presets.end_of(first.losses) == kept["losses"][0]
    assert list(first.samples[: presets.SHOWN]) == kept["samples"]
