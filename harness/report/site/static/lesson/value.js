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
    return new Value(pow(this.data, c), `** ${c}`, [this], [c * pow(this.data, c - 1)]);
  }
  log() {
    return new Value(log(this.data), 'log', [this], [1 / this.data]);
  }
  exp() {
    const y = exp(this.data);
    return new Value(y, 'exp', [this], [y]);
  }
  relu() {
    const on = this.data > 0;
    return new Value(on ? this.data : 0, 'relu', [this], [on ? 1 : 0]);
  }
  neg() { return this.mul(-1); }
  sub(b) { return this.add(b instanceof Value ? b.neg() : -b); }
  div(b) { return this.mul(b instanceof Value ? b.pow(-1) : pow(b, -1)); }

  /** All that this was made of, children before parents, and itself. */
  order(found = new Set()) {
    for (const child of this.children) if (!found.has(child)) child.order(found);
    return found.add(this);
  }

  /** Gradients of everything below; stops after each product. */
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
