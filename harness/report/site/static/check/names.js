/** The names of all quantities of a run, with their shapes (harness/judge/check/names.py). */

import { matricesOf } from './microgpt.js';

export const KINDS = ['grad', 'm', 'v', 'parameters'];
const STAGES = ['init', 'activation', 'loss', ...KINDS, 'sample'];
const NAME = new RegExp(
  String.raw`^(?:init\.(?<init>.+)|step(?<step>\d+)\.(?:(?<loss>loss)|(?<kind>grad|m|v|parameters)\.(?<matrix>.+)`
  + String.raw`|(?<activation>[a-z0-9_.]+)\.pos(?<position>\d+))|sample(?<sample>\d+))$`,
);
const INIT = -1; // the step of the initial parameters

/** A quantity: { kind, step, name, number, words }; null if none is called so. */
export function parse(text) {
  const groups = NAME.exec(text.trim())?.groups;
  if (!groups) return null;
  const step = Number(groups.step ?? 0);
  if (groups.init) return { kind: 'init', step: INIT, name: groups.init, number: 0, words: `init.${groups.init}` };
  if (groups.sample) {
    const number = Number(groups.sample);
    return { kind: 'sample', step: 2 ** 30, name: '', number, words: `sample${number}` };
  }
  if (groups.loss) return { kind: 'loss', step, name: '', number: 0, words: `step${step}.loss` };
  if (groups.kind) {
    return { kind: groups.kind, step, name: groups.matrix, number: 0, words: `step${step}.${groups.kind}.${groups.matrix}` };
  }
  const number = Number(groups.position);
  return { kind: 'activation', step, name: groups.activation, number, words: `step${step}.${groups.activation}.pos${number}` };
}

/** Name and length of each activation at one position, in order; those of length 0 grow with the position. */
function activations({ embedding: e, heads, layers, vocabulary }) {
  const listed = [['embedded', e], ['normed', e]];
  for (let i = 0; i < layers; i++) {
    const layer = (name, length) => listed.push([`layer${i}.${name}`, length]);
    for (const name of ['attn_norm', 'q', 'k', 'v']) layer(name, e);
    for (let head = 0; head < heads; head++) {
      for (const [name, length] of [['scores', 0], ['weights', 0], ['mixed', e / heads]]) layer(`head${head}.${name}`, length);
    }
    for (const name of ['attn_out', 'attn_residual', 'mlp_norm']) layer(name, e);
    for (const name of ['hidden', 'activated']) layer(name, 4 * e);
    for (const name of ['mlp_out', 'mlp_residual']) layer(name, e);
  }
  return [...listed, ['logits', vocabulary], ['probabilities', vocabulary], ['loss', 1]];
}

/** Rows and columns; null if this model has no such quantity. */
export function shape({ kind, name, number }, config) {
  if (kind === 'sample') return [0, 0];
  if (kind === 'loss') return [1, 1];
  if (kind === 'activation') {
    const length = new Map(activations(config)).get(name);
    return length === undefined || number >= config.block ? null : [1, length || number + 1];
  }
  const matrix = matricesOf(config).find((one) => one.name === name);
  return matrix ? [matrix.rows, matrix.columns] : null;
}

/** A key that sorts quantities as the algorithm computes them. */
export function order({ kind, step, name, number }, config) {
  const listed = kind === 'activation' ? activations(config).map(([one]) => one) : matricesOf(config).map((one) => one.name);
  return [step, STAGES.indexOf(kind), number, Math.max(0, listed.indexOf(name))];
}
