"""Claims on the workflow and the action: valid, pinned, of few rights, and their commands exist and work."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import junitparser
import pytest
import yaml

from harness.cli import main as cli
from harness.judge.check import goldens
from harness.report import store

ROOT = Path(__file__).parents[3]
WORKFLOW = ROOT / ".github" / "workflows" / "conform.yml"
ACTION = ROOT / ".github" / "actions" / "conform" / "action.yml"
EXAMPLE = ACTION.with_name("example.yml")
SCHEMAS = {WORKFLOW: "workflows", EXAMPLE: "workflows", ACTION: "actions"}
FILES = pytest.mark.parametrize("path", SCHEMAS, ids=lambda path: path.name)
OPTIONS = {
    "run": "--path --runner --record --name --long",
    "check": "--record --junit --badge --preset --dataset",
    "render": "",
}
"""What the action puts into its options, by command."""
LEARNER = """
import sys
sys.path.insert(0, {root!r})
from reference.protocol import replies
for verb in list(replies.VERBS)[2:]:
    del replies.VERBS[verb]
replies.answer_all(sys.stdin.buffer, sys.stdout.buffer)
"""


def loaded(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(path.read_text())
    return content


def steps(path: Path) -> list[dict[str, Any]]:
    content = loaded(path)
    if "runs" in content:
        return list(content["runs"]["steps"])
    return [step for job in content["jobs"].values() for step in job["steps"]]


def script(path: Path, name: str) -> str:
    [step] = [step for step in steps(path) if step.get("name") == name]
    return str(step["run"])


def check(path: Path, schema: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.github-{schema}"]
    return subprocess.run([*command, str(path)], capture_output=True, text=True)


# ---------------------------------------------------------------- form


@FILES
def test_it_fits_the_published_schema(path: Path):
    done = check(path, SCHEMAS[path])
    assert done.returncode == 0, done.stdout


def test_the_published_schema_refuses_a_misspelt_key(tmp_path: Path):
    broken = tmp_path / "conform.yml"
    broken.write_text(WORKFLOW.read_text().replace("runs-on:", "run-on:", 1))
    assert check(broken, "workflows").returncode == 1


@FILES
def test_every_action_is_pinned_to_a_commit_with_its_version_beside(path: Path):
    found = re.findall(r"uses: (\S+)(.*)", path.read_text())
    assert len(found) == sum("uses" in step for step in steps(path)) > 0
    for used, comment in found:
        if used == "OWNER/REPOSITORY/.github/actions/conform@COMMIT":
            continue
        assert re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40}", used), used
        assert re.fullmatch(r" # v\d+\.\d+\.\d+", comment), comment


def test_an_action_has_one_version_everywhere():
    pins = {pin for path in SCHEMAS for pin in re.findall(r"uses: (actions/\S+@\S+)", path.read_text())}
    assert len({pin.partition("@")[0] for pin in pins}) == len(pins)


@pytest.mark.parametrize("path", [WORKFLOW, EXAMPLE], ids=lambda path: path.name)
def test_only_the_job_that_publishes_may_write_anything(path: Path):
    content = loaded(path)
    assert content["permissions"] == {"contents": "read"}
    rights = {name: job["permissions"] for name, job in content["jobs"].items() if "permissions" in job}
    [(name, granted)] = rights.items()
    assert granted == {"pages": "write", "id-token": "write"}
    assert [step["uses"].partition("@")[0] for step in content["jobs"][name]["steps"]] == [
        "actions/deploy-pages"
    ]
    assert "default_branch" in content["jobs"][name]["if"]


@pytest.mark.parametrize("path", [WORKFLOW, EXAMPLE], ids=lambda path: path.name)
def test_no_job_can_hang(path: Path):
    assert all(job["timeout-minutes"] <= 60 for job in loaded(path)["jobs"].values())


# ---------------------------------------------------------------- commands


@FILES
def test_scripts_are_bash_and_take_nothing_from_expressions(path: Path):
    """An expression inside a script is how a branch's name becomes a command."""
    for step in steps(path):
        if "run" in step:
            assert "${{" not in step["run"]
            subprocess.run(["bash", "-n", "-c", step["run"]], check=True)


def test_every_make_command_of_the_workflow_is_one_of_the_makefile():
    makefile = (ROOT / "Makefile").read_text()
    calls = re.findall(
        r"\bmake ((?:--silent )?[a-z-]+.*)", "\n".join(step.get("run", "") for step in steps(WORKFLOW))
    )
    assert len(calls) >= 8
    for call in calls:
        target = call.removeprefix("--silent ").split()[0]
        assert re.search(rf"^{target}: ", makefile, re.MULTILINE), target
        for variable in re.findall(r"\b([A-Z]+)=", call):
            assert re.search(rf"\$\$\{{?{variable}\b", makefile) or f"$({variable})" in makefile, variable


