"""Claims on the engine for pages: its bits, its size, what it can do. Node stands for the browser."""

import json
import math
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from conformance.doubles import double_of
from harness.judge.check import goldens
from harness.report.site import engine
from reference import microgpt
from reference.app import dataset

pytestmark = [
    pytest.mark.slow,
    pytest.mark.xdist_group("engine"),
    pytest.mark.skipif(shutil.which("node") is None, reason="needs Node"),
]
NAMES = "ada\ngrace\nbarbara\nkaren\nrosa\n"


def node(tmp_path: Path, program: str, *arguments: str) -> Any:
    """What an asynchronous function's body returns, given `engine` and the arguments."""
    script = tmp_path / "program.cjs"
    script.write_text(
        f"{engine.script()}\n"
        "const bits = (x) => new BigUint64Array(Float64Array.of(x).buffer)[0];\n"
        "const hex = (x) => bits(x).toString(16).padStart(16, '0');\n"
        f"async function program(engine, given) {{\n{program}\n}}\n"
        "Engine.load().then((engine) => program(engine, process.argv.slice(2)))\n"
        "  .then((result) => console.log(JSON.stringify(result)));\n"
    )
    done = subprocess.run(["node", script, *arguments], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_module_is_small_and_imports_nothing(tmp_path: Path):
    assert len(engine.module()) <= engine.MOST_BYTES
    imports = "return WebAssembly.Module.imports(new WebAssembly.Module(await Engine.unpacked()));"
    assert node(tmp_path, imports) == []


@pytest.mark.parametrize("preset", ["seed", "classic"])
def test_a_whole_run_has_every_bit_of_the_golden_one(preset: str, tmp_path: Path):
    """Every loss, every stored checksum, every sample; looked at in between, and not."""
    golden = next(
        one.golden
        for one in goldens.stored()
        if one.preset == preset and one.dataset.documents == dataset.read_file(dataset.GARDEN).documents
    )
    got = node(
        tmp_path,
        """
        const [preset, names, steps] = given;
        const training = engine.training({ preset, text: require('fs').readFileSync(names, 'utf8') });
        const checksums = {};
        for (const step of steps.split(' ').map(Number)) {
          training.advance(step - training.step, step % 5 === 0);
          checksums[step] = {};
          for (const kind of ['gradients', 'm', 'v', 'parameters'])
            checksums[step][kind] = training.checksum(kind);
        }
        const losses = Array.from(training.losses, hex);
        return { losses, checksums, samples: Array.from({ length: 20 }, () => training.sample()) };
        """,
        *(preset, str(dataset.GARDEN), " ".join(map(str, golden.checksums))),
    )
    assert tuple(map(double_of, got["losses"])) == golden.losses
    assert {int(step): sums for step, sums in got["checksums"].items()} == golden.checksums
    assert tuple(got["samples"]) == golden.samples


def test_a_step_that_is_looked_at_is_the_same_step(tmp_path: Path):
    program = f"""
        const run = (observed) => {{
          const training = engine.training({{ preset: 'classic', text: {NAMES!r}, steps: 40, layers: 2 }});
          while (training.step < 40) training.advance(1, observed);
          return ['gradients', 'm', 'v', 'parameters'].map((kind) => training.checksum(kind));
        }};
        return [run(true), run(false)];
        """
    looked_at, unseen = node(tmp_path, program)
    assert looked_at == unseen


def test_the_results_of_the_last_step_can_be_read(tmp_path: Path):
    program = f"""
        const training = engine.training({{ preset: 'classic', text: {NAMES!r} }});
        const document = training.document();
        const loss = training.advance();
        const positions = document.length + 1;
        let sum = 0;
        for (let t = 0; t < positions; t++) sum += training.tensor(`pos${{t}}.loss`).values[0];
        const mean = sum * (1 / positions);
        const attention = training.tensor('pos3.layer0.head1.weights');
        return {{
          same: loss === mean,
          columns: attention.columns,
          total: attention.values.reduce((sum, x) => sum + x, 0),
          views: training.tensor('layer0.attn_wq').values.buffer === engine.exports.memory.buffer,
          slope: training.tensor('pos0.loss').gradients[0] === 1 / positions,
          matrices: training.tensors().slice(0, 4).map((t) => [t.name, t.rows, t.columns]),
        }};
        """
    got = node(tmp_path, program)
    assert got["same"] and got["views"] and got["slope"]
    assert got["columns"] == 4 and got["total"] == pytest.approx(1)
    vocabulary = 12  # eleven letters and BOS
    shapes = [["wte", vocabulary, 16], ["wpe", 16, 16], ["lm_head", vocabulary, 16]]
    assert got["matrices"] == [*shapes, ["layer0.attn_wq", 16, 16]]


def test_a_loss_without_tensors_has_the_same_bits_and_moves_nothing(tmp_path: Path):
    program = f"""
        const training = engine.training({{ preset: 'classic', text: {NAMES!r}, steps: 20 }});
        training.advance(3);
        const before = ['m', 'v', 'parameters'].map((kind) => training.checksum(kind)).join();
        const losses = [training.loss(3), training.loss(0), training.look(training.document(0))];
        const after = ['m', 'v', 'parameters'].map((kind) => training.checksum(kind)).join();
        return [before === after, losses.map(hex), hex(training.advance(1, false))];
        """
    same, (coming, first, looked_at), loss = node(tmp_path, program)
    assert same and coming == loss and first == looked_at != coming


def test_the_stream_of_random_numbers_is_pythons(tmp_path: Path):
    program = f"""
        const training = engine.training({{ preset: 'classic', text: {NAMES!r}, steps: 1 }});
        const {{ words, index, kept }} = training.generator;
        return {{ words: [...words], index, kept: kept === null ? null : hex(kept) }};
        """
    got = node(tmp_path, program)
    run = microgpt.Run(microgpt.PRESETS["classic"], NAMES.splitlines())
    _, state, kept = run.generator.getstate()
    assert (*got["words"], got["index"]) == state
    assert kept is None and got["kept"] is None, "an even number of normal numbers was drawn"


def test_a_state_can_be_saved_and_restored_also_into_another_training(tmp_path: Path):
    program = f"""
        const make = () => engine.training({{ preset: 'seed', text: {NAMES!r}, steps: 30 }});
        const [one, other] = [make(), make()];
        one.advance(10);
        const state = one.save();
        const end = (training) => {{
          training.advance(20);
          return [...['m', 'v', 'parameters'].map((kind) => training.checksum(kind)),
                  training.losses.join(), training.sample()];
        }};
        const first = end(one);
        one.restore(state);
        other.restore(state);
        return [first, end(one), end(other)];
        """
    first, again, elsewhere = node(tmp_path, program)
    assert first == again == elsewhere


def test_own_parameters_and_an_own_attention_are_taken(tmp_path: Path):
    program = f"""
        const training = engine.training({{
          text: {NAMES!r}, layers: 2, heads: 2, embedding: 8, block: 6, attends: (t, s) => t - s < 2,
        }});
        training.parameters.fill(0);
        const loss = training.look('ada');
        return [loss, training.tensor('pos4.layer1.head0.weights')?.columns ?? null,
                training.tensor('pos3.layer1.head0.weights').columns, training.step];
        """
    loss, beyond, columns, step = node(tmp_path, program)
    assert loss == pytest.approx(math.log(12)), "all tokens are as likely"
    assert (beyond, columns, step) == (None, 2, 0)


@pytest.mark.parametrize(
    "call, sentence",
    [
        ("engine.training({ text: '' })", "there is no document: every line is empty once it is stripped"),
        ("engine.training({ text: 'a', heads: 3 })", "embedding is a multiple of heads"),
        ("engine.training({ text: 'a', steps: 0.5 })", "steps is an integer from 1 to 1000000"),
        ("engine.training({ text: 'a', rate: 1 })", "there is no setting rate; there are layers, heads"),
        ("engine.training({ text: 'a', attends: () => 0 })", "position 0 must attend to itself"),
        ("engine.training({ text: 'a' }).look('b')", "the vocabulary has no b"),
        ("engine.training({ text: 'a' }).restore(new Uint8Array(3))", "the state has 3 bytes"),
        ("engine.training({ text: 'a', embedding: 512, layers: 16, block: 1024 })", "not enough memory"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(call: str, sentence: str, tmp_path: Path):
    program = f"""
        const training = engine.training({{ text: {NAMES!r} }});
        try {{ {call}; }} catch (error) {{
          return [error.message, training.advance(3) > 0];
        }}
        return ['nothing was thrown', false];
        """
    message, works = node(tmp_path, program)
    assert sentence in message and works, "and the others go on"


def test_a_long_stay_takes_no_more_memory(tmp_path: Path):
    program = f"""
        const training = engine.training({{ preset: 'classic', text: {NAMES!r}, steps: 1000 }});
        const stay = (rounds) => {{
          for (let i = 0; i < rounds; i++) {{
            training.advance(3);
            for (let k = 0; k < 10; k++) training.sample();
            training.look('rosa');
            training.restore(training.save());
            if (i % 10 === 0) engine.training({{ text: {NAMES!r} }}).free();
          }}
          return engine.exports.memory.buffer.byteLength;
        }};
        return stay(20) - stay(300);
        """
    assert node(tmp_path, program) == 0
