/** One number, what it was made of, and how the result changes with it. */

import { exp, log, pow } from './exact.js';

export class Value {
  constructor(data, op = '', children = [], localGrads = []) {
    Object.assign(this, { data, op, children, localGrads, grad: 0 });
  }

  add(other) {
    const b = valueOf(other);
    return new Value(this.data + b.data, '+', [this, b], [1, 1]);
  }
  mul(other) {
    const b = valueOf(other);
    return new Value(this.data * b.data, '*', [this, b], [b.data, this.data]);
  }
  pow(c) {
    const slope = c * pow(this.data, c - 1);
    return new Value(pow(this.data, c), `** ${c}`, [this], [slope]);
  }
  log() {
    return new Value(log(this.data), 'log', [this], [1 / this.data]);
  }
  exp() {
    const y = exp(this.data);
    return new Value(y, 'exp', [this], [y]);
  }
  relu() {
    const slope = this.data > 0 ? 1 : 0;
    return new Value(slope ? this.data : 0, 'relu', [this], [slope]);
  }
  neg() { return this.mul(-1); }
  sub(b) { return this.add(b instanceof Value ? b.neg() : -b); }
  div(b) {
    return this.mul(b instanceof Value ? b.pow(-1) : pow(b, -1));
  }

  /** What this was made of and itself, children before parents. */
  order(found = new Set()) {
    for (const child of this.children) {
      if (!found.has(child)) child.order(found);
    }
    return found.add(this);
  }

  /** The gradients of all these; stops after each product. */
  * backward() {
    this.grad = 1;
    for (const node of [...this.order()].reverse()) {
      for (const [i, child] of node.children.entries()) {
        child.grad += node.localGrads[i] * node.grad;
        yield [node, i];
      }
    }
  }
}

const valueOf = (x) => (x instanceof Value ? x : new Value(x));
