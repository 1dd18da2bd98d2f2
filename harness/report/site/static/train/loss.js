/** The loss curve: every step, a running mean, and the line of knowing nothing. */

import { prepared } from './chart.js';
import { thousands } from './doubles.js';

const MEAN_OVER = 50; // steps
const [LOWEST, HIGHEST] = [1, 4.5]; // of the axis, which goes higher where there are more tokens

/** The mean of the last MEAN_OVER losses up to step `step`, or of as many as there are. */
export function runningMean(losses, step) {
  const from = Math.max(0, step - MEAN_OVER);
  let sum = 0;
  for (let i = from; i < step; i++) sum += losses[i];
  return sum / (step - from);
}

export class LossCurve {
  constructor(canvas, onStep) {
    this.canvas = canvas;
    const point = (event) => {
      const box = canvas.getBoundingClientRect();
      const share = (event.clientX - box.left - this.left) / (box.width - this.left - this.rightMargin);
      onStep(Math.round(share * this.losses.length));
    };
    canvas.addEventListener('pointerdown', (event) => {
      canvas.setPointerCapture(event.pointerId);
      point(event);
    });
    canvas.addEventListener('pointermove', (event) => {
      if (event.buttons === 1) point(event);
    });
    this.left = 34;
    this.rightMargin = 12;
  }

  /** How many tokens there are to choose from. */
  set vocabulary(tokens) {
    this.tokens = tokens;
    this.chance = Math.log(tokens);
    this.highest = Math.max(HIGHEST, Math.ceil(this.chance) + 0.5);
  }

  /** Draws `losses` (NaN where not known) with the mark at `step`. */
  draw(losses, step) {
    this.losses = losses;
    const { left } = this;
    const { pen, width, height, color } = prepared(this.canvas);
    const bottom = height - 22;
    const x = (at) => left + (at / losses.length) * (width - left - this.rightMargin);
    const { highest } = this;
    const lowest = losses.some((loss) => loss < LOWEST) ? 0 : LOWEST;
    const y = (loss) => 8 + ((highest - Math.min(highest, Math.max(lowest, loss))) / (highest - lowest)) * (bottom - 8);

    pen.strokeStyle = color('line');
    pen.fillStyle = color('muted');
    pen.lineWidth = 1;
    pen.textAlign = 'right';
    pen.textBaseline = 'middle';
    for (let loss = lowest; loss <= highest; loss++) {
      this.line(pen, left, y(loss), width - this.rightMargin, y(loss));
      pen.fillText(String(loss), left - 8, y(loss));
    }
    pen.textBaseline = 'alphabetic';
    const parts = width < 500 ? 4 : 10;
    for (let part = 0; part <= parts; part++) {
      const at = Math.round((part / parts) * losses.length);
      pen.textAlign = at === losses.length ? 'right' : 'center';
      pen.fillText(thousands(at), at === losses.length ? width - 2 : x(at), height - 4);
    }

    pen.fillStyle = color('bar');
    const size = width < 500 ? 1.75 : 2.75;
    for (let i = 0; i < losses.length; i++) {
      if (Number.isNaN(losses[i])) continue;
      pen.globalAlpha = i < step ? 0.75 : 0.25;
      pen.fillRect(x(i + 1) - size / 2, y(losses[i]) - size / 2, size, size);
    }
    pen.globalAlpha = 1;

    pen.setLineDash([5, 4]);
    pen.strokeStyle = color('bad');
    this.line(pen, left, y(this.chance), width - this.rightMargin, y(this.chance));
    pen.setLineDash([]);
    pen.fillStyle = color('bad');
    pen.textAlign = 'right';
    pen.fillText(`log ${this.tokens} = ${this.chance.toFixed(3)}: knowing nothing`, width - this.rightMargin, y(this.chance) - 7);

    pen.strokeStyle = color('ink');
    pen.lineWidth = 2.25;
    pen.lineJoin = 'round';
    pen.beginPath();
    for (let at = 1; at <= step; at++) pen.lineTo(x(at), y(runningMean(losses, at)));
    pen.stroke();
    if (step > 0) {
      pen.fillStyle = color('ink');
      pen.beginPath();
      pen.arc(x(step), y(runningMean(losses, step)), 4.5, 0, 7);
      pen.fill();
    }
  }

  line(pen, x1, y1, x2, y2) {
    pen.beginPath();
    pen.moveTo(x1, y1);
    pen.lineTo(x2, y2);
    pen.stroke();
  }
}
