/** What can be typed: a few lines of Python's arithmetic on `Value`s, or a sentence about what is wrong with them. */

import { pow } from './exact.js';
import { Value } from './value.js';

export const MOST_NODES = 200;
const MOST_POWER = 4096;
const FUNCTIONS = ['exp', 'log', 'relu', 'tanh', 'sum', 'max'];
const TOKEN = /\s*?(?:(?<end>[\n;])|(?<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)|(?<name>[A-Za-z_]\w*)|(?<sign>\*\*|[-+*/()=,]))/y;
const BLANK = /(?:[ \t\r]|#[^\n]*)*/y;
const LISTED = 'exp, log, relu, tanh, sum and max';

/** A wrong expression: what, where, and what would be right. `at` is the place in the text. */
export class ExpressionError extends Error {
  constructor(text, at, sentence) {
    const before = text.slice(0, at).split('\n');
    const line = text.trim().includes('\n') ? `Line ${before.length}, character` : 'Character';
    super(`${line} ${before.at(-1).length + 1}: ${sentence}`);
    this.at = at;
  }
}

function tokens(text) {
  const found = [];
  let depth = 0;
  for (let at = 0; ;) {
    BLANK.lastIndex = at;
    at += BLANK.exec(text)[0].length;
    if (at === text.length) return [...found, { kind: 'end', text: '', at }];
    TOKEN.lastIndex = at;
    const match = TOKEN.exec(text);
    if (match === null) {
      const wrong = String.fromCodePoint(text.codePointAt(at));
      throw new ExpressionError(text, at, wrong === '^'
        ? 'a power is written **, as in a**2, not ^.'
        : `“${wrong}” means nothing here. Write names, numbers, + - * / ** and parentheses.`);
    }
    const [kind, piece] = Object.entries(match.groups).find(([, one]) => one !== undefined);
    if (piece === '(') depth += 1;
    if (piece === ')') depth -= 1;
    if (piece !== '\n' || depth <= 0) found.push({ kind, text: piece, at });
    at = TOKEN.lastIndex;
  }
}

/** The statements of a text: { name, tree, from, to }, the name of an assignment and the span of what is assigned. */
export function parse(text) {
  const list = tokens(text);
  let next = 0;
  const fail = (token, sentence) => { throw new ExpressionError(text, token.at, sentence); };
  const shown = (token) => (token.kind === 'end' ? 'the end' : `“${token.text}”`);
  const accept = (sign) => (list[next].kind === 'sign' && list[next].text === sign ? list[next++] : null);

  function primary() {
    const token = list[next++];
    if (token.kind === 'number') return { kind: 'number', number: Number(token.text), at: token.at };
    if (token.kind === 'name' && accept('(')) return call(token);
    if (token.kind === 'name' && FUNCTIONS.includes(token.text)) fail(token, `${token.text} is a function and needs parentheses, as in ${token.text}(a).`);
    if (token.kind === 'name') return { kind: 'name', name: token.text, at: token.at };
    if (token.text !== '(') fail(token, `a name, a number or a parenthesis should stand here, before ${shown(token)}.`);
    const inside = sum();
    close(token);
    return inside;
  }
  function close(opened) {
    if (accept(')')) return;
    if (list[next].kind === 'end') fail(opened, 'this parenthesis is never closed: add ).');
    juxtaposed(list[next]);
  }
  function juxtaposed(token) {
    fail(token, `${shown(token)} follows without an operator: write + - * / or ** before it.`);
  }
  function call(token) {
    if (!FUNCTIONS.includes(token.text)) fail(token, `“${token.text}” is not a function here; there are ${LISTED}. For a product write ${token.text} * (…).`);
    const opened = list[next - 1];
    const parts = [sum()];
    while (accept(',')) parts.push(sum());
    close(opened);
    if (parts.length > 1 && !['sum', 'max'].includes(token.text)) fail(token, `${token.text} takes one value, not ${parts.length}.`);
    return { kind: 'call', name: token.text, parts, at: token.at };
  }
  function power() {
    const base = primary();
    const sign = accept('**');
    return sign ? { kind: 'binary', sign: '**', left: base, right: negation(), at: sign.at } : base;
  }
  function negation() {
    const sign = accept('-');
    return sign ? { kind: 'negation', of: negation(), at: sign.at } : power();
  }
  function chain(signs, operand) {
    let left = operand();
    for (let token = list[next]; token.kind === 'sign' && signs.includes(token.text); token = list[next]) {
      next += 1;
      left = { kind: 'binary', sign: token.text, left, right: operand(), at: token.at };
    }
    return left;
  }
  const sum = () => chain(['+', '-'], () => chain(['*', '/'], negation));

  const statements = [];
  for (;;) {
    while (list[next].kind === 'end' && list[next].text) next += 1;
    if (list[next].kind === 'end') break;
    const assigned = list[next].kind === 'name' && list[next + 1].text === '=' ? list[next] : null;
    if (assigned && FUNCTIONS.includes(assigned.text)) fail(assigned, `${assigned.text} is a function; choose another name.`);
    if (assigned) next += 2;
    const from = list[next].at;
    const tree = sum();
    if (list[next].text === '=') fail(list[next], 'only a single name can be given a value, as in d = a*b.');
    if (list[next].text === ')') fail(list[next], 'this parenthesis was never opened: leave it out, or add ( before.');
    if (list[next].text === ',') fail(list[next], 'a comma only stands between the values of sum(…) and max(…); a decimal point is a dot.');
    if (list[next].kind !== 'end') juxtaposed(list[next]);
    const last = list[next - 1];
    statements.push({ name: assigned?.text, tree, from, to: last.at + last.text.length });
  }
  if (statements.length === 0) throw new ExpressionError(text, 0, 'there is no expression yet. Type one, such as a*b + c.');
  return statements;
}

const isNumber = (x) => typeof x === 'number';

/** As Python does with the `Value` of reference/microgpt.py: where the number stands on the left, the node is asked. */
const OPERATORS = {
  '+': (a, b) => (isNumber(a) ? (isNumber(b) ? a + b : b.add(a)) : a.add(b)),
  '*': (a, b) => (isNumber(a) ? (isNumber(b) ? a * b : b.mul(a)) : a.mul(b)),
  '-': (a, b) => (isNumber(a) ? (isNumber(b) ? a - b : b.neg().add(a)) : a.sub(b)),
  '/': (a, b) => (isNumber(a) ? (isNumber(b) ? a / b : b.pow(-1).mul(a)) : a.div(b)),
};
const node = (x) => (isNumber(x) ? new Value(x) : x);
const sum = (parts) => parts.slice(1).reduce(OPERATORS['+'], OPERATORS['+'](parts[0], 0));
const CALLS = {
  exp: ([x]) => node(x).exp(),
  log: ([x]) => node(x).log(),
  relu: ([x]) => node(x).relu(),
  tanh([x]) {
    const e = OPERATORS['*'](node(x), 2).exp();
    return e.sub(1).div(e.add(1));
  },
  sum,
  max: (parts) => parts.map((x) => node(x).data).reduce((top, x) => (x > top ? x : top)), // a plain number: no gradient
};

const isLiteral = ({ kind, of, left, right }) => kind === 'number' || (kind === 'negation' && isLiteral(of)) || (kind === 'binary' && isLiteral(left) && isLiteral(right));

/**
 * Runs a text: { result, inputs, names }. An input is { name, node, span, key }: a name that is given a number in the
 * text (where: the span) or none at all (null; these come first and start at 1, 2, 3 ...). `names` is a Map from nodes
 * to names. `instead` maps keys of inputs to numbers that are taken instead.
 */
export function run(text, instead = new Map()) {
  const scope = new Map();
  const names = new Map();
  const inputs = [];
  const times = new Map();
  let unset = 0;

  /** A name that is given again gets a prime. */
  function named(made, name) {
    times.set(name, (times.get(name) ?? -1) + 1);
    names.set(made, name + "'".repeat(times.get(name)));
    return names.get(made);
  }
  function input(name, number, span) {
    const made = new Value(instead.get(span ? span[0] : name) ?? number);
    inputs.push({ name: named(made, name), node: made, span, key: span ? span[0] : name });
    scope.set(name, made);
    return made;
  }
  function value(tree) {
    if (tree.kind === 'number') return tree.number;
    if (tree.kind === 'name') return scope.has(tree.name) ? scope.get(tree.name) : input(tree.name, ++unset, null);
    if (tree.kind === 'call') return CALLS[tree.name](tree.parts.map(value));
    if (tree.kind === 'negation') return negated(value(tree.of));
    const [left, right] = [value(tree.left), value(tree.right)];
    return tree.sign === '**' ? raised(left, right, tree) : OPERATORS[tree.sign](left, right);
  }
  const negated = (x) => (isNumber(x) ? -x : x.neg());
  function raised(base, exponent, { right, at }) {
    const fail = (place, sentence) => { throw new ExpressionError(text, place, sentence); };
    if (!isNumber(exponent)) fail(at, 'the exponent has to be a plain number. For one that changes write exp(b * log(a)).');
    if (!Number.isInteger(2 * exponent) || Math.abs(exponent) > MOST_POWER) fail(right.at, `the exponent has to be a whole or a half number up to ${MOST_POWER}, such as 3 or -0.5.`);
    return isNumber(base) ? pow(base, exponent) : base.pow(exponent);
  }

  let result;
  for (const { name, tree, from, to } of parse(text)) {
    result = name && isLiteral(tree) ? input(name, value(tree), [from, to]) : value(tree);
    if (!name) continue;
    scope.set(name, result);
    if (!isNumber(result) && !names.has(result)) named(result, name);
  }
  if (isNumber(result)) throw new ExpressionError(text, 0, 'there is no name in this, so nothing can change. Write one, as in a*2 + 1.');
  const made = result.order();
  if (made.size > MOST_NODES) throw new ExpressionError(text, 0, `this makes ${made.size} nodes; up to ${MOST_NODES} can be drawn. Make it shorter.`);
  const used = inputs.filter((one) => made.has(one.node)).sort((a, b) => (a.span !== null) - (b.span !== null));
  return { result, inputs: used, names };
}
