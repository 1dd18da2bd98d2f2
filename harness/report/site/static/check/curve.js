/** Curves over steps as SVG, as wide as there is room, drawn again when that changes. */

import { general, thousands } from './text.js';

const SVG = 'http://www.w3.org/2000/svg';
const HEIGHT = 220;
const MARGIN = { top: 8, right: 12, bottom: 26, left: 54 };

function element(name, attributes, text = '') {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.textContent = text;
  return made;
}

/** About `count` round numbers from `low` to `high`. */
function ticks(low, high, count) {
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((n) => n * power).find((size) => size >= rough);
  const first = Math.ceil(low / step);
  return Array.from({ length: Math.max(0, Math.floor(high / step) - first + 1) }, (_, i) => (first + i) * step);
}

/** The least and the greatest finite number, a little apart if they are one. */
function extent(numbers) {
  let [low, high] = [Infinity, -Infinity];
  for (const x of numbers) {
    if (!Number.isFinite(x)) continue;
    low = Math.min(low, x);
    high = Math.max(high, x);
  }
  if (low > high) return [0, 1];
  const room = low === high ? Math.abs(low) / 10 || 1 : (high - low) / 20;
  return [low - room, high + room];
}

/** A line through the points, broken where a number is none. */
function path(steps, values, x, y) {
  let isDown = false;
  return steps.map((step, i) => {
    if (!Number.isFinite(values[i])) {
      isDown = false;
      return '';
    }
    const command = isDown ? 'L' : 'M';
    isDown = true;
    return `${command}${x(step).toFixed(1)} ${y(values[i]).toFixed(1)}`;
  }).join('');
}

function draw(width, { label, steps, series, mark }) {
  const svg = element('svg', { class: 'plot', width, height: HEIGHT, viewBox: `0 0 ${width} ${HEIGHT}`, role: 'img', 'aria-label': label });
  const [left, right] = steps.length > 1 ? [steps[0], steps.at(-1)] : [steps[0] - 1, steps[0] + 1];
  const [low, high] = extent(series.flatMap(({ values }) => values));
  const x = (step) => MARGIN.left + (step - left) / (right - left) * (width - MARGIN.left - MARGIN.right);
  const y = (value) => HEIGHT - MARGIN.bottom - (value - low) / (high - low) * (HEIGHT - MARGIN.top - MARGIN.bottom);
  for (const value of ticks(low, high, 5)) {
    svg.append(element('line', { class: 'grid', x1: MARGIN.left, x2: width - MARGIN.right, y1: y(value), y2: y(value) }));
    const words = general(Math.abs(value) < (high - low) * 1e-9 ? 0 : value, 4);
    svg.append(element('text', { class: 'tick', x: MARGIN.left - 6, y: y(value) + 4, 'text-anchor': 'end' }, words));
  }
  for (const step of ticks(left, right, Math.max(2, width / 110)).filter(Number.isInteger)) {
    svg.append(element('text', { class: 'tick', x: x(step), y: HEIGHT - 6, 'text-anchor': 'middle' }, thousands(step)));
  }
  if (mark !== null) svg.append(element('line', { class: 'mark', x1: x(mark), x2: x(mark), y1: MARGIN.top, y2: HEIGHT - MARGIN.bottom }));
  for (const { style, values } of series) svg.append(element('path', { class: `curve ${style}`, d: path(steps, values, x, y) }));
  return svg;
}

/** Keeps the plot of `content` in `box`: { label, steps, series: [{ style, values }], mark: a step or null }. */
export function plot(box, content) {
  let width = 0;
  new ResizeObserver(() => {
    const now = Math.floor(box.clientWidth);
    if (now === width || now === 0) return;
    width = now;
    box.replaceChildren(draw(width, content));
  }).observe(box);
}
