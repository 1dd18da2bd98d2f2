/** Another training beside the engine's, step by step: where they part, which quantity is the first, and how far they get apart. */

const KINDS = ['gradients', 'm', 'v', 'parameters'];
const SELDOM = 25; // steps between two distances from a rival whose parameters must be fetched
const CALLED = { gradients: 'the gradient of ', m: 'm of ', v: 'v of ', parameters: '' };

function differsAt(a, b) {
  for (let i = 0; i < a.length; i++) if (!Object.is(a[i], b[i])) return i;
  return -1;
}

/** Of all parameters together: |a - b| / |a|. */
export function apart(a, b) {
  let [difference, size] = [0, 0];
  for (let i = 0; i < a.length; i++) {
    difference += (a[i] - b[i]) ** 2;
    size += a[i] ** 2;
  }
  return Math.sqrt(difference / size);
}

export class Race {
  /** `rival` has step, advance(), parameters and, where it `isOpen`, gradients, m, v and vectors(tokens, parameters). */
  constructor(engine, settings, rival) {
    this.right = engine.training(settings);
    this.probe = engine.training(settings); // looks at one document with the parameters of the step before
    this.rival = rival;
    this.steps = settings.steps;
    for (const name of ['losses', 'others', 'distances']) this[name] = new Float64Array(this.steps).fill(NaN);
    this.distance = null; // the last of the distances
    this.printed = null; // the first step that prints another loss
    this.parted = null; // the first number that is another
    this.matrices = this.right.tensors().map(({ name, rows, columns }) => ({ name, rows, columns }));
    this.farthest = null; // the parameter that ends farthest from where it should
    if (rival.isOpen) this.compare(['parameters'], 0);
  }

  /** As many steps as `milliseconds` allow, at least one. */
  goOn(milliseconds) {
    const end = performance.now() + milliseconds;
    do this.take(); while (this.right.step < this.steps && performance.now() < end);
    if (this.right.step === this.steps) this.measure();
  }

  take() {
    const { right, rival, probe } = this;
    if (this.parted === null) probe.parameters.set(right.parameters);
    const step = right.step + 1;
    const loss = right.advance(1, false);
    const other = rival.advance();
    [this.losses[step - 1], this.others[step - 1]] = [loss, other];
    if (this.printed === null && loss.toFixed(4) !== other.toFixed(4)) this.printed = { step, right: loss, other };
    if (rival.isOpen && this.parted === null) {
      if (!Object.is(loss, other)) this.parted = { step, name: 'loss', right: loss, other };
      else this.compare(KINDS, step);
      if (this.parted !== null) this.parted = this.firstVector(step) ?? this.parted;
    }
    if (rival.isOpen || step % SELDOM === 0 || step === this.steps) {
      this.distance = apart(right.parameters, rival.parameters);
      this.distances[step - 1] = this.distance;
    }
  }

  /** The first quantity of the forward pass that differs, in the contract's order; null if none does. */
  firstVector(step) {
    const { probe, rival } = this;
    const tokens = probe.tokens(probe.document(step - 1));
    probe.look(probe.document(step - 1));
    const expected = new Map(probe.tensors().map(({ name, values }) => [name, values]));
    for (const [name, numbers] of rival.vectors(tokens, probe.parameters)) {
      const values = expected.get(name);
      const at = values ? differsAt(values, numbers) : -1;
      if (at >= 0) return { step, name: `${name}[${at}]`, right: values[at], other: numbers[at] };
    }
    return null;
  }

  compare(kinds, step) {
    const { right, rival } = this;
    for (const kind of kinds) {
      const at = differsAt(right[kind], rival[kind]);
      if (at < 0) continue;
      this.parted = { step, name: CALLED[kind] + this.place(at), right: right[kind][at], other: rival[kind][at] };
      return;
    }
  }

  /** A parameter's matrix, row and column. */
  place(index) {
    let first = 0;
    for (const { name, rows, columns } of this.matrices) {
      if (index < first + rows * columns) return `${name}[${Math.floor((index - first) / columns)}][${(index - first) % columns}]`;
      first += rows * columns;
    }
    throw new Error(`there is no parameter ${index}`);
  }

  measure() {
    const [a, b] = [this.right.parameters, this.rival.parameters];
    let at = 0;
    for (let i = 1; i < a.length; i++) if (Math.abs(a[i] - b[i]) > Math.abs(a[at] - b[at])) at = i;
    this.farthest = { name: this.place(at), right: a[at], other: b[at] };
  }

  report() {
    const { steps, losses, others, distances, distance, printed, parted, farthest } = this;
    return { step: this.right.step, steps, losses, others, distances, distance, printed, parted, farthest, isOpen: this.rival.isOpen, by: this.rival.by };
  }
}
