/** Heat maps on one fixed scale, the same for every quantity and every step: linear below 0.00001, logarithmic above, up to 3. */

import { element } from './doubles.js';

const [LINEAR, HIGHEST] = [1e-5, 3];
const SHADES = 255; // of each sign
const STOPS = {
  light: {
    negative: ['#fcfbf8', '#bcdcea', '#5b9bc9', '#23519c', '#1a1650'],
    positive: ['#fcfbf8', '#fae0ad', '#ee9a4d', '#c3442c', '#4f0a1c'],
  },
  dark: {
    negative: ['#15171a', '#17344e', '#2468a0', '#5fb0e0', '#e2f6ff'],
    positive: ['#15171a', '#47220f', '#a3461c', '#ee9247', '#fff0c4'],
  },
};
const darkness = window.matchMedia('(prefers-color-scheme: dark)');

/** From -1 to 1: where a number stands on the scale. */
export const onScale = (x) => Math.max(-1, Math.min(1, Math.asinh(x / LINEAR) / Math.asinh(HIGHEST / LINEAR)));

const channels = (color) => [1, 3, 5].map((at) => parseInt(color.slice(at, at + 2), 16));

function between(stops, share) {
  const at = Math.min(stops.length - 2, Math.floor(share * (stops.length - 1)));
  const rest = share * (stops.length - 1) - at;
  const [low, high] = [channels(stops[at]), channels(stops[at + 1])];
  return low.map((from, i) => Math.round(from + (high[i] - from) * rest));
}

function palette(scheme) {
  const made = new Uint32Array(2 * SHADES + 1);
  for (let i = -SHADES; i <= SHADES; i++) {
    const [r, g, b] = between(STOPS[scheme][i < 0 ? 'negative' : 'positive'], Math.abs(i) / SHADES);
    made[i + SHADES] = (255 << 24) | (b << 16) | (g << 8) | r;
  }
  return made;
}

let shades = palette(darkness.matches ? 'dark' : 'light');

/** Calls `redraw` when the visitor's system turns dark or light. */
export function onScheme(redraw) {
  darkness.addEventListener('change', () => {
    shades = palette(darkness.matches ? 'dark' : 'light');
    redraw();
  });
}

/** One matrix as a canvas of a pixel a cell, magnified by the style sheet, walked over with mouse and arrow keys. */
export class Heat {
  /** `flipped` draws rows downwards as columns. onCell(row, column) is told of the chosen cell. */
  constructor(name, rows, columns, { flipped = false, label, onCell }) {
    Object.assign(this, { name, rows, columns, flipped, onCell });
    const [across, down] = flipped ? [rows, columns] : [columns, rows];
    this.canvas = element('canvas', 'heat');
    this.canvas.width = across;
    this.canvas.height = down;
    this.canvas.tabIndex = 0;
    this.canvas.setAttribute('role', 'application');
    this.canvas.setAttribute('aria-label', label);
    this.canvas.style.setProperty('--across', across);
    this.canvas.style.setProperty('--down', down);
    this.mark = element('span', 'mark');
    this.mark.hidden = true;
    this.box = element('div', 'map', this.canvas, this.mark);
    this.image = new ImageData(across, down);
    this.pixels = new Uint32Array(this.image.data.buffer);
    this.cell = [0, 0]; // across, down
    for (const kind of ['pointerdown', 'pointermove']) {
      this.canvas.addEventListener(kind, (event) => {
        if (event.pointerType === 'touch' && kind === 'pointermove') return;
        const box = this.canvas.getBoundingClientRect();
        this.choose(
          Math.floor(((event.clientX - box.left) / box.width) * across),
          Math.floor(((event.clientY - box.top) / box.height) * down),
        );
      });
    }
    this.canvas.addEventListener('focus', () => this.choose(...this.cell));
    this.canvas.addEventListener('keydown', (event) => {
      const move = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
      if (!move) return;
      event.preventDefault();
      this.choose(this.cell[0] + move[0], this.cell[1] + move[1]);
    });
  }

  choose(across, down) {
    const { width, height } = this.canvas;
    this.cell = [Math.max(0, Math.min(width - 1, across)), Math.max(0, Math.min(height - 1, down))];
    this.onCell(...(this.flipped ? this.cell : [this.cell[1], this.cell[0]]));
  }

  /** Marks a cell, or none. */
  show(row, column) {
    this.mark.hidden = row === undefined;
    if (this.mark.hidden) return;
    this.cell = this.flipped ? [row, column] : [column, row];
    this.mark.style.setProperty('--x', this.cell[0]);
    this.mark.style.setProperty('--y', this.cell[1]);
  }

  /** valueAt(i) is the number in row-major place i; `scale` puts it between -1 and 1. */
  draw(valueAt, scale = onScale) {
    const { rows, columns, flipped, pixels } = this;
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++) {
        const shade = SHADES + Math.round(scale(valueAt(row * columns + column)) * SHADES);
        pixels[flipped ? column * rows + row : row * columns + column] = shades[shade];
      }
    }
    this.canvas.getContext('2d').putImageData(this.image, 0, 0);
  }
}
