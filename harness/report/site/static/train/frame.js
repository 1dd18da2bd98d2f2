/** What the worker sends of one step, with names for its parts. */

const PARTS = ['before', 'gradients', 'm', 'v', 'parameters'];

export class Frame {
  constructor(data, about) {
    Object.assign(this, data);
    PARTS.forEach((part, i) => {
      this[part] = data.numbers.subarray(i * about.count, (i + 1) * about.count);
    });
    const losses = PARTS.length * about.count;
    this.losses = data.numbers.subarray(losses, losses + about.steps);
    this.byName = new Map();
    let offset = 0;
    data.tensors.forEach((tensor, i) => {
      const size = tensor.rows * tensor.columns;
      if (i < about.matrices) {
        this.byName.set(tensor.name, { ...tensor, offset, values: this.before.subarray(offset, offset + size) });
        offset += size;
        return;
      }
      const values = data.numbers.subarray(tensor.at, tensor.at + size);
      this.byName.set(tensor.name, { ...tensor, values });
    });
    this.matrices = data.tensors.slice(0, about.matrices).map(({ name }) => this.byName.get(name));
    this.positions = [...this.byName.keys()].filter((name) => /^pos\d+\.loss$/.test(name)).length;
    this.tokens = [null, ...this.document].slice(0, this.positions); // null is BOS
  }

  /** A tensor by its name in SPEC.md, section 12; matrices have the values that the step used. */
  tensor(name) { return this.byName.get(name); }
}

/** A token as a visitor reads it. */
export const spoken = (token) => token ?? 'start';
