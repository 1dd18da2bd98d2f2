"""Claims about the outputs of docs/OUTPUTS.md: what is said of each, in Python and, alike, in JavaScript."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import outputs
import planted
import pytest
from outputs import Output

from harness.errors import ManifestError
from harness.judge.check.verdict import Verdict
from harness.report.site import checker

pytestmark = [
    pytest.mark.slow,
    pytest.mark.xdist_group("outputs"),
    pytest.mark.skipif(shutil.which("node") is None, reason="needs node"),
    pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler"),
]
SHARED = (
    *("kind", "agreement", "agrees", "sentence", "setup", "seen", "agreed", "compared", "width", "notes"),
    *("difference", "diagnosis"),
)
NODE = """
const fs = require('node:fs');
const said = [];
const self = { postMessage: (message) => { if (!message.done) said.push(message); } };
new Function('self', `${fs.readFileSync('worker.js', 'utf8')}\\ncheckWorker();`)(self);
const data = JSON.parse(fs.readFileSync('data.json'));
(async () => {
  for (const [name, bytes] of JSON.parse(fs.readFileSync('outputs.json'))) {
    const outputs = [{ name, data: new Uint8Array(Buffer.from(bytes, 'base64')) }];
    await self.onmessage({ data: { data, outputs, options: {} } });
  }
  fs.writeFileSync('said.json', JSON.stringify(said));
})();
"""
BAD = {
    "empty.log": b"",
    "blank.log": b"\n \n",
    "binary.log": b"\x7fELF\0\0\1\2",
    "header.log": b"num docs: 5\nSegmentation fault\n",
    "none.log": b"hello\n",
    "two.log": b"step 1 loss 2.0\nstep 2 loss 3.0\nstep 1 loss 2.5\n",
    "word.txt": b"step0.loss abc\n",
    "alone.txt": b"step0.loss\nstep1.loss 2.0\n",
    "few.txt": b"init.wte 1.0 2.0\n",
    "twice.txt": b"step0.loss 1.0\nstep0.loss 2.0\n",
    "unknown.jsonl": b'{"step0.nothing": 1}\n',
    "half.jsonl": b'{"step0.loss": 1}\n{"step1.loss"\n',
    "late.log": b"step 5000 loss 2.0\nstep 5001 loss 2.0\n",
}
ODD = {
    "nan.log": b"step 1 loss 3.3570\nstep 2 loss nan\nstep 3 loss nan\n",
    "odd.log": b"step 1: loss=3.3570 \xb5=1\nstep 2: loss=3.1933 \xb5=1\n",
    "commas.csv": b"step;loss\n0;3,3570\n1;3,1933\n",
    "hex.log": b"step 1 loss 0x1.adb1e366bd02fp+1\nstep 2 loss 0x1.98bebd2db9195p+1\n",
    "nan.jsonl": b'{"step0.loss": NaN}\n{"step1.loss": 3.1933}\n',
    "activation.txt": b"step0.logits.pos0 " + b"0.1 " * 27 + b"\nstep1.loss 0x1.98bebd2db9195p+1\n",
}


def by_node(found: list[tuple[str, bytes]], folder: Path) -> list[dict[str, Any]]:
    """What the page's worker says of each."""
    (folder / "worker.js").write_text(checker.worker_script())
    (folder / "data.json").write_text(json.dumps(checker.data(), allow_nan=False))
    listed = [(name, base64.b64encode(data).decode()) for name, data in found]
    (folder / "outputs.json").write_text(json.dumps(listed))
    done = subprocess.run(["node", "-e", NODE], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    said: list[dict[str, Any]] = json.loads((folder / "said.json").read_text())
    return said


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Output, Verdict]]:
    made = outputs.every(tmp_path_factory.mktemp("outputs"))
    return {output.name: (output, outputs.judged(output)) for output in made}


def test_the_page_says_what_is_said(judged: dict[str, tuple[Output, Verdict]]) -> None:
    assert outputs.PAGE.read_text(encoding="utf-8") == outputs.page(judged.values()), (
        "PYTHONPATH=.:tests/support python tests/support/outputs.py writes it again"
    )


def test_right_ones_agree_and_no_other(judged: dict[str, tuple[Output, Verdict]]) -> None:
    wrong = {name for name, (_, verdict) in judged.items() if not verdict.agrees}
    assert wrong == {name for name in judged if judged[name][0].planted} | {"after.log", "wrong.txt"}


@pytest.mark.parametrize("mistake", planted.MISTAKES)
def test_a_planted_mistake_is_named(mistake: str, judged: dict[str, tuple[Output, Verdict]]) -> None:
    _, verdict = judged[f"{mistake}.log"]
    assert mistake in [name for cause in verdict.causes for name in cause.names]


def test_the_browser_says_the_same(judged: dict[str, tuple[Output, Verdict]], tmp_path: Path) -> None:
    odd = {
        name: (Output(name, "", data), outputs.judged(Output(name, "", data))) for name, data in ODD.items()
    }
    every = [*judged.values(), *odd.values()]
    said = by_node([(output.name, output.data) for output, _ in every], tmp_path)
    for (output, verdict), answer in zip(every, said, strict=True):
        assert "verdicts" in answer, (output.name, answer)
        [theirs] = answer["verdicts"]
        ours = json.loads(json.dumps(verdict.json()))
        for found in (ours, theirs):  # JavaScript's numbers end at 2^53
            if found["difference"] is not None:
                found["difference"]["ulps"] = float(found["difference"]["ulps"] or 0)
        assert {key: theirs[key] for key in SHARED} == {key: ours[key] for key in SHARED}, output.name
        if verdict.chances is not None:
            assert theirs["chances"]["share"] == pytest.approx(verdict.chances.share, rel=1e-6)


def test_the_browser_refuses_in_the_same_words(tmp_path: Path) -> None:
    said = by_node(list(BAD.items()), tmp_path)
    for (name, data), answer in zip(BAD.items(), said, strict=True):
        with pytest.raises(ManifestError) as refusal:
            outputs.judged(Output(name, "", data))
        assert answer["unreadable"].split(": say ")[0] == str(refusal.value).split(": say ")[0], name
