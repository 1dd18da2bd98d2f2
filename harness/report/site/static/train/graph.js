/** The graph of a step: boxes for its tensors, the scalars around a chosen number, and the gradient flowing back edge by edge. */

import { decimal, element, hex, thousands } from './doubles.js';
import { Edges } from './edges.js';
import { fan } from './fan.js';
import { spoken } from './frame.js';
import { Heat } from './heat.js';

const HEADS = [0, 1, 2, 3];
const WIDE = 16; // cells of a box
const BOXES = [ // rows of [label, what makes it]; a matrix is named by its last part
  [['wte', 'row of the letter'], ['wpe', 'row of the position'], ['embedded', 'wte + wpe'], ['normed', 'rmsnorm'], ['attn_norm', 'rmsnorm']],
  [['attn_wq', ''], ['q', 'attn_wq · attn_norm'], ['attn_wk', ''], ['k', 'attn_wk · attn_norm'], ['attn_wv', ''], ['v', 'attn_wv · attn_norm']],
  [['scores', 'q · every k, / 2'], ['weights', 'softmax'], ['mixed', 'weights · every v'], ['attn_wo', ''], ['attn_out', 'attn_wo · mixed'], ['attn_residual', 'attn_out + normed']],
  [['mlp_norm', 'rmsnorm'], ['mlp_fc1', ''], ['hidden', 'mlp_fc1 · mlp_norm'], ['activated', 'relu']],
  [['mlp_fc2', ''], ['mlp_out', 'mlp_fc2 · activated'], ['mlp_residual', 'mlp_out + attn_residual']],
  [['lm_head', ''], ['logits', 'lm_head · mlp_residual'], ['probabilities', 'softmax'], ['loss', '−log of the right one']],
];
const FLIPPED = new Set(['mlp_fc1', 'lm_head']); // drawn as they lie in all other maps
const SIGNS = { leaf: 'a constant', add: 'a sum', mul: 'a product', log: 'a logarithm', relu: 'a relu', pow: 'a power', exp: 'an exp', sum: 'a long sum', dot: 'a dot product' };

export class Graph {
  constructor(parts) {
    Object.assign(this, parts, { edges: null, done: 0, playing: false });
    this.form.addEventListener('change', () => this.change());
    this.form.addEventListener('submit', (event) => event.preventDefault());
    this.scrub.addEventListener('input', () => this.leap(this.scrub.valueAsNumber));
    this.play.addEventListener('click', () => (this.playing ? this.pause() : this.start()));
    this.back.addEventListener('click', () => this.leap(this.done - 1));
    this.forward.addEventListener('click', () => this.leap(this.done + 1));
    this.next.addEventListener('click', () => this.leap((this.users.find(({ k }) => k >= this.done) ?? this.users[0]).k + 1));
    document.addEventListener('visibilitychange', () => { if (document.hidden) this.pause(); });
  }

  /** `data` is what the worker recorded of the step `step`, whose input tokens are `tokens`. */
  open(data, step, tokens) {
    this.pause();
    const place = this.edges === null || this.edges.data.length !== data.data.length ? null : this.chosen;
    this.edges = new Edges(data);
    Object.assign(this, { step, tokens });
    this.owners = data.tensors.slice().sort((a, b) => a.first - b.first);
    this.byName = new Map(data.tensors.map((tensor) => [tensor.name, tensor]));
    const { position } = this.form.elements;
    const kept = Math.min(this.position ?? 2, tokens.length - 1);
    position.replaceChildren(...tokens.map((token, at) => new Option(`${at}: ${spoken(token)}`, at, false, at === kept)));
    this.scrub.max = this.edges.length;
    this.chosen = place ?? this.byName.get(`pos${kept}.layer0.attn_residual`).first;
    this.edges.flow(this.edges.length);
    this.done = this.edges.length;
    this.make();
  }

  change() {
    if (this.edges === null) return;
    const position = Number(this.form.elements.position.value);
    if (this.position !== position) this.make();
    else this.paint();
  }

