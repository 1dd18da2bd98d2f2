/** Two ways down the same landscape: along the gradient, and Adam's. */

import { pow } from './exact.js';
import { short } from './words.js';

const PLAIN_RATE = 0.014; // with 0.015 it would go astray on the line through two points
const RATE = 0.2;
const [BETA1, BETA2, EPSILON] = [0.9, 0.95, 1e-8];
const CELLS = 40; // a side, at whose corners the result is computed
const PIXELS = 240; // a side of the picture
const BANDS = 14;

/** Adam's next step (Kingma and Ba, 2015; SPEC, section 8): all terms, from p, its gradient g, m and v; `step` counts from 0. */
export function adam(step, { p, g, m, v }, rate = RATE) {
  const m2 = BETA1 * m + (1 - BETA1) * g;
  const v2 = BETA2 * v + (1 - BETA2) * pow(g, 2);
  const mHat = m2 / (1 - pow(BETA1, step + 1));
  const vHat = v2 / (1 - pow(BETA2, step + 1));
  return { g, m: m2, v: v2, mHat, vHat, p: p - (rate * mHat) / (pow(vHat, 0.5) + EPSILON) };
}

export class Descent {
  constructor({ map, axesText, terms, readout, one, many, again }) {
    Object.assign(this, { map, axesText, terms, readout, bench: null, ground: null, own: false });
    one.addEventListener('click', () => this.walk(1));
    many.addEventListener('click', () => this.walk(50));
    again.addEventListener('click', () => this.bench.set(new Map(this.start.entries())));
    map.addEventListener('pointerdown', (event) => {
      const box = map.getBoundingClientRect();
      const at = (share, { low, high }) => Math.round(10 * (low + share * (high - low))) / 10;
      if (this.axes.length < 2) return;
      this.bench.set(new Map([
        [0, at((event.clientX - box.left) / box.width, this.axes[0])],
        [1, at(1 - (event.clientY - box.top) / box.height, this.axes[1])],
      ]));
    });
  }

  /** The bench has changed: unless this walk did it, both walkers begin where the inputs are. */
  draw(bench) {
    this.bench = bench;
    if (!this.own) this.begin();
    this.paint();
  }

  begin() {
    const { lesson: { inputs }, sliders } = this.bench;
    this.steps = 0;
    this.start = inputs.map(({ node }) => node.data);
    this.state = this.start.map((p) => ({ p, g: 0, m: 0, v: 0, mHat: 0, vHat: 0 }));
    this.plain = [this.start];
    this.adam = [this.start];
    this.axes = sliders.slice(0, 2).map(({ slider }) => ({ low: Number(slider.min), high: Number(slider.max) }));
  }

  gradients(point) {
    const { result, inputs } = this.bench.evaluate(new Map(point.entries()));
    for (const step of result.backward()) void step;
    return inputs.map(({ node }) => node.grad);
  }

  walk(count) {
    for (let i = 0; i < count; i++, this.steps++) {
      const plain = this.plain.at(-1);
      this.plain.push(this.gradients(plain).map((g, k) => plain[k] - PLAIN_RATE * g));
      const gradients = this.gradients(this.adam.at(-1));
      this.state = this.state.map((one, k) => adam(this.steps, { ...one, g: gradients[k] }));
      this.adam.push(this.state.map(({ p }) => p));
    }
    this.own = true;
    this.bench.set(new Map(this.adam.at(-1).entries()));
    this.own = false;
  }

