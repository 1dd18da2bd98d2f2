"""Claims on docs/CHECK.md: its pieces of code compile, run, and write what `conform check` reads."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from harness import paths

LOSS = 3.25
PROGRAMS = {
    "c": (
        "a.c",
        "#include <stdio.h>\n{code}\n"
        'int main(void) {{ double x = {x}; trace("step0.loss", &x, 1); return 0; }}',
        "gcc -o a a.c && ./a",
    ),
    "rust": (
        "a.rs",
        "use std::io::Write;\n{code}\n"
        'fn main() {{ let mut file = std::fs::File::create("trace.txt").unwrap();'
        ' trace(&mut file, "step0.loss", &[{x}]); }}',
        "rustc -o a a.rs && ./a",
    ),
    "go": (
        "a.go",
        'package main\nimport ("fmt"; "io"; "math"; "os")\n{code}\n'
        'func main() {{ file, _ := os.Create("trace.txt"); trace(file, "step0.loss", []float64{{{x}}}) }}',
        "go run a.go",
    ),
    "java": (
        "A.java",
        "import java.io.PrintStream;\n"
        "class A {{ {code}\npublic static void main(String[] none) throws Exception {{"
        ' try (PrintStream file = new PrintStream("trace.txt")) {{ trace(file, "step0.loss", {x}); }} }} }}',
        "java A.java",
    ),
    "js": (
        "a.mjs",
        "import {{ appendFileSync }} from 'node:fs';\n{code}\ntrace('step0.loss', [{x}]);",
        "node a.mjs",
    ),
    "python": (
        "a.py",
        "import array, json\n{code}\ntrace(open('trace.txt', 'w'), 'step0.loss', array.array('d', [{x}]))",
        "python3 a.py",
    ),
}
NEEDS = {"c": "gcc", "rust": "rustc", "go": "go", "java": "java", "js": "node", "python": "python3"}


@pytest.mark.parametrize("language", PROGRAMS)
def test_the_lines_to_add_write_a_trace(language: str, tmp_path: Path) -> None:
    if shutil.which(NEEDS[language]) is None:
        pytest.skip(f"needs {NEEDS[language]}")
    page = (paths.root() / "docs" / "CHECK.md").read_text(encoding="utf-8")
    [code] = re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)
    name, program, command = PROGRAMS[language]
    (tmp_path / name).write_text(program.format(code=code, x=LOSS))
    done = subprocess.run(command, shell=True, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    written = (tmp_path / "trace.txt").read_text()
    assert "step0.loss" in written
    assert any(value in written for value in ("400a000000000000", "0x1.ap+1", "[3.25]"))
