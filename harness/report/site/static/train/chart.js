/** A small line chart on a canvas: several series over the steps, one axis of values, linear or logarithmic. */

import { thousands } from './doubles.js';

const [LEFT, RIGHT, TOP, BOTTOM] = [54, 12, 10, 24]; // margins in pixels

/** Fits the canvas to its place on the screen; returns its pen, sizes and the colours of the style sheet. */
export function prepared(canvas) {
  const scale = window.devicePixelRatio || 1;
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  if (canvas.width !== Math.round(width * scale)) canvas.width = Math.round(width * scale);
  if (canvas.height !== Math.round(height * scale)) canvas.height = Math.round(height * scale);
  const style = getComputedStyle(canvas);
  const color = (name) => style.getPropertyValue(`--${name}`).trim();
  const pen = canvas.getContext('2d');
  pen.setTransform(scale, 0, 0, scale, 0, 0);
  pen.clearRect(0, 0, width, height);
  pen.font = `12px ${color('sans')}`;
  return { pen, width, height, color };
}

/** `series` is [{ values, color, width }], NaN where there is none; `ticks` are the values of the axis that get a label. */
export function draw(canvas, { series, steps, ticks, range, label = String, logarithmic = false, mark = null }) {
  const { pen, width, height, color } = prepared(canvas);
  const place = logarithmic ? Math.log10 : (value) => value;
  const [low, high] = range.map(place);
  const x = (step) => LEFT + (step / steps) * (width - LEFT - RIGHT);
  const y = (value) => TOP + ((high - Math.max(low, Math.min(high, place(value)))) / (high - low)) * (height - TOP - BOTTOM);
  const line = (...points) => {
    pen.beginPath();
    for (const point of points) pen.lineTo(...point);
    pen.stroke();
  };
  pen.strokeStyle = color('line');
  pen.fillStyle = color('muted');
  pen.textAlign = 'right';
  pen.textBaseline = 'middle';
  for (const tick of ticks) {
    line([LEFT, y(tick)], [width - RIGHT, y(tick)]);
    pen.fillText(label(tick), LEFT - 8, y(tick));
  }
  pen.textBaseline = 'alphabetic';
  for (const share of width < 500 ? [0, 0.5, 1] : [0, 0.25, 0.5, 0.75, 1]) {
    pen.textAlign = { 0: 'left', 1: 'right' }[share] ?? 'center';
    pen.fillText(thousands(Math.round(share * steps)), x(share * steps), height - 6);
  }
  if (mark !== null) {
    pen.setLineDash([4, 3]);
    pen.strokeStyle = color('bad');
    line([x(mark), TOP], [x(mark), height - BOTTOM]);
    pen.setLineDash([]);
  }
  pen.lineJoin = 'round';
  for (const one of series) {
    pen.strokeStyle = color(one.color);
    pen.lineWidth = one.width ?? 1.75;
    line(...Array.from(one.values, (value, i) => [x(i + 1), y(value), value]).filter(([, , value]) => !Number.isNaN(value)));
  }
  pen.lineWidth = 1;
}
