/** The landscape's picture: contours of real losses, and the run's path through them. */

import { prepared } from './chart.js';
import { thousands } from './doubles.js';
import { startWorker } from './workers.js';

const BUDGET = 60; // milliseconds of measuring for one picture

export class Plane {
  /** `settings` gives the text and the number of steps of the run on the page. */
  constructor({ go, canvas, said }, settings) {
    Object.assign(this, { go, canvas, said, settings, worker: null, found: null, step: 0 });
    go.addEventListener('click', () => (this.worker === null ? this.start() : this.stop()));
    document.addEventListener('visibilitychange', () => { if (!document.hidden) this.ask(); });
  }

  start() {
    this.worker = startWorker();
    this.worker.onmessage = ({ data }) => this.answered(data);
    this.worker.onerror = (event) => this.stop(event.message);
    this.go.textContent = 'Stop';
    this.said.textContent = 'The run is made once more, for its path …';
    this.waiting = true;
    this.worker.postMessage({ kind: 'landscape', ...this.settings() });
  }

  stop(text) {
    this.worker?.terminate();
    this.worker = null;
    this.go.textContent = 'Measure the landscape';
    if (text) this.said.textContent = text;
  }

  /** Another text is trained on: what was found is no longer of this run. */
  clear() {
    this.stop();
    this.found = null;
    this.said.textContent = '';
    this.canvas.hidden = true;
  }

  ask() {
    if (this.worker === null || this.waiting || document.hidden) return;
    this.waiting = true;
    this.worker.postMessage({ kind: 'landscapeOn', milliseconds: BUDGET });
  }

  answered(data) {
    this.waiting = false;
    if (data.error !== undefined) {
      this.stop(data.error);
      return;
    }
    this.found = data.landscape;
    this.canvas.hidden = false;
    const { explained, done, values, documents, contours, ends, steps, count } = this.found;
    const percent = (share) => `${(100 * share).toFixed(1)} %`;
    const plane = `The path has ${thousands(steps + 1)} points in ${thousands(count)} dimensions. This plane holds ${percent(explained[0])} of its variance across and ${percent(explained[1])} upwards.`;
    const measured = `${thousands(done)} of ${thousands(values.length)} losses measured, each on the first ${documents} documents of the run`;
    if (contours === undefined) this.said.textContent = `${plane} ${measured}.`;
    else {
      const [low, high] = [contours[0].value, contours.at(-1).value].map((value) => value.toFixed(2));
      this.said.textContent = `${plane} ${measured}; lines from ${low} to ${high}. The run ends at ${ends.real.toFixed(4)}; the place below it in the plane has ${ends.plane.toFixed(4)}.`;
      this.canvas.setAttribute('aria-label', this.said.textContent);
      this.stop();
    }
    this.draw(this.step);
    this.ask();
  }

  /** Draws the path up to a step. */
  draw(step) {
    this.step = step;
    if (this.found === null) return;
    const { pen, width, height, color } = prepared(this.canvas);
    const { values, across, down, contours, path, box: [[left, right], [bottom, top]] } = this.found;
    const x = (place) => ((place - left) / (right - left)) * width;
    const y = (place) => height - ((place - bottom) / (top - bottom)) * height;
    pen.strokeStyle = color('bar');
    pen.fillStyle = color('bar');
    pen.lineWidth = 0.75;
    if (contours === undefined) {
      pen.globalAlpha = 0.15;
      values.forEach((value, i) => {
        if (!Number.isNaN(value)) pen.fillRect((i % across) * (width / across), height - (Math.floor(i / across) + 1) * (height / down), width / across - 1, height / down - 1);
      });
    }
    for (const { coordinates } of contours ?? []) {
      pen.beginPath();
      for (const ring of coordinates.flat()) ring.forEach(([a, b], i) => {
        pen[i === 0 ? 'moveTo' : 'lineTo'](((a - 0.5) / (across - 1)) * width, height - ((b - 0.5) / (down - 1)) * height);
      });
      pen.globalAlpha = 0.07;
      pen.fill('evenodd');
      pen.globalAlpha = 0.6;
      pen.stroke();
    }
    pen.lineJoin = 'round';
    const way = (from, to) => {
      pen.beginPath();
      for (let i = from; i <= to; i++) pen.lineTo(x(path[0][i]), y(path[1][i]));
      pen.stroke();
    };
    const last = Math.min(step, path[0].length - 1);
    pen.strokeStyle = color('ink');
    pen.globalAlpha = 0.25;
    way(last, path[0].length - 1);
    pen.globalAlpha = 1;
    pen.lineWidth = 2;
    way(0, last);
    pen.fillStyle = color('ink');
    pen.beginPath();
    pen.arc(x(path[0][last]), y(path[1][last]), 5, 0, 7);
    pen.fill();
  }
}