  paint() {
    const { bench, map, steps } = this;
    const { inputs, result } = bench.lesson;
    const whole = bench.words.name(result);
    const at = (point) => short(bench.evaluate(new Map(point.entries())).result.data);
    this.readout.textContent = `After ${steps} ${steps === 1 ? 'step' : 'steps'}: ${whole} is ${at(this.plain.at(-1))} along the gradient, ${at(this.adam.at(-1))} with Adam.`;
    const [{ g, m, v, mHat, vHat }] = this.state;
    const { name } = inputs[0];
    this.terms.textContent = steps === 0 ? `Take a step to see Adam’s terms for ${name}.` : [
      `g     = d${whole}/d${name} = ${short(g)}`,
      `m     = ${BETA1} m + ${short(1 - BETA1)} g = ${short(m)}`,
      `v     = ${BETA2} v + ${short(1 - BETA2)} g² = ${short(v)}`,
      `m̂     = m / (1 − ${BETA1}^${steps}) = ${short(mHat)}`,
      `v̂     = v / (1 − ${BETA2}^${steps}) = ${short(vHat)}`,
      `${name.padEnd(5)} = ${name} − ${RATE} m̂ / (√v̂ + 1e−8) = ${short(this.state[0].p)}`,
    ].join('\n');
    map.hidden = inputs.length < 2;
    this.axesText.textContent = map.hidden ? 'a map needs two inputs' : `${name} across, ${inputs[1].name} up`;
    if (!map.hidden && map.clientWidth > 0) this.picture();
  }

  picture() {
    const { map, axes: [across, up] } = this;
    const style = getComputedStyle(map);
    map.width = PIXELS * 2;
    map.height = PIXELS * 2;
    const context = map.getContext('2d');
    context.scale(2, 2);
    this.survey();
    context.fillStyle = style.getPropertyValue('--bar');
    for (let y = 0; y < PIXELS; y++) {
      for (let x = 0; x < PIXELS; x++) {
        const height = this.height(x / (PIXELS - 1), 1 - y / (PIXELS - 1));
        context.globalAlpha = 0.08 + (0.72 * Math.floor(height * BANDS)) / BANDS;
        if (Number.isFinite(height)) context.fillRect(x, y, 1, 1);
      }
    }
    context.globalAlpha = 1;
    const spot = ([a, b]) => [((a - across.low) / (across.high - across.low)) * PIXELS, (1 - (b - up.low) / (up.high - up.low)) * PIXELS];
    for (const [path, color] of [[this.plain, style.getPropertyValue('--bad')], [this.adam, style.getPropertyValue('--ok')]]) {
      context.strokeStyle = context.fillStyle = color;
      context.lineWidth = 1.5;
      context.beginPath();
      for (const point of path) context.lineTo(...spot(point));
      context.stroke();
      for (const [i, point] of path.entries()) {
        context.beginPath();
        context.arc(...spot(point), i === path.length - 1 ? 4 : 1.6, 0, 2 * Math.PI);
        context.fill();
      }
    }
  }

  /** The result at all corners of the grid, on a logarithmic scale from 0 to 1. It depends on the text but for the two inputs. */
  survey() {
    const { bench, axes: [across, up] } = this;
    const others = bench.lesson.inputs.slice(2).map(({ node }) => node.data);
    const key = JSON.stringify([bench.lesson.steps.length, bench.parts.example.value, others, this.axes]);
    if (key === this.ground?.key) return;
    const side = Array.from({ length: CELLS + 1 }, (_, i) => i / CELLS);
    const on = ({ low, high }, share) => low + share * (high - low);
    const found = side.map((y) => side.map((x) => bench.evaluate(new Map([[0, on(across, x)], [1, on(up, y)]])).result.data));
    const finite = found.flat().filter(Number.isFinite);
    const least = Math.min(...finite);
    const most = Math.log1p(Math.max(...finite) - least) || 1;
    this.ground = { key, heights: found.map((row) => row.map((z) => Math.log1p(z - least) / most)) };
  }

  /** Between the corners, by both sides' shares. */
  height(x, y) {
    const { heights } = this.ground;
    const [i, j] = [x, y].map((share) => Math.min(CELLS - 1, Math.floor(share * CELLS)));
    const [a, b] = [x * CELLS - i, y * CELLS - j];
    const row = (k) => heights[k][i] * (1 - a) + heights[k][i + 1] * a;
    return Math.min(0.999, row(j) * (1 - b) + row(j + 1) * b);
  }
}