  /** The nodes of a box at the chosen position, and how many stand in a row. */
  nodes(label) {
    const { edges: { matrices }, byName, position, tokens } = this;
    const run = (first, length) => Array.from({ length }, (_, i) => first + i);
    const of = (name) => byName.get(`pos${position}.${name}`) ?? byName.get(`pos${position}.layer0.${name}`);
    const matrix = matrices.find(({ name }) => name === label || name === `layer0.${label}`);
    if (label === 'wte' || label === 'wpe') {
      const row = label === 'wpe' ? position : this.edges.left[of('embedded').first] / WIDE;
      return [run(matrix.start + WIDE * row, WIDE), WIDE];
    }
    if (matrix) return [run(matrix.start, matrix.end - matrix.start), matrix.columns];
    if (['scores', 'weights', 'mixed'].includes(label)) {
      const heads = HEADS.map((head) => of(`head${head}.${label}`));
      return [heads.flatMap(({ first, length }) => run(first, length)), heads[0].length];
    }
    const { first, length } = of(label);
    return [run(first, length), Math.min(length, WIDE)];
  }

  make() {
    this.position = Number(this.form.elements.position.value);
    this.boxes = [];
    this.holder.replaceChildren(...BOXES.map((row) => element('div', 'stage', ...row.map(([label, how]) => this.box(label, how)))));
    this.read();
    this.paint();
  }

  box(label, how) {
    const [nodes, columns] = this.nodes(label);
    const map = new Heat(label, Math.ceil(nodes.length / columns), columns, {
      flipped: FLIPPED.has(label),
      label: `${label}: arrow keys walk from number to number`,
      onCell: (row, column) => this.choose(nodes[Math.min(nodes.length - 1, row * columns + column)]),
    });
    this.boxes.push({ map, nodes, columns });
    const caption = element('figcaption', '', element('code', '', label), how ? element('small', '', ` ${how}`) : '');
    return element('figure', how ? '' : 'weights', caption, map.box);
  }

  paint() {
    const { edges, chosen } = this;
    const shown = this.form.elements.shown.value === 'values' ? edges.data : edges.soFar;
    for (const { map, nodes, columns } of this.boxes) {
      map.draw((i) => (i < nodes.length ? shown[nodes[i]] : 0));
      const at = nodes.indexOf(chosen);
      if (at < 0) map.show();
      else map.show(Math.floor(at / columns), at % columns);
    }
    this.scrub.value = this.done;
    this.scrub.setAttribute('aria-valuetext', `${thousands(this.done)} of ${thousands(edges.length)} edges`);
    this.flowed.textContent = this.said();
    this.here.textContent = `gradient so far ${decimal(edges.soFar[chosen])}`;
    this.picture();
    this.usedBy.querySelectorAll('tr').forEach((row, i) => { row.dataset.state = this.users[i].k < this.done ? 'flowed' : ''; });
  }

  picture() {
    const { edges, chosen, done, users } = this;
    const { grad } = edges;
    const short = (node) => this.nameOf(node).replace(/ \(node \d+\)$/, '');
    const flowed = users.length === 0 || users.at(-1).k < done; // only then anything is sent on
    fan(
      this.fan, short(chosen),
      edges.outOf(chosen).map(({ to, local }) => ({ name: short(to), sent: local * grad[chosen], has: flowed })),
      users.map(({ k, from, local }) => ({ name: short(from), sent: local * grad[from], has: k < done })),
    );
  }

  /** The last edge that has flowed, spelled out. */
  said() {
    const { edges, done } = this;
    if (done === 0) return `Before the first of ${thousands(edges.length)} edges: the loss has the gradient 1, and all else 0.`;
    const { from, to, local } = edges.at(done - 1);
    const upstream = edges.soFar[from];
    return `Edge ${thousands(done)} of ${thousands(edges.length)}, ${this.nameOf(from)} to ${this.nameOf(to)}: local ${decimal(local)} × upstream ${decimal(upstream)} = ${decimal(local * upstream)} is added; so far ${decimal(edges.soFar[to])}.`;
  }

