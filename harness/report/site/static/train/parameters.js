/** All parameters as heat maps, and one of them in full: its numbers, its bits, Adam's terms, its history. */

import { pow } from './exact.js';
import { bitGroups, decimal, element, hex } from './doubles.js';
import { Heat } from './heat.js';

const FLIPPED = new Set(['wte', 'wpe', 'lm_head', 'layer0.mlp_fc1']); // so that all are sixteen cells high
const ADAM = { rate: 0.01, beta1: 0.85, beta2: 0.99, epsilon: 1e-8 }; // of `classic`
const KINDS = {
  parameters: 'after the step',
  gradients: 'gradient',
  m: 'm',
  v: 'v',
  update: 'update',
};

export class ParameterMaps {
  constructor({ maps, kinds, facts, title, terms, history, onHistory }) {
    Object.assign(this, { facts, title, terms, history, onHistory });
    this.holder = maps;
    this.kind = 'parameters';
    this.chosen = { matrix: 0, row: 0, column: 0 };
    kinds.addEventListener('change', () => {
      this.kind = kinds.elements.quantity.value;
      this.paint();
    });
  }

  make(frame, about) {
    this.about = about;
    this.chosen = { matrix: 0, row: 0, column: 0 };
    this.holder.replaceChildren();
    this.maps = frame.matrices.map((matrix, index) => {
      const map = new Heat(matrix.name, matrix.rows, matrix.columns, {
        flipped: FLIPPED.has(matrix.name),
        label: `${matrix.name}, ${matrix.rows} by ${matrix.columns}: arrow keys walk from number to number`,
        onCell: (row, column) => this.choose(index, row, column),
      });
      const caption = element('figcaption', '', element('code', '', matrix.name.replace('layer0.', '')), ` ${matrix.rows} × ${matrix.columns}`);
      this.holder.append(element('figure', '', caption, map.box));
      return map;
    });
  }

  draw(frame) {
    this.frame = frame;
    this.paint();
    this.read();
  }

  paint() {
    const { frame, kind } = this;
    const numbers = kind === 'update' ? null : frame[kind];
    this.maps.forEach((map, i) => {
      const { offset } = frame.matrices[i];
      map.draw(numbers ? (at) => numbers[offset + at] : (at) => frame.parameters[offset + at] - frame.before[offset + at]);
    });
  }

  choose(matrix, row, column) {
    this.chosen = { matrix, row, column };
    this.read();
    this.onHistory(this.index);
  }

  get index() {
    const { matrix, row, column } = this.chosen;
    return this.frame.matrices[matrix].offset + row * this.maps[matrix].columns + column;
  }

  /** The chosen parameter as text. */
  read() {
    const { frame, index, chosen } = this;
    const { name } = this.maps[chosen.matrix];
    this.maps.forEach((map, i) => (i === chosen.matrix ? map.show(chosen.row, chosen.column) : map.show()));
    const letters = [...this.about.characters.map((letter) => `“${letter}”`), 'start and end'];
    const about = name === 'wte' || name === 'lm_head' ? `, row of ${letters[chosen.row]}` : '';
    this.title.textContent = `${name}[${chosen.row}][${chosen.column}]${about}`;
    const [before, after] = [frame.before[index], frame.parameters[index]];
    const values = [
      ['before the step', before],
      [KINDS.gradients, frame.gradients[index]],
      [KINDS.m, frame.m[index]],
      [KINDS.v, frame.v[index]],
      [KINDS.parameters, after],
      [KINDS.update, after - before],
    ];
    this.facts.replaceChildren(...values.map(([label, x]) => row(label, x)));
    this.terms.textContent = frame.step === 0 ? 'No step has been taken yet.' : adam(frame, index, this.about.steps);
  }

  /** The parameter's way from the first draw to now, as one line. */
  drawHistory(values) {
    const { canvas, color } = { canvas: this.history, color: getComputedStyle(this.history).getPropertyValue('--bar') };
    const scale = window.devicePixelRatio || 1;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
    const pen = canvas.getContext('2d');
    pen.scale(scale, scale);
    let [low, high] = [Infinity, -Infinity];
    for (const value of values) [low, high] = [Math.min(low, value), Math.max(high, value)];
    if (low === high) [low, high] = [low - 1, high + 1];
    pen.strokeStyle = color;
    pen.lineWidth = 1.5;
    pen.beginPath();
    values.forEach((value, i) => {
      pen.lineTo(2 + (i / this.about.steps) * (width - 4), 4 + ((high - value) / (high - low)) * (height - 8));
    });
    pen.stroke();
    const words = `From ${decimal(values[0])} before the first step to ${decimal(values.at(-1))} after step ${values.length - 1}`;
    canvas.setAttribute('aria-label', words);
  }
}

function row(label, x) {
  const { sign, exponent, fraction } = bitGroups(x);
  const bits = element('span', 'word', element('i', 'sign-bit', sign), ' ', element('i', 'exponent-bits', exponent), ' ', element('i', 'fraction-bits', fraction));
  const head = element('th', '', label);
  head.scope = 'row';
  return element('tr', '', head, element('td', 'decimal', decimal(x)), element('td', 'decimal', hex(x)), element('td', 'decimal', bits));
}

/** How Adam made the step, in the reference's order of operations, computed here once more from m, v and the step. */
function adam(frame, index, steps) {
  const s = frame.step - 1;
  const { rate, beta1, beta2, epsilon } = ADAM;
  const rateNow = rate * (1 - s / steps);
  const [m, v, p] = [frame.m[index], frame.v[index], frame.before[index]];
  const mHat = m / (1 - pow(beta1, s + 1));
  const vHat = v / (1 - pow(beta2, s + 1));
  const after = p - (rateNow * mHat) / (pow(vHat, 0.5) + epsilon);
  const same = hex(after) === hex(frame.parameters[index]);
  return [
    `rate   = 0.01 · (1 − ${s}/${steps}) = ${decimal(rateNow)}`,
    `m_hat  = m / (1 − 0.85^${s + 1}) = ${decimal(mHat)}`,
    `v_hat  = v / (1 − 0.99^${s + 1}) = ${decimal(vHat)}`,
    `after  = before − rate · m_hat / (√v_hat + 1e−8)`,
    `       = ${decimal(after)}`,
    same ? 'The same 64 bits as the engine’s.' : `The engine has ${decimal(frame.parameters[index])}: not the same bits.`,
  ].join('\n');
}
