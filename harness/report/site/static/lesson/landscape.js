/** The result as a curve over one input, with its slope: the gradient is how steep the ground is. */

import { svg } from './graph.js';
import { short } from './words.js';

const [HIGH, LEFT, RIGHT, TOP, BOTTOM] = [270, 52, 14, 12, 30]; // pixels
const POINTS = 120;
const REACH = 0.18; // of the axis, that the tangent goes to each side

export class Slope {
  constructor({ plot, which, readout }) {
    Object.assign(this, { plot, which, readout, bench: null });
    which.addEventListener('change', () => this.draw(this.bench));
    const move = (event) => {
      const share = (event.clientX - plot.getBoundingClientRect().left - LEFT) / (this.wide - LEFT - RIGHT);
      const [low, high] = this.range;
      const x = Math.min(high, Math.max(low, low + share * (high - low)));
      this.bench.set(new Map([[which.selectedIndex, Math.round(10 * x) / 10]]));
    };
    plot.addEventListener('pointerdown', (event) => {
      plot.setPointerCapture(event.pointerId);
      move(event);
    });
    plot.addEventListener('pointermove', (event) => { if (event.buttons === 1) move(event); });
  }

  draw(bench) {
    this.bench = bench;
    const { plot, which } = this;
    if (plot.clientWidth === 0) return;
    const { inputs, result } = bench.lesson;
    if (inputs.map(({ name }) => name).join() !== [...which.options].map(({ text }) => text).join()) {
      which.replaceChildren(...inputs.map(({ name }) => new Option(name)));
    }
    const chosen = which.selectedIndex;
    const { slider } = bench.sliders[chosen];
    const [low, high] = this.range = [Number(slider.min), Number(slider.max)];
    this.wide = plot.clientWidth;
    const points = Array.from({ length: POINTS + 1 }, (_, i) => {
      const x = low + ((high - low) * i) / POINTS;
      return [x, bench.evaluate(new Map([[chosen, x]])).result.data];
    });
    const { node, name } = inputs[chosen];
    const finite = [...points.map(([, y]) => y), result.data].filter(Number.isFinite);
    const [least, most] = [Math.min(...finite), Math.max(...finite)];
    const px = (x) => LEFT + ((x - low) / (high - low)) * (this.wide - LEFT - RIGHT);
    const py = (y) => HIGH - BOTTOM - ((y - least) / (most - least || 1)) * (HIGH - TOP - BOTTOM);
    let drawn = '';
    for (const [x, y] of points) drawn += Number.isFinite(y) ? `${drawn === '' || drawn.endsWith(' ') ? 'M' : 'L'}${px(x).toFixed(2)},${py(y).toFixed(2)}` : ' ';
    const reach = REACH * (high - low);
    const tangent = [-reach, reach].map((dx) => [px(node.data + dx), py(result.data + dx * node.grad)]);
    const whole = bench.words.name(result);
    const text = (x, y, anchor, content) => svg('text', { x, y, class: 'tick', 'text-anchor': anchor }, content);
    const isDefined = [node.data, result.data, node.grad].every(Number.isFinite);
    plot.setAttribute('viewBox', `0 0 ${this.wide} ${HIGH}`);
    plot.setAttribute('height', HIGH);
    plot.replaceChildren(
      svg('line', { class: 'axis', x1: LEFT, x2: this.wide - RIGHT, y1: HIGH - BOTTOM, y2: HIGH - BOTTOM }),
      text(px(low), HIGH - 10, 'start', short(low)), text((px(low) + px(high)) / 2, HIGH - 10, 'middle', name), text(px(high), HIGH - 10, 'end', short(high)),
      text(LEFT - 8, py(most) + 8, 'end', short(most)), text(LEFT - 8, py(least), 'end', short(least)),
      svg('path', { class: 'curve', d: drawn.trim() }),
      ...(isDefined ? [
        svg('line', { class: 'tangent', x1: tangent[0][0], y1: tangent[0][1], x2: tangent[1][0], y2: tangent[1][1] }),
        svg('circle', { class: 'point', cx: px(node.data), cy: py(result.data), r: 6 }),
      ] : []),
    );
    const way = node.grad > 0 ? 'less' : 'more';
    this.readout.textContent = !isDefined
      ? `At ${name} = ${short(node.data)}, ${whole} is ${short(result.data)}: there is no slope.`
      : node.grad === 0 ? `At ${name} = ${short(node.data)} the ground is level: d${whole}/d${name} = 0.0.`
        : `At ${name} = ${short(node.data)} the slope is d${whole}/d${name} = ${short(node.grad)}: with a little ${way} ${name}, ${whole} falls.`;
  }
}
