"""Claims on what is made from records: matrix, summary, badges, README's tables, and what is stale."""

import json
import re
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
import records
from click.testing import CliRunner, Result
from msgspec.structs import replace as replaced

from harness import paths
from harness.cli import main as cli
from harness.errors import BuildFailed
from harness.report import badges, kept, store, summary, tables
from harness.report.making import build_failure
from harness.report.record import DiagnosisRecord, Record

FAILED = BuildFailed("gcc exited with code 1", command="gcc x.c", log=("x.c:1: error",))
UNBUILT = build_failure(records.manifest(), FAILED, "docker", records.RAN)
EXACT = records.made()
WRONG = replaced(records.made({"backward/1": "disagrees"}), port="c", language="C")
LOWER = records.made({"run": "unsupported"}, level=11)
SHORT = records.made({"math/0": "known"}, known=(records.known("math/x"),))
BENCH = {
    "processor": "A <Processor>",
    "runner": "docker",
    "finished": "2026-01-01T00:00:00+00:00",
    "ports": [
        {
            "port": "lua",
            "step_microseconds": 4206.4,
            "ratio": 31.0,
            "thousand_steps_seconds": 4.341,
            "peak_mib": None,
            "start_milliseconds": 1.6,
            "tokens": 12345,
            "compressed_bytes": 6789,
        }
    ],
}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with two records, and nothing made from them yet."""
    monkeypatch.setattr(paths, "root", lambda: tmp_path)
    monkeypatch.setenv("CONFORM_RESULTS", str(tmp_path / "results"))
    records.save_all(tmp_path / "results" / "published", [EXACT, WRONG])
    (tmp_path / "results" / "published" / "bench.json").write_text(json.dumps(BENCH))
    return tmp_path


def conform(*arguments: str, **environment: str) -> Result:
    return CliRunner().invoke(cli.main, list(arguments), env=environment)


# ---------------------------------------------------------------- badges


@pytest.mark.parametrize(
    ("made", "message", "color"),
    [
        (EXACT, "bit-exact 12/12", badges.GREEN),
        (LOWER, "level 11/12", badges.BLUE),
        (records.made(level=3), "bit-exact 12/12", badges.GREEN),
        (records.made(agreement="tolerance"), "tolerance 12/12", badges.YELLOW),
        (SHORT, "level 12/12, 1 expected to fail", badges.BLUE),
        (WRONG, "disagrees", badges.RED),
        (UNBUILT, "could not be built", badges.RED),
    ],
)
def test_a_badge_says_in_few_words_what_a_port_comes_to(made: Record, message: str, color: str):
    badge = badges.of_port(made)
    assert (badge.message, badge.color) == (message, color)


@pytest.mark.parametrize(
    ("made", "message"),
    [
        ([EXACT, EXACT], "all ports bit-exact"),
        ([EXACT], "all ports bit-exact"),
        ([EXACT, LOWER], "all ports conform"),
        ([EXACT, WRONG], "1 of 2 ports conform"),
        ([WRONG], "0 of 1 ports conform"),
        ([], "0 of 0 ports conform"),
    ],
)
def test_the_badge_of_the_whole_says_no_more_than_is_true_of_all(made: list[Record], message: str):
    badge = badges.of_all(made)
    assert badge.message == message
    assert (badge.color == badges.RED) == (not made or not all(r.conforms for r in made))


def test_a_badge_is_an_image_with_a_name_for_those_who_do_not_see_it():
    root = ET.fromstring(badges.Badge("a & <b>", "bit-exact 12/12", badges.GREEN).svg())
    svg = "{http://www.w3.org/2000/svg}"
    title = root.find(f"{svg}title")
    assert title is not None and title.text == "a & <b>: bit-exact 12/12"
    assert root.get("role") == "img" and root.get("aria-labelledby") == title.get("id")
    edges = [(float(t.get("x", 0)), float(t.get("textLength", 0))) for t in root.iter(f"{svg}text")]
    (left, left_width), (right, right_width) = edges
    assert left + left_width < right and right + right_width < float(root.get("width", 0))
    assert "href" not in ET.tostring(root, encoding="unicode")


def test_white_text_can_be_read_on_every_colour():
    template = (Path(badges.__file__).parent / "templates" / "badge.svg.j2").read_text()
    colors = {badges.GREEN, badges.BLUE, badges.YELLOW, badges.RED, *re.findall(r"#[0-9a-f]{6}\b", template)}
    assert len(colors) == 5
    for color in colors:
        channels = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
        assert 1.05 / (luminance + 0.05) >= 4.5, color  # WCAG 2, level AA


def test_the_endpoint_of_a_badge_has_what_shields_asks_for():
    for made in (EXACT, WRONG):
        told = json.loads(badges.of_port(made).endpoint())
        assert told["schemaVersion"] == 1
        assert told["label"] == f"microgpt {made.language}" and told["message"]
        assert told.get("isError", False) == (made is WRONG)


# ---------------------------------------------------------------- tables and summary


def test_the_matrix_shows_every_level_of_every_port_and_explains_the_first_divergence():
    text = tables.matrix([EXACT, WRONG])
    levels = text.partition("\n## ")[0]
    rows = {line.split(" | ")[0]: line for line in levels.splitlines()}
    assert (
        rows["| [lua](../ports/lua/)"].count("✓") == 12
        and "bit-exact 12/12" in rows["| [lua](../ports/lua/)"]
    )
    assert (
        rows["| [c](../ports/c/)"].count("✓") == 11
        and rows["| [c](../ports/c/)"].count("✗") == 1
        and "| 7/12 |" in rows["| [c](../ports/c/)"]
    )
    assert "c does not conform: it claims level 12 of 12 and reaches 7" in text
    assert "3fdb1caa62c728bf" in text and "2 ulps" in text


def test_a_level_that_agrees_within_its_tolerance_has_a_mark_of_its_own():
    near = records.with_worst(records.made(agreement="tolerance"), 7, 40)
    [row] = [
        line
        for line in tables.matrix([near]).splitlines()
        if line.startswith("| [lua](../ports/lua/) |") and "✓" in line
    ]
    assert row.count("✓") == 11 and row.count("≈") == 1 and "40 ulps" in row


def test_what_a_toolchain_says_of_itself_cannot_break_the_table_or_the_file():
    odd = replaced(EXACT, build=replaced(EXACT.build, toolchain="x | y <!-- /ports --> `a`"))
    [row] = [line for line in tables.matrix([odd]).splitlines() if line.startswith("| lua |")]
    assert row.count("|") - row.count("\\|") == 11
    assert "<!--" not in row


def test_the_summary_names_the_command_that_repeats_a_failure(tmp_path: Path):
    text = summary.summary([EXACT, WRONG])
    assert "1 of 2 ports conform" in text
    assert re.search(r"repeat    make conform PORT=c CASE=backward/\S+", text)
    known = DiagnosisRecord("adam/a", ("adam-eps",), "eps stands inside the root")
    wrong = replaced(WRONG, diagnosis=(known,))
    assert "eps stands inside the root" in summary.summary([wrong])


def test_the_summary_is_added_to_what_github_shows(project: Path):
    shown = project / "summary.md"
    shown.write_text("before\n")
    result = conform(
        "render", "summary", str(project / "results" / "published"), GITHUB_STEP_SUMMARY=str(shown)
    )
    assert result.exit_code == 0 and result.output == ""
    assert shown.read_text() == "before\n" + summary.summary([WRONG, EXACT])


# ---------------------------------------------------------------- files of the repository


def test_render_writes_everything_and_then_nothing_is_stale(project: Path):
    assert conform("render", "--check").exit_code == 1
    assert conform("render").exit_code == 0
    assert conform("render", "--check").output == ""
    assert "| lua | 4,206 | 31 | 4.34 s |  |" in (project / "results" / "speed.md").read_text()
    assert re.search(
        r"\| lua \| [\d,]+ \| 12,345 \| 6,789 \| 2 ms \|", (project / "results" / "speed.md").read_text()
    )
    names = {path.name for path in (project / "results" / "badges").iterdir()}
    assert names == {f"{port}.{ending}" for port in ("all", "c", "lua") for ending in ("svg", "json")}


@pytest.mark.parametrize(
    ("change", "stale"),
    [
        ("results/matrix.md", ["matrix.md"]),
        ("results/badges/lua.svg", ["lua.svg"]),
        ("results/badges/gone.svg", ["gone.svg"]),
    ],
)
def test_a_file_that_was_changed_by_hand_is_found(project: Path, change: str, stale: list[str]):
    conform("render")
    path = project / change
    path.write_text(path.read_text().replace("bit-exact", "perfect") if path.exists() else "left behind")
    result = conform("render", "--check")
    assert result.exit_code == 1
    assert [Path(line[7:]).name for line in result.output.splitlines()[:-1]] == stale
    assert "make render" in result.output
    conform("render")
    assert conform("render", "--check").exit_code == 0


def test_a_new_record_makes_the_files_stale(project: Path):
    conform("render")
    store.save(replaced(WRONG, outcome="conforms"), store.published())
    assert conform("render", "--check").exit_code == 1


def test_two_branches_that_each_add_a_port_merge_without_a_conflict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def git(*arguments: str) -> None:
        who = ("-c", "user.name=a", "-c", "user.email=a@example.org")
        subprocess.run(["git", *who, *arguments], cwd=tmp_path, check=True, capture_output=True)

    def publish(*names: str) -> kept.Files:
        files = kept.all_files([replaced(EXACT, port=name) for name in names])
        kept.write(files)
        git("add", "--all")
        git("commit", "--allow-empty", "--message", "ports")
        return files

    monkeypatch.setenv("CONFORM_RESULTS", str(tmp_path / "results"))
    git("init", "--initial-branch", "main")
    (tmp_path / ".gitattributes").write_text((paths.root() / ".gitattributes").read_text())
    publish("lua")
    for branch in ("ada", "tcl"):
        git("checkout", "-b", branch, "main")
        publish(*sorted(("lua", branch)))
    git("merge", "--no-edit", "ada")
    both = kept.all_files([replaced(EXACT, port=name) for name in ("ada", "lua", "tcl")])
    assert kept.stale(both) == []


@pytest.mark.parametrize(
    ("arguments", "status", "sentence"),
    [
        (("render", "junit", "nothing"), 2, "there is no port named 'nothing'"),
        (("render", "junit", "/nowhere/c.json"), 2, "/nowhere/c.json does not exist"),
        (("render", "badges"), 2, "Missing option '--into'"),
        (("render", "--check", "summary"), 2, "conform render --check"),
    ],
)
def test_bad_input_gets_a_sentence(project: Path, arguments: tuple[str, ...], status: int, sentence: str):
    result = conform(*arguments)
    assert result.exit_code == status
    assert sentence in " ".join(result.stderr.split())


def test_an_empty_folder_of_records_is_a_fault_and_no_empty_report(tmp_path: Path):
    result = conform("render", "junit", str(tmp_path))
    assert result.exit_code == 2 and "holds no record" in " ".join(result.stderr.split())


def test_readme_and_results_of_this_project_are_not_stale():
    """As `make render-check` says it. Records that a run has just written are nobody's fault."""
    committed = subprocess.run(["git", "diff", "--quiet", "HEAD", "--", "results"], cwd=paths.root())
    if committed.returncode != 0:
        pytest.skip("results/ is not as committed, or there is no git")
    assert kept.stale(kept.all_files(store.read_all())) == []
