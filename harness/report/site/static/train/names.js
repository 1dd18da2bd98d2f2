/** The same draws every 50 steps, side by side. */

import { element, thousands } from './doubles.js';

export class Names {
  /** `onStep` is given the step whose heading was chosen. */
  constructor(list, onStep) {
    this.list = list;
    this.onStep = onStep;
    this.columns = new Map();
  }

  /** Forgets all columns. */
  clear() {
    this.columns.clear();
    this.list.replaceChildren();
    this.current = undefined;
  }

  /** Shows the columns that are new, and marks the last one at or before `step`. */
  draw(samples, step) {
    for (const [at, names] of samples.sort(([a], [b]) => a - b)) {
      if (!this.columns.has(at)) this.add(at, names);
    }
    const current = Math.max(...[...this.columns.keys()].filter((at) => at <= step));
    if (current === this.current) return;
    this.columns.get(this.current)?.classList.remove('current');
    this.current = current;
    const column = this.columns.get(current);
    column.classList.add('current');
    const box = this.list.parentElement;
    const over = column.offsetLeft + column.offsetWidth - box.clientWidth;
    if (over > box.scrollLeft || column.offsetLeft < box.scrollLeft) box.scrollLeft = over;
  }

  add(at, names) {
    const heading = element('button', 'quiet', `step ${thousands(at)}`);
    heading.type = 'button';
    heading.addEventListener('click', () => this.onStep(at));
    const made = names.map(({ name, known }) => element('li', known ? 'known' : '', name || '\u00a0'));
    const column = element('li', '', heading, element('ol', '', ...made));
    const after = [...this.columns].filter(([other]) => other > at).sort(([a], [b]) => a - b)[0];
    this.list.insertBefore(column, after ? after[1] : null);
    this.columns.set(at, column);
  }
}
