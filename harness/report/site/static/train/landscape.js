/** The loss landscape around a run's path: the plane of its first two principal components, and real losses on a grid. In the worker. */

const KEPT = 100; // points of the path from which the components come, about
const DOCUMENTS = 50; // the first of the run, on which every loss of the grid is measured
const [ACROSS, DOWN] = [40, 30]; // points of the grid
const MARGIN = 0.3; // beyond the path, as a share of its extent
const LEVELS = 14;
const ITERATIONS = 1000; // of the power method, which ends when nothing changes

const dot = (a, b) => {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
};

/** The greatest eigenvalue of a symmetric matrix (rows) and its unit eigenvector, by the power method. */
function principal(rows) {
  let vector = Float64Array.from(rows, (_, i) => 1 + ((i * 7919) % 13));
  let value = 0;
  for (let i = 0; i < ITERATIONS; i++) {
    const next = Float64Array.from(rows, (row) => dot(row, vector));
    const length = Math.sqrt(dot(next, next));
    vector = next.map((x) => x / length);
    if (Math.abs(length - value) <= 1e-13 * length) break;
    value = length;
  }
  return { value, vector };
}

export class Landscape {
  constructor(engine, settings) {
    this.training = engine.training(settings);
    this.steps = settings.steps;
    this.loss = (parameters) => {
      const { training } = this;
      training.parameters.set(parameters);
      let sum = 0;
      for (let i = 0; i < this.documents; i++) sum += training.loss(i);
      return sum / this.documents;
    };
    this.documents = Math.min(DOCUMENTS, this.training.documents);
    this.start = this.training.save();
    this.findPlane();
    this.project();
    this.values = new Float64Array(ACROSS * DOWN).fill(NaN);
    this.done = 0;
  }

  /** Calls `see(parameters, step)` for every step of the run, the first parameters being step 0. */
  walk(see) {
    const { training, steps } = this;
    training.restore(this.start);
    see(training.parameters, 0);
    for (let step = 1; step <= steps; step++) {
      training.advance(1, false);
      see(training.parameters, step);
    }
  }

  /** Components from the Gram matrix of the centred path: as many rows as points, not as parameters. */
  findPlane() {
    const points = [];
    const every = Math.max(1, Math.round(this.steps / KEPT));
    this.walk((parameters, step) => { if (step % every === 0) points.push(parameters.slice()); });
    this.mean = points[0].map((_, i) => points.reduce((sum, point) => sum + point[i], 0) / points.length);
    const centred = points.map((point) => point.map((x, i) => x - this.mean[i]));
    const gram = centred.map((a) => Float64Array.from(centred, (b) => dot(a, b)));
    const total = gram.reduce((sum, row, i) => sum + row[i], 0);
    const found = [0, 1].map(() => {
      const { value, vector } = principal(gram);
      gram.forEach((row, i) => row.forEach((x, k) => { row[k] = x - value * vector[i] * vector[k]; }));
      return { value, vector };
    });
    this.explained = found.map(({ value }) => value / total);
    this.axes = found.map(({ value, vector }) => this.mean.map((_, i) => centred.reduce((sum, point, k) => sum + vector[k] * point[i], 0) / Math.sqrt(value)));
  }

  /** Every step's place in the plane, and the rectangle around them. */
  project() {
    const shifts = this.axes.map((axis) => dot(axis, this.mean));
    this.path = [new Float64Array(this.steps + 1), new Float64Array(this.steps + 1)];
    this.walk((parameters, step) => this.axes.forEach((axis, i) => { this.path[i][step] = dot(axis, parameters) - shifts[i]; }));
    this.end = this.training.parameters.slice();
    this.box = this.path.map((places) => {
      const [low, high] = [Math.min(...places), Math.max(...places)];
      const margin = MARGIN * (high - low || 1);
      return [low - margin, high + margin];
    });
  }

  /** The parameters at a place in the plane. */
  at(x, y) {
    const [a, b] = this.axes;
    return this.mean.map((mean, i) => mean + x * a[i] + y * b[i]);
  }

  /** Losses of the grid, row by row from below, for as long as `milliseconds` allow. */
  goOn(milliseconds) {
    const until = performance.now() + milliseconds;
    const [[left, right], [bottom, top]] = this.box;
    while (this.done < this.values.length && performance.now() < until) {
      const [column, row] = [this.done % ACROSS, Math.floor(this.done / ACROSS)];
      this.values[this.done] = this.loss(this.at(
        left + (column / (ACROSS - 1)) * (right - left), bottom + (row / (DOWN - 1)) * (top - bottom),
      ));
      this.done += 1;
    }
    if (this.done === this.values.length && this.contours === undefined) this.finish();
  }

  finish() {
    const { values } = this;
    const [low, high] = [Math.min(...values), Math.max(...values)];
    const levels = Array.from({ length: LEVELS }, (_, i) => low + (high - low) * ((i + 0.5) / LEVELS) ** 2);
    this.contours = d3.contours().size([ACROSS, DOWN]).thresholds(levels)(values).map(({ value, coordinates }) => ({ value, coordinates }));
    const [x, y] = this.path.map((places) => places.at(-1));
    this.ends = { real: this.loss(this.end), plane: this.loss(this.at(x, y)) };
  }

  report() {
    const { values, done, path, box, explained, documents, contours, ends, steps } = this;
    return { values, done, path, box, explained, documents, contours, ends, steps, across: ACROSS, down: DOWN, count: this.mean.length };
  }
}
