/** A training that stands at any of its steps, forwards and backwards, always with the same bits. Runs in the worker. */

export const KINDS = ['gradients', 'm', 'v', 'parameters'];
const EVERY = 20; // steps between two snapshots, if there are up to a thousand
const DRAWS_EVERY = 50; // steps between two sets of samples
const DRAWS = 10;

/** The witness's lines as numbers: the bits of the loss, then the checksums in the order of KINDS, for each step. */
export function goldenOf(text) {
  return text.trimEnd().split('\n').map((line) => line.split(' ').map((word) => BigInt(`0x${word}`)));
}

const bits = new BigUint64Array(1);
const asDouble = new Float64Array(bits.buffer);

function bitsOf(x) {
  asDouble[0] = x;
  return bits[0];
}

export class Run {
  /** `golden` has a row for every step, or is null; `settings` are those of Engine.training. */
  constructor(engine, settings, golden) {
    this.golden = golden;
    this.steps = settings.steps;
    this.every = Math.max(EVERY, Math.ceil(this.steps / 50));
    this.training = engine.training(settings);
    this.drawing = engine.training(settings); // draws samples from copies of the state
    this.known = new Set(settings.text.split('\n').map((line) => line.trim()));
    this.losses = new Float64Array(this.steps).fill(NaN);
    this.before = this.training.parameters.slice(); // the parameters that the last step started from
    this.snapshots = new Map([[0, this.training.save()]]);
    this.right = new Uint8Array(this.steps); // 1 where everything agreed when the step was last taken
    this.taken = new Uint8Array(this.steps);
    this.wrong = []; // what differs at the step where the training stands
    this.samples = new Map();
    this.draw();
    this.lookAhead();
  }

  get step() { return this.training.step; }

  /** To any step, from the nearest snapshot if that is shorter. */
  goTo(step) {
    const from = Math.max(...[...this.snapshots.keys()].filter((kept) => kept < Math.max(step, 1)));
    if (step <= this.step || from > this.step) this.training.restore(this.snapshots.get(step === 0 ? 0 : from));
    if (step === 0) this.lookAhead();
    while (this.step < step) this.take(this.step + 1 === step);
  }

  /** As many steps as `milliseconds` allow, at least one; the last one's tensors are kept. */
  goOn(milliseconds) {
    const end = performance.now() + milliseconds;
    while (this.step < this.steps - 1 && performance.now() < end) this.take(false);
    if (this.step < this.steps) this.take(true);
  }

  take(observed) {
    const { training } = this;
    this.before.set(training.parameters);
    const loss = training.advance(1, observed);
    const done = this.step;
    this.losses[done - 1] = loss;
    if (this.golden) this.check(done - 1, loss);
    if (done % this.every === 0 && !this.snapshots.has(done)) this.snapshots.set(done, training.save());
    if (done % DRAWS_EVERY === 0 && !this.samples.has(done)) this.draw();
  }

  /** Compares the step just taken with the golden one: the loss's bits and four checksums. */
  check(index, loss) {
    const { training } = this;
    const [goldenLoss, ...goldenSums] = this.golden[index];
    this.wrong = bitsOf(loss) === goldenLoss ? [] : ['loss'];
    KINDS.forEach((kind, i) => {
      if (training.sum(kind) !== goldenSums[i]) this.wrong.push(kind);
    });
    this.taken[index] = 1;
    this.right[index] = Number(this.wrong.length === 0);
  }

  /** Before the first step: what the untrained model makes of the first document. */
  lookAhead() {
    this.before.set(this.training.parameters);
    this.training.look(this.training.document(0));
    this.wrong = [];
  }

  /** The same draws at every step: the generator stands where the parameters left it, and a copy is used up. */
  draw() {
    this.drawing.restore(this.training.save());
    const names = Array.from({ length: DRAWS }, () => this.drawing.sample());
    this.samples.set(this.step, names.map((name) => ({ name, known: this.known.has(name) })));
  }

  /** One parameter before the first step and after each of those taken so far: a replay. */
  history(index) {
    this.drawing.restore(this.snapshots.get(0));
    const values = [this.drawing.parameters[index]];
    while (this.drawing.step < this.step) {
      this.drawing.advance(1, false);
      values.push(this.drawing.parameters[index]);
    }
    return Float64Array.from(values);
  }

  /** All that a page shows of the step, as { step, document, tensors, numbers, ... }; `numbers` holds, one after the other, the
   * parameters before the step, gradients, m, v, the parameters after it, every loss, then values and gradients of the tensors.
   */
  frame() {
    const { training } = this;
    const tensors = training.tensors();
    const parts = [this.before, training.gradients, training.m, training.v, training.parameters, this.losses];
    const layout = tensors.map(({ name, rows, columns }) => ({ name, rows, columns, at: 0 }));
    let size = parts.reduce((sum, part) => sum + part.length, 0);
    layout.forEach((entry, i) => {
      if (i < training.matrices) return;
      entry.at = size;
      parts.push(tensors[i].values, tensors[i].gradients);
      size += 2 * entry.rows * entry.columns;
    });
    const numbers = new Float64Array(size);
    let at = 0;
    for (const part of parts) {
      numbers.set(part, at);
      at += part.length;
    }
    return {
      step: this.step,
      document: training.document(Math.max(0, this.step - 1)),
      tensors: layout,
      numbers,
      wrong: this.wrong,
      taken: this.taken.reduce((sum, x) => sum + x, 0),
      right: this.right.reduce((sum, x) => sum + x, 0),
      checksums: Object.fromEntries(KINDS.map((kind) => [kind, training.checksum(kind)])),
      samples: [...this.samples],
    };
  }
}
