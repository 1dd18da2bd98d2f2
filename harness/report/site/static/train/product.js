/** The seven matrix products of a position: any cell of any result, term by term, left to right. */

import { decimal, element, hex } from './doubles.js';
import { Heat } from './heat.js';
import { spoken } from './frame.js';

const LAYER = 'layer0.';
export const PRODUCTS = [ // matrix, what it is applied to, result; `mixed` is the four heads' results side by side
  ['layer0.attn_wq', `${LAYER}attn_norm`, `${LAYER}q`],
  ['layer0.attn_wk', `${LAYER}attn_norm`, `${LAYER}k`],
  ['layer0.attn_wv', `${LAYER}attn_norm`, `${LAYER}v`],
  ['layer0.attn_wo', 'mixed', `${LAYER}attn_out`],
  ['layer0.mlp_fc1', `${LAYER}mlp_norm`, `${LAYER}hidden`],
  ['layer0.mlp_fc2', `${LAYER}activated`, `${LAYER}mlp_out`],
  ['lm_head', `${LAYER}mlp_residual`, 'logits'],
];

/** The row times the column from left to right, beginning with +0: { weight, x, product, sum } of every term. */
export function terms(weights, xs) {
  let sum = 0;
  return Array.from(weights, (weight, i) => {
    const product = weight * xs[i];
    sum += product;
    return { weight, x: xs[i], product, sum };
  });
}

export class Products {
  constructor({ form, maps, title, body, verdict }) {
    Object.assign(this, { form, holder: maps, title, body, verdict, row: 0 });
    form.addEventListener('change', () => this.change());
    form.addEventListener('submit', (event) => event.preventDefault());
  }

  draw(frame) {
    this.frame = frame;
    const { position } = this.form.elements;
    const kept = Math.min(Number(position.value), frame.positions - 1);
    const options = frame.tokens.map((token, at) => new Option(`${at}: ${spoken(token)}`, at, false, at === kept));
    if (options.map((one) => one.text).join() !== [...position.options].map((one) => one.text).join()) position.replaceChildren(...options);
    this.change();
  }

  change() {
    const { form: { elements }, frame } = this;
    const product = Number(elements.product.value);
    const [matrix, from, to] = PRODUCTS[product];
    const prefix = `pos${Number(elements.position.value)}.`;
    this.matrix = frame.tensor(matrix);
    this.input = from === 'mixed'
      ? [0, 1, 2, 3].flatMap((head) => [...frame.tensor(`${prefix}layer0.head${head}.mixed`).values])
      : frame.tensor(prefix + from).values;
    this.output = frame.tensor(prefix + to).values;
    if (this.product !== product) this.make(product);
    this.maps.matrix.draw((at) => this.matrix.values[at]);
    this.maps.input.draw((at) => this.input[at]);
    this.maps.output.draw((at) => this.output[at]);
    this.read();
  }

  make(product) {
    this.product = product;
    const [name, from, to] = PRODUCTS[product];
    const { rows, columns } = this.matrix;
    this.row = Math.min(this.row, rows - 1);
    const choose = (row) => {
      this.row = row;
      this.read();
    };
    const map = (label, height, width, onCell) => new Heat(label, height, width, { label: `${label}: arrow keys choose a row`, onCell });
    this.maps = {
      matrix: map(name, rows, columns, choose),
      input: map(from, columns, 1, () => choose(this.row)),
      output: map(to, rows, 1, choose),
    };
    const figure = (label, heat) => element('figure', '', element('figcaption', '', element('code', '', label.replace(LAYER, ''))), heat.box);
    const sign = (text) => element('span', 'operator', text);
    this.holder.replaceChildren(
      figure(name, this.maps.matrix), sign('×'), figure(from, this.maps.input), sign('='), figure(to, this.maps.output),
    );
  }

  read() {
    const { row, matrix: { values, columns }, input, output } = this;
    const weights = values.subarray(row * columns, (row + 1) * columns);
    const found = terms(weights, input);
    this.maps.matrix.show(row, 0);
    this.maps.output.show(row, 0);
    this.maps.matrix.mark.style.setProperty('--wide', columns);
    this.title.textContent = `Row ${row} of ${this.maps.matrix.name}, times ${this.maps.input.name.replace(LAYER, '')}`;
    this.body.replaceChildren(...found.map(({ weight, x, product, sum }, i) => element(
      'tr', '',
      element('td', 'n', String(i)),
      ...[weight, x, product, sum].map((number) => element('td', 'decimal', decimal(number), element('small', '', hex(number)))),
    )));
    const { sum } = found.at(-1);
    const same = hex(sum) === hex(output[row]);
    this.verdict.textContent = same
      ? `The last sum is ${hex(sum)}: every bit of the engine’s own result.`
      : `The last sum is ${hex(sum)}, and the engine’s result ${hex(output[row])}: they differ.`;
    this.verdict.dataset.state = same ? 'ok' : 'bad';
  }
}
