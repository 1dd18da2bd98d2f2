/** A document's whole computation by the JavaScript port, every node with what made it. Runs in the worker. */

import { MATHS, Model, PRESETS, Tape, list } from './microgpt.js';

const OPERATIONS = ['leaf', 'add', 'mul', 'log', 'relu', 'pow', 'exp', 'copy', 'sum', 'dot'];

/** The port's tape, with the operation of every node. */
class Recorder extends Tape {
  made = [];
  #noted(operation, node) {
    this.made[node] ??= OPERATIONS.indexOf(operation);
    return node;
  }
  leaf(value) { return this.#noted('leaf', super.leaf(value)); }
  add(a, b) { return this.#noted('add', super.add(a, b)); }
  mul(a, b) { return this.#noted('mul', super.mul(a, b)); }
  log(a) { return this.#noted('log', super.log(a)); }
  relu(a) { return this.#noted('relu', super.relu(a)); }
  pow(a, c) { return this.#noted('pow', super.pow(a, c)); }
  exp(a) { return this.#noted('exp', super.exp(a)); }
  copy(a) { return this.#noted(OPERATIONS[this.made[a]], super.copy(a)); }
  sum(a, count, place) {
    const node = place === undefined ? super.sum(a, count) : super.sum(a, count, place);
    this.made[node] = OPERATIONS.indexOf('sum');
    return node;
  }
  dot(a, b, count) { return this.#noted('dot', super.dot(a, b, count)); }
}

/** { tensors, order, root, … }: nodes as the port has them (microgpt.js), `order` from the loss backwards. */
export function recordOf(parameters, tokens, vocabulary) {
  const preset = PRESETS.classic;
  const config = { ...preset, vocabulary, attention: list(preset.block, (t) => list(t + 1, (s) => s)) };
  const model = new Model(config, [], MATHS.exact);
  const tape = new Recorder(MATHS.exact);
  model.tape = tape;
  model.parameterCount = parameters.length;
  for (const parameter of parameters) tape.leaf(parameter);
  const tensors = [];
  const root = model.loss(tokens, (name, first, length) => tensors.push({ name, first, length }));
  tape.backward(root);
  const { size } = tape;
  const order = tape.order.slice(0, tape.order.indexOf(root) + 1).reverse();
  const cut = (name) => tape[name].slice(0, size);
  return {
    tensors,
    matrices: model.matrices,
    order,
    operations: OPERATIONS,
    made: Uint8Array.from(tape.made),
    ...Object.fromEntries(['data', 'grad', 'local', 'kind', 'left', 'right', 'count'].map((name) => [name, cut(name)])),
  };
}
