/** The edges of a recorded computation in the order in which gradients flow: local gradient times upstream, one after the other. */

const [SUM, DOT] = [1, 2]; // kinds of nodes, as in the port; the rest add two

export class Edges {
  constructor(record) {
    Object.assign(this, record);
    const { kind, count, order } = this;
    this.starts = new Int32Array(order.length + 1); // of each node's edges
    order.forEach((node, i) => { this.starts[i + 1] = this.starts[i] + count[node] * (kind[node] === SUM ? 1 : 2); });
    this.length = this.starts.at(-1);
    this.soFar = new Float64Array(this.data.length);
    this.reset();
  }

  /** Edge k as { from, to, local }: to's gradient gets local times from's. */
  at(k) {
    let [low, high] = [0, this.order.length - 1];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.starts[middle] <= k) low = middle;
      else high = middle - 1;
    }
    while (this.starts[low + 1] <= k) low += 1;
    return this.edge(this.order[low], k - this.starts[low]);
  }

  edge(from, i) {
    const { kind, left, right, local, data } = this;
    if (kind[from] === SUM) return { from, to: left[from] + i, local: local[from] };
    const [a, b] = [left[from] + (i >> 1), right[from] + (i >> 1)];
    const [to, other] = i & 1 ? [b, a] : [a, b];
    return { from, to, local: kind[from] === DOT ? data[other] : 1 };
  }

  reset() {
    this.done = 0;
    this.rank = 0; // of the node whose edge is the next
    this.soFar.fill(0);
    this.soFar[this.order[0]] = 1;
  }

  /** Lets the first `k` edges have flowed. */
  flow(k) {
    if (k < this.done) this.reset();
    const { order, starts, soFar } = this;
    for (; this.done < k; this.done += 1) {
      while (starts[this.rank + 1] <= this.done) this.rank += 1;
      const { from, to, local } = this.edge(order[this.rank], this.done - starts[this.rank]);
      soFar[to] += local * soFar[from];
    }
  }

  /** All edges that lead to a node, in their order: [{ k, from, local }]. */
  into(node) {
    const found = [];
    this.order.forEach((from, rank) => {
      const n = this.starts[rank + 1] - this.starts[rank];
      if (n === 0 || !this.reaches(from, node)) return;
      for (let i = 0; i < n; i++) {
        const { to, local } = this.edge(from, i);
        if (to === node) found.push({ k: this.starts[rank] + i, from, local });
      }
    });
    return found;
  }

  reaches(from, node) {
    const within = (first) => node >= first && node < first + this.count[from];
    return within(this.left[from]) || within(this.right[from]);
  }

  /** The edges out of a node: what it was made from. */
  outOf(node) {
    return Array.from({ length: this.count[node] * (this.kind[node] === SUM ? 1 : 2) }, (_, i) => this.edge(node, i));
  }
}