@pytest.mark.parametrize(
    "call", re.findall(r'"\$conform" (.*?)(?: -- .*)?(?: \|\|.*)?$', script(ACTION, "Judge"), re.MULTILINE)
)
def test_every_conform_command_of_the_action_exists(call: str):
    """With every option that the script may add to it."""
    words = call.replace('"${options[@]}"', OPTIONS[call.split()[0]]).split()
    command: click.Command = cli.main
    while isinstance(command, click.Group) and words[0] in command.commands:
        command = command.commands[words.pop(0)]
    assert not isinstance(command, click.Group) or command is not cli.main
    known = {option for parameter in command.params for option in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= known


def run_script(text: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """As GitHub does it: bash, ended by the first command that fails."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GITHUB_")}
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", text]
    return subprocess.run(command, cwd=folder, env=kept | environment, capture_output=True, text=True)


def fake_make(folder: Path, text: str) -> str:
    """A PATH on which `make` is this script."""
    folder.mkdir(exist_ok=True)
    path = folder / "make"
    path.write_text(f"#!/bin/bash\n{text}\n")
    path.chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"


def test_the_plan_becomes_one_output(tmp_path: Path):
    path = fake_make(tmp_path / "bin", """echo '{"count": 1}'""")
    output = tmp_path / "output"
    done = run_script(
        script(WORKFLOW, "Which ports to judge"), tmp_path, PATH=path, SINCE="main", GITHUB_OUTPUT=str(output)
    )
    assert done.returncode == 0 and output.read_text() == 'plan={"count": 1}\n'
    path = fake_make(tmp_path / "bin", "exit 3")
    done = run_script(
        script(WORKFLOW, "Which ports to judge"), tmp_path, PATH=path, SINCE="main", GITHUB_OUTPUT=str(output)
    )
    assert done.returncode != 0


def test_a_job_judges_all_its_ports_and_fails_if_one_does_not_conform(tmp_path: Path):
    judge = """
        mkdir -p "$CONFORM_RESULTS/mine"
        case "$*" in
        "conform PORT=good LONG=1") echo new > "$CONFORM_RESULTS/mine/good.json" ;;
        "conform PORT=bad LONG=1") echo new > "$CONFORM_RESULTS/mine/bad.json"; exit 1 ;;
        "conform PORT=lost LONG=1") exit 3 ;;
        "summary RECORDS=judged/mine") ls judged/mine > summary ;;
        *) exit 99 ;;
        esac"""
    path = fake_make(tmp_path / "bin", judge)
    results = loaded(WORKFLOW)["jobs"]["conform"]["env"]["CONFORM_RESULTS"]
    for ports, status in (("bad good", 1), ("lost good", 3), ("good", 0)):
        done = run_script(
            script(WORKFLOW, "Judge"), tmp_path, PATH=path, PORTS=ports, CONFORM_RESULTS=results
        )
        assert done.returncode == status, done.stderr
    assert {path.name for path in (tmp_path / "judged" / "mine").iterdir()} == {"bad.json", "good.json"}
    assert "good.json" in (tmp_path / "summary").read_text()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("program", "status", "outcome", "message"),
    [
        (f"{sys.executable} port.py", 0, "conforms", "level 2/12"),
        ("env false", 1, "crashed", "crashed"),
    ],
)
def test_the_action_judges_a_repository_with_one_port(
    tmp_path: Path, program: str, status: int, outcome: str, message: str
):
    repository = tmp_path / "My.Repository"
    repository.mkdir()
    (repository / "port.yaml").write_text(f"language: Test\nrun: {program}\nlevel: 2\n")
    (repository / "port.py").write_text(LEARNER.format(root=str(ROOT)))
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    (temporary / "conform-venv").symlink_to(sys.prefix)
    shown, output = tmp_path / "summary.md", tmp_path / "output"
    done = run_script(
        script(ACTION, "Judge"),
        repository,
        RUNNER_TEMP=str(temporary),
        GITHUB_OUTPUT=str(output),
        GITHUB_STEP_SUMMARY=str(shown),
        CONFORM_CACHE=str(tmp_path / "cache"),
        PORT_PATH=".",
        PORT_NAME="reference",
        PORT_RUNNER="local",
        PORT_LONG="false",
    )
    assert done.returncode == status, done.stderr
    folder = Path(output.read_text().removeprefix("folder=").strip())
    assert store.read(folder / "record.json").outcome == outcome
    assert message in (folder / "reference.svg").read_text() and (folder / "reference.json").exists()
    suites = junitparser.JUnitXml.fromfile(str(folder / "junit.xml"))
    assert (sum(suite.failures + suite.errors for suite in suites) == 0) == (status == 0)
    assert message in shown.read_text()
    assert not (repository / "results").exists()


@pytest.mark.parametrize(("wrong_step", "status"), [(None, 0), (17, 1)])
def test_the_action_judges_what_a_program_printed(tmp_path: Path, wrong_step: int | None, status: int):
    kept = goldens.find("classic", goldens.of_garden().sha256)
    assert kept is not None
    losses = [9.0 if step == wrong_step else x for step, x in enumerate(kept.golden.losses, start=1)]
    (tmp_path / "my.log").write_text("".join(f"step {i} loss {x:.4f}\n" for i, x in enumerate(losses, 1)))
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    (temporary / "conform-venv").symlink_to(sys.prefix)
    shown, output = tmp_path / "summary.md", tmp_path / "output"
    done = run_script(
        script(ACTION, "Judge"),
        tmp_path,
        RUNNER_TEMP=str(temporary),
        GITHUB_OUTPUT=str(output),
        GITHUB_STEP_SUMMARY=str(shown),
        OUTPUT="my.log",
        OUTPUT_PRESET="classic",
        OUTPUT_DATASET="",
    )
    assert done.returncode == status, done.stderr
    folder = Path(output.read_text().removeprefix("folder=").strip())
    verdict = json.loads((folder / "verdict.json").read_text())
    assert (verdict["agrees"], verdict["agreed"]) == (not status, 1000 - bool(wrong_step))
    [suite] = junitparser.JUnitXml.fromfile(str(folder / "junit.xml"))
    assert suite.failures == status
    message = "failing" if status else "printed 1000/1000"
    assert message in (folder / "output.svg").read_text() and message in (folder / "output.json").read_text()
    assert verdict["sentence"] in shown.read_text()
