/** The graph as SVG: a box a node with its name, value and gradient. Inputs can be dragged. */

import { layout } from './layout.js';
import { short } from './words.js';

const NAMESPACE = 'http://www.w3.org/2000/svg';
const [WIDE, HIGH] = [118, 62]; // a box
const MARGIN = 8;
const SCALES = [0.78, 1.15]; // the smallest and the largest that a graph is drawn to fit
const DRAG = 0.05; // by which an input changes a pixel
const TALLEST = 640; // pixels of the box, as in the style sheet

export function svg(name, attributes = {}, ...content) {
  const made = document.createElementNS(NAMESPACE, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...content);
  return made;
}

export class Graph {
  /** `onDrag(input, number)` is told of the place of a dragged input and its new number. */
  constructor(box, { onDrag }) {
    Object.assign(this, { box, onDrag, shape: null });
  }

  /** Shows a lesson after step `at`, of which `known` are the values and gradients. */
  draw(lesson, words, at, { values, grads }) {
    const nodes = lesson.nodes.filter((node) => !lesson.isConstant(node));
    const place = new Map(nodes.map((node, i) => [node, i]));
    const children = nodes.map((node) => node.children.filter((child) => place.has(child)).map((child) => place.get(child)));
    const shape = JSON.stringify([children, this.box.clientWidth, nodes.map((node) => words.name(node))]);
    if (shape !== this.shape) this.make(children, lesson.inputs.map(({ node }) => place.get(node)));
    this.shape = shape;
    this.inputs = lesson.inputs;
    const step = lesson.steps[at];
    for (const [i, node] of nodes.entries()) {
      const { group, texts } = this.groups[i];
      const isKnown = values.has(node);
      const grad = grads.get(node);
      texts.name.textContent = words.name(node);
      texts.corner.textContent = words.corner(node);
      texts.value.textContent = isKnown ? short(node.data) : '?';
      texts.grad.textContent = grad === undefined ? '' : short(grad);
      group.classList.toggle('waiting', !isKnown);
      group.classList.toggle('current', step.kind !== 'backward' && step.node === node);
      group.classList.toggle('upstream', step.kind === 'backward' && step.node === node);
      group.classList.toggle('local', step.kind === 'backward' && step.child === node);
    }
    let edge = 0;
    for (const node of nodes) {
      for (const [i, child] of node.children.entries()) {
        if (!place.has(child)) continue;
        const { line, text } = this.edges[edge++];
        const isCurrent = step.kind === 'backward' && step.node === node && step.i === i;
        line.classList.toggle('current', isCurrent);
        line.classList.toggle('feeding', step.kind === 'forward' && step.node === node);
        text.textContent = isCurrent ? `× ${short(step.local)}` : '';
      }
    }
    const looked = step.kind === 'backward' ? (place.get(step.child) ?? place.get(step.node)) : place.get(step.node);
    this.follow(looked ?? 0, step.kind === 'start');
  }

  make(children, inputs) {
    const found = layout(children);
    const room = [this.box.clientWidth - 2, TALLEST];
    const [along, down] = [false, true].map((upright) => measured(found, upright, room));
    const { upright, spot, size, fits } = down.fits > along.fits ? down : along;
    const scale = Math.min(SCALES[1], Math.max(SCALES[0], fits));
    const drawn = svg('svg', {
      viewBox: [-MARGIN, -MARGIN, ...size].join(' '), width: size[0] * scale, height: size[1] * scale, role: 'img',
      'aria-label': `A graph of ${children.length} nodes. Its steps are listed as text below.`,
    });
    this.edges = [];
    const paths = found.edges.entries();
    for (const [i, list] of children.entries()) {
      for (const k of list.keys()) {
        const [, path] = paths.next().value;
        const shift = list.length === 2 ? (k === 0 ? -0.16 : 0.16) : 0;
        this.edges.push(edgeOf(path.map(spot), shift, upright, i));
      }
    }
    this.groups = found.places.map((one, i) => boxOf(spot(one), inputs.includes(i)));
    drawn.append(...this.edges.map(({ line }) => line), ...this.groups.map(({ group }) => group), ...this.edges.map(({ text }) => text));
    this.spots = found.places.map((one) => spot(one).map((x) => x * scale));
    this.scale = scale;
    this.box.replaceChildren(drawn);
    for (const [which, i] of inputs.entries()) this.makeDraggable(this.groups[i].group, which);
  }