  nameOf(node) {
    const { edges: { matrices, operations, made }, owners } = this;
    const matrix = matrices.find(({ end }) => node < end);
    if (matrix) {
      const at = node - matrix.start;
      return `${matrix.name.replace('layer0.', '')}[${Math.floor(at / matrix.columns)}][${at % matrix.columns}]`;
    }
    const owner = owners.findLast(({ first }) => first <= node);
    if (owner && node < owner.first + owner.length) return `${owner.name.replace('layer0.', '')}[${node - owner.first}]`;
    return `${SIGNS[operations[made[node]]]} (node ${node})`;
  }

  choose(node) {
    if (node === this.chosen) return;
    this.chosen = node;
    this.read();
    this.paint();
  }

  /** The chosen number: what it was made from, and what it goes into. */
  read() {
    const { edges, chosen } = this;
    const { data, grad } = edges;
    this.users = edges.into(chosen);
    this.title.textContent = this.nameOf(chosen);
    this.value.textContent = `${decimal(data[chosen])}, bits ${hex(data[chosen])}; gradient ${decimal(grad[chosen])}, bits ${hex(grad[chosen])}`;
    const kind = edges.operations[edges.made[chosen]];
    const children = edges.outOf(chosen);
    const how = chosen < edges.matrices.at(-1).end ? 'a parameter: made from nothing' : children.length === 0 ? 'a constant' : SIGNS[kind];
    this.how.textContent = `Made from: ${how}`;
    this.madeFrom.replaceChildren(...children.map(({ to, local }) => this.row(to, data[to], local, local * grad[chosen])));
    let sum = 0;
    this.usedBy.replaceChildren(...this.users.map(({ k, from, local }) => {
      const product = local * grad[from];
      sum += product;
      return this.row(from, grad[from], local, product, sum, k + 1);
    }));
    const isRoot = chosen === edges.order[0];
    const same = isRoot || hex(sum) === hex(grad[chosen]);
    this.verdict.textContent = isRoot ? 'This is the loss: its gradient is 1 to begin with.' : `Added up in this order: ${hex(sum)}, ${same ? 'every bit of its gradient.' : `and not ${hex(grad[chosen])}.`}`;
    this.verdict.dataset.state = same ? 'ok' : 'bad';
    this.next.disabled = this.users.length === 0;
  }

  row(node, ...numbers) {
    const name = element('button', 'quiet', this.nameOf(node));
    name.type = 'button';
    name.addEventListener('click', () => {
      this.choose(node);
      this.title.focus();
    });
    const cells = numbers.map((x, i) => element('td', 'decimal', i === 4 ? thousands(x) : decimal(x)));
    return element('tr', '', element('td', '', name), ...cells);
  }

  leap(k) {
    this.pause();
    this.flowTo(k);
  }

  flowTo(k) {
    this.done = Math.max(0, Math.min(this.edges.length, k));
    this.edges.flow(this.done);
    this.form.elements.shown.value = 'gradients';
    this.paint();
  }

  start() {
    if (this.edges === null) return;
    if (this.done >= this.edges.length) this.flowTo(0);
    this.playing = true;
    this.play.textContent = 'Pause';
    this.last = performance.now();
    this.owed = 0;
    requestAnimationFrame((now) => this.tick(now));
  }

  pause() {
    this.playing = false;
    this.play.textContent = 'Let it flow';
  }

  tick(now) {
    if (!this.playing) return;
    if (now - this.last >= this.interval) {
      this.owed += (Number(this.form.elements.speed.value) * (now - this.last)) / 1000;
      this.last = now;
      const due = Math.floor(this.owed);
      this.owed -= due;
      if (due > 0) this.flowTo(this.done + due);
      if (this.done >= this.edges.length) this.pause();
    }
    requestAnimationFrame((later) => this.tick(later));
  }
}
