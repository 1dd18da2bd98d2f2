/** Attention of the four heads: a row for each position, a column for each that it looks at. */

import { decimal, element, hex } from './doubles.js';
import { Heat } from './heat.js';
import { spoken } from './frame.js';

const HEADS = 4;
const share = (x) => x; // weights stand between 0 and 1 as they are

export class Attention {
  constructor({ maps, text }) {
    Object.assign(this, { holder: maps, text, chosen: { head: 0, row: 0, column: 0 } });
  }

  draw(frame) {
    this.frame = frame;
    if (this.positions !== frame.positions) this.make(frame.positions);
    const letters = frame.tokens.map((token) => element('span', '', token ?? '·'));
    this.maps.forEach((map, head) => {
      map.draw((at) => this.weight(head, Math.floor(at / frame.positions), at % frame.positions) ?? 0, share);
      this.labels[head].forEach((label) => label.replaceChildren(...letters.map((letter) => letter.cloneNode(true))));
    });
    this.read();
  }

  make(positions) {
    this.positions = positions;
    const { chosen } = this;
    this.chosen = { ...chosen, row: Math.min(chosen.row, positions - 1), column: Math.min(chosen.column, positions - 1) };
    this.labels = [];
    this.maps = Array.from({ length: HEADS }, (_, head) => {
      const label = `Attention of head ${head + 1}: arrow keys walk from weight to weight`;
      return new Heat('', positions, positions, { label, onCell: (row, column) => this.choose(head, row, column) });
    });
    this.holder.replaceChildren(
      ...this.maps.map((map, head) => {
        const [top, side] = [element('div', 'letters'), element('div', 'letters side')];
        for (const label of [top, side]) {
          label.style.setProperty('--count', positions);
          label.setAttribute('aria-hidden', 'true');
        }
        this.labels.push([top, side]);
        return element('figure', '', element('figcaption', '', `head ${head + 1}`), element('div', 'lettered', top, side, map.box));
      }),
    );
  }

  weight(head, row, column) { return this.frame.tensor(`pos${row}.layer0.head${head}.weights`).values[column]; }

  choose(head, row, column) {
    this.chosen = { head, row, column: Math.min(column, row) };
    this.read();
  }

  read() {
    const { frame, chosen: { head, row, column } } = this;
    this.maps.forEach((map, i) => (i === head ? map.show(row, column) : map.show()));
    const place = (at) => `position ${at} (${spoken(frame.tokens[at])})`;
    const x = this.weight(head, row, column);
    this.text.textContent = `Head ${head + 1}: ${place(row)} gives ${place(column)} the weight ${decimal(x)}, bits ${hex(x)}.`;
  }
}