  makeDraggable(group, which) {
    let from = null;
    group.addEventListener('pointerdown', (event) => {
      from = { x: event.clientX, number: this.inputs[which].node.data };
      group.setPointerCapture(event.pointerId);
      event.preventDefault();
    });
    group.addEventListener('pointermove', (event) => {
      if (from === null) return;
      this.onDrag(which, Math.round((from.number + (event.clientX - from.x) * DRAG) * 10) / 10);
    });
    for (const kind of ['pointerup', 'pointercancel']) group.addEventListener(kind, () => { from = null; });
  }

  /** Scrolls the box, and nothing else, to a node. */
  follow(i, first) {
    const [x, y] = first ? [0, 0] : this.spots[i];
    for (const [side, at, room, extent] of [['scrollLeft', x, this.box.clientWidth, WIDE], ['scrollTop', y, this.box.clientHeight, HIGH]]) {
      const low = at - 20;
      const high = at + extent * this.scale + 40 - room;
      if (this.box[side] > low || this.box[side] < high) this.box[side] = at - (room - extent * this.scale) / 2;
    }
  }
}

/** Layers from left to right, or downwards: where things are then, how large the whole is, and by what it would fit. */
function measured(found, upright, room) {
  const pitch = upright ? [WIDE + 12, HIGH + 40] : [WIDE + 62, HIGH + 16];
  const spot = ([layer, position]) => (upright ? [position * pitch[0], layer * pitch[1]] : [layer * pitch[0], position * pitch[1]]);
  const size = spot([found.layers - 1, found.width - 1]).map((x, i) => x + [WIDE, HIGH][i] + 2 * MARGIN);
  return { upright, spot, size, fits: Math.min(...size.map((x, i) => room[i] / x)) };
}

function boxOf([x, y], isInput) {
  const texts = {
    name: svg('text', { x: 9, y: 18, class: 'name' }),
    corner: svg('text', { x: WIDE - 9, y: 18, class: 'corner' }),
    value: svg('text', { x: WIDE - 9, y: 36, class: 'value' }),
    grad: svg('text', { x: WIDE - 9, y: 53, class: 'grad' }),
  };
  const labels = [svg('text', { x: 9, y: 36, class: 'label' }, 'value'), svg('text', { x: 9, y: 53, class: 'label' }, 'grad')];
  const group = svg('g', { class: isInput ? 'node input' : 'node', transform: `translate(${x} ${y})` });
  group.append(svg('rect', { width: WIDE, height: HIGH, rx: 7 }), ...labels, ...Object.values(texts));
  return { group, texts };
}

/** An edge from the child's far side to the parent's near side, through the middle of what it passes. */
function edgeOf(spots, shift, upright) {
  const points = spots.map(([x, y], k) => {
    const isEnd = k === spots.length - 1;
    if (upright) return [x + WIDE * (0.5 + (isEnd ? shift : 0)), y + (k === 0 ? HIGH : isEnd ? 0 : HIGH / 2)];
    return [x + (k === 0 ? WIDE : isEnd ? 0 : WIDE / 2), y + HIGH * (0.5 + (isEnd ? shift : 0))];
  });
  let drawn = `M${points[0]}`;
  for (const [k, [x, y]] of points.slice(1).entries()) {
    const [a, b] = points[k];
    drawn += upright ? `C${a} ${(b + y) / 2} ${x} ${(b + y) / 2} ${x} ${y}` : `C${(a + x) / 2} ${b} ${(a + x) / 2} ${y} ${x} ${y}`;
  }
  const [[a, b], [x, y]] = points.slice(-2);
  return { line: svg('path', { d: drawn, class: 'edge' }), text: svg('text', { x: (a + x) / 2, y: (b + y) / 2 - 5, class: 'factor' }) };
}
