/** The engine's own source beside the graph: the line of a step is lit. */

const METHODS = { '+': 'add', '*': 'mul', '**': 'pow', exp: 'exp', log: 'log', relu: 'relu' };

export class Code {
  /** `box` holds an element of class `l` for each line of value.js. */
  constructor(box) {
    this.box = box;
    this.lines = [...box.querySelectorAll('.l')];
    this.texts = this.lines.map((line) => line.textContent);
  }

  /** The number of the line, from 0, that a step executes. */
  lineOf(step) {
    if (step.kind === 'start') return this.find('Object.assign(this');
    if (step.kind === 'seed') return this.find('this.grad = 1');
    if (step.kind === 'backward') return this.find('child.grad +=');
    const method = METHODS[step.node.op.split(' ')[0]];
    return this.find('return new Value', this.texts.findIndex((text) => text.startsWith(`  ${method}(`)));
  }

  find(piece, from = 0) {
    return this.texts.findIndex((text, i) => i >= from && text.includes(piece));
  }

  light(step) {
    const lit = this.lineOf(step);
    for (const [i, line] of this.lines.entries()) line.classList.toggle('lit', i === lit);
    const { box } = this;
    const { offsetTop, offsetHeight } = this.lines[lit];
    if (offsetTop < box.scrollTop + 20 || offsetTop + offsetHeight > box.scrollTop + box.clientHeight - 20) {
      box.scrollTop = offsetTop - box.clientHeight / 2;
    }
  }
}
