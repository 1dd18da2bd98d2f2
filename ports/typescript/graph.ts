import * as exact from './exact.js';

/** A place in the graph's arrays. */
export type Node = number;

/** Consecutive nodes. */
export class Vector {
  constructor(readonly first: Node, readonly length: number) {}

  at(i: number): Node {
    return this.first + i;
  }

  part(start: number, length: number): Vector {
    return new Vector(this.first + start, length);
  }

  of(numbers: Float64Array): Float64Array {
    return numbers.subarray(this.first, this.first + this.length);
  }
}

/**
 * How a node passes its gradient on: Each, to the children on the left, times the local gradient; Both, unchanged to the
 * two children; Products, to the children on either side, times the value of the other one.
 */
enum Rule { Each, Both, Products }

/** Automatic differentiation (SPEC, section 5). The same graph answers `graph` and trains the model. */
export class Graph {
  #size = 0;
  values = new Float64Array(1024);
  /** The derivatives of the root of `backward` by each node. */
  gradients = new Float64Array(0);
  // The children are left, right, left + 1, right + 1 ...; an only one stands on both sides. Leaves have no pairs.
  #rules = new Uint8Array(1024);
  #left = new Int32Array(1024);
  #right = new Int32Array(1024);
  #pairs = new Int32Array(1024);
  #locals = new Float64Array(1024);

  #push(value: number, rule: Rule, left: Node, right: Node, pairs: number, local = 0): Node {
    const node = this.#size++;
    if (node === this.values.length) this.#grow();
    this.values[node] = value;
    this.#rules[node] = rule;
    this.#left[node] = left;
    this.#right[node] = right;
    this.#pairs[node] = pairs;
    this.#locals[node] = local;
    return node;
  }

  #grow(): void {
    const doubled = <A extends Float64Array | Int32Array | Uint8Array>(old: A): A => {
      const longer = new (old.constructor as new (length: number) => A)(2 * old.length);
      longer.set(old);
      return longer;
    };
    this.values = doubled(this.values);
    this.#rules = doubled(this.#rules);
    this.#left = doubled(this.#left);
    this.#right = doubled(this.#right);
    this.#pairs = doubled(this.#pairs);
    this.#locals = doubled(this.#locals);
  }

  #unary(a: Node, value: number, local: number): Node {
    return this.#push(value, Rule.Each, a, a, 1, local);
  }

  value(node: Node): number {
    return this.values[node];
  }

  /** Forgets all nodes but the first ones. */
  shrink(size: number): void {
    this.#size = size;
  }

  leaf = (x: number): Node => this.#push(x, Rule.Each, 0, 0, 0);
  add = (a: Node, b: Node): Node => this.#push(this.value(a) + this.value(b), Rule.Both, a, b, 1);
  mul = (a: Node, b: Node): Node => this.#push(this.value(a) * this.value(b), Rule.Products, a, b, 1);
  div = (a: Node, b: Node): Node => this.mul(a, this.pow(b, -1));
  log = (a: Node): Node => this.#unary(a, exact.log(this.value(a)), 1 / this.value(a));
  relu = (a: Node): Node => (this.value(a) > 0 ? this.#unary(a, this.value(a), 1) : this.#unary(a, 0, 0));
  neg = (a: Node): Node => this.mulNumber(a, -1);
  addNumber = (a: Node, c: number): Node => this.#unary(a, this.value(a) + c, 1);
  mulNumber = (a: Node, c: number): Node => this.#unary(a, this.value(a) * c, c);
  divNumber = (a: Node, c: number): Node => this.mulNumber(a, 1 / c);

  pow(a: Node, c: number): Node {
    return this.#unary(a, exact.pow(this.value(a), c), c * exact.pow(this.value(a), c - 1));
  }

  exp(a: Node): Node {
    const y = exact.exp(this.value(a));
    return this.#unary(a, y, y);
  }

  /** Another node just like this one, which has a local gradient. */
  again(a: Node): Node {
    return this.#unary(this.#left[a], this.value(a), this.#locals[a]);
  }

  /** The sum of nodes anywhere. */
  addUp([first, ...others]: Node[]): Node {
    return others.reduce(this.add, this.addNumber(first, 0));
  }

  /** The sum of a vector as one node; none of its nodes lies below another, as in `dot`. */
  sum(x: Vector): Node {
    const total = x.of(this.values).reduce((sum, value) => sum + value, 0);
    return this.#push(total, Rule.Each, x.first, x.first, x.length, 1);
  }

  dot(w: Vector, x: Vector): Node {
    const values = this.values;
    let total = 0;
    for (let i = 0; i < w.length; i++) total += values[w.first + i] * values[x.first + i];
    return this.#push(total, Rule.Products, w.first, x.first, w.length);
  }

  /** What `make` makes of 0, 1, ..., one node of each. */
  each(length: number, make: (i: number) => Node): Vector {
    const first = this.#size;
    for (let i = 0; i < length; i++) make(i);
    return new Vector(first, length);
  }

  backward(root: Node): void {
    const { values } = this;
    if (this.gradients.length < values.length) this.gradients = new Float64Array(values.length);
    const gradients = this.gradients.fill(0, 0, this.#size);
    gradients[root] = 1;
    for (const node of this.#sorted(root).reverse()) {
      const g = gradients[node];
      const [left, right, pairs] = [this.#left[node], this.#right[node], this.#pairs[node]];
      switch (this.#rules[node]) {
        case Rule.Each:
          for (let i = 0; i < pairs; i++) gradients[left + i] += this.#locals[node] * g;
          break;
        case Rule.Both:
          gradients[left] += g;
          gradients[right] += g;
          break;
        case Rule.Products:
          for (let i = 0; i < pairs; i++) {
            gradients[left + i] += values[right + i] * g;
            gradients[right + i] += values[left + i] * g;
          }
      }
    }
  }

  /** The depth-first post-order, found on a path of its own, since graphs are deep. */
  #sorted(root: Node): Node[] {
    const order: Node[] = [];
    const seen = new Uint8Array(this.#size);
    const path = [root];
    const nexts = [0];
    while (path.length > 0) {
      const node = path[path.length - 1];
      const children = 2 * this.#pairs[node];
      let next = nexts.pop()!;
      let child = -1;
      for (; child < 0 && next < children; next++) {
        const candidate = ((next % 2 === 0 ? this.#left : this.#right)[node]) + (next >> 1);
        if (seen[candidate] === 0 && this.#pairs[candidate] !== 0) child = candidate; // leaves pass nothing on
      }
      if (child < 0) {
        order.push(node);
        path.pop();
      } else {
        seen[child] = 1;
        path.push(child);
        nexts.push(next, 0);
      }
    }
    return order;
  }
}
