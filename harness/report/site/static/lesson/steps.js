/** A run of a text as steps that can be shown one by one: forward, node by node, then backward, product by product. */

import { run } from './language.js';

/**
 * { nodes, names, labels, inputs, steps }. Nodes are in the order in which they are computed. A step is one of
 *   { kind: 'start' }                                               the inputs are there, nothing is computed
 *   { kind: 'forward', node }                                       the value of a node
 *   { kind: 'seed', node }                                          the result's own gradient, 1
 *   { kind: 'backward', node, i, child, local, upstream, product, before, after }
 */
export function lesson(text, instead) {
  const { result, inputs, names } = run(text, instead);
  const nodes = [...result.order()];
  const taken = new Set(inputs.map(({ name }) => name).concat([...names.values()]));
  const isInput = new Set(inputs.map(({ node }) => node));
  if (!names.has(result)) names.set(result, free('result', taken));
  let number = 0;
  for (const node of nodes) {
    if (names.has(node) || isConstant(node, isInput)) continue;
    do number += 1; while (taken.has(`v${number}`));
    names.set(node, `v${number}`);
  }
  const steps = [{ kind: 'start' }];
  for (const node of nodes) if (node.children.length > 0) steps.push({ kind: 'forward', node });
  steps.push({ kind: 'seed', node: result });
  const before = new Map();
  for (const [node, i] of result.backward()) {
    const child = node.children[i];
    const [local, upstream] = [node.localGrads[i], node.grad];
    steps.push({ kind: 'backward', node, i, child, local, upstream, product: local * upstream, before: before.get(child) ?? 0, after: child.grad });
    before.set(child, child.grad);
  }
  return { nodes, names, inputs, isConstant: (node) => isConstant(node, isInput), steps, result };
}

const isConstant = (node, inputs) => node.children.length === 0 && !inputs.has(node);

function free(name, taken) {
  while (taken.has(name)) name += '_';
  return name;
}

/** What is known after step `at`: the nodes with a value, and a Map from nodes to gradients so far. */
export function known({ nodes, steps }, at) {
  const values = new Set(nodes.filter((node) => node.children.length === 0));
  const grads = new Map();
  for (const step of steps.slice(0, at + 1)) {
    if (step.kind === 'forward') values.add(step.node);
    if (step.kind === 'seed') grads.set(step.node, 1);
    if (step.kind === 'backward') grads.set(step.child, step.after);
  }
  return { values, grads };
}
