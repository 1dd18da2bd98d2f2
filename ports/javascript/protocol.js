/**
 * The protocol (SPEC, sections 11 to 13): from the text of a request to the text of its reply. What requests are about
 * is computed in microgpt.js, and where bytes come from is main.js's business, so a browser loads this file as it is.
 */

import { decimals } from './exact.js';
import {
  adam, codePoints, documentsOf, InputError, list, MATHS, matricesOf, MersenneTwister, Model, PRESETS, ratesOf, run,
  Tape, Tokenizer, trainStep,
} from './microgpt.js';

export const LINE_LIMIT = 65536; // bytes

// Writing

const view = new DataView(new ArrayBuffer(8));
const hex32 = (word) => word.toString(16).padStart(8, '0');
function halves(x) {
  view.setFloat64(0, x);
  return Number.isNaN(x) ? [0x7ff80000, 0] : [view.getUint32(0), view.getUint32(4)];
}
const hex = (x) => halves(x).map(hex32).join('');
const line = (key, words) => [key, ...words].join(' ');
const hexLine = (key, numbers) => line(key, Array.from(numbers, hex));

function* tensors(matrices, numbers, prefix = '') {
  for (const { name, rows, columns, start, end } of matrices) {
    yield `tensor ${prefix}${name} ${rows} ${columns}`;
    for (let i = start; i < end; i += columns) yield hexLine('row', numbers.slice(i, i + columns));
  }
}

function checksum(numbers) {
  let [a, b] = [1, 0];
  for (const x of numbers) {
    for (const half of halves(x)) {
      a = (a + half) % 4294967291;
      b = (b + a) % 4294967291;
    }
  }
  return `${hex32(a)} ${hex32(b)}`;
}

// Reading. A parser makes a value of a word, or undefined if it does not take it.

const double = (word) => {
  view.setUint32(0, parseInt(word.slice(0, 8), 16));
  view.setUint32(4, parseInt(word.slice(8), 16));
  return /^[0-9a-f]{16}$/.test(word) ? view.getFloat64(0) : undefined;
};
const doubleThat = (isRight) => (word) => [double(word)].find(isRight);
const angle = doubleThat((x) => !(Math.abs(x) > 8));
const printable = doubleThat((x) => !(Math.abs(x) > 2 ** 53 && Math.abs(x) < Infinity));
const exponent = (limit) => doubleThat((y) => Math.abs(y) <= limit && Number.isInteger(2 * y));
const integer = (low, high) => (word) =>
  /^(0|[1-9][0-9]{0,9})$/.test(word) && word >= low && word <= high ? Number(word) : undefined;
const word32 = integer(0, 0xffffffff);
const count = integer(0, 1000);
const steps = integer(1, 4096);
const codePoint = (word) => [integer(0, 0x10ffff)(word)].find((point) => point < 0xd800 || point > 0xdfff);
const anything = (word) => word;
const entryOf = (table) => (word) => new Map(Object.entries(table)).get(word);
const oneOf = (...words) => (word) => words.find((one) => one === word);
const math = entryOf(MATHS);

const MODEL = {
  math, layers: integer(1, 16), heads: integer(1, 64), embedding: integer(1, 512), block: integer(1, 1024),
  vocabulary: integer(2, 2048), activation: oneOf('relu', 'squared_relu'),
};
const OPTIMIZER = {
  learning_rate: double, beta1: double, beta2: double, epsilon: double, schedule: oneOf('linear', 'cosine'), steps,
};

const quoted = (text) => `'${text.slice(0, 40)}'`;
const isIncreasing = (numbers) => numbers.every((number, i) => i === 0 || numbers[i - 1] < number);

/** The lines of a request after its first. Each method reads the next ones, or throws an InputError. */
class Request {
  constructor(lines) { Object.assign(this, { lines, next: 0 }); }
  /** The key of the next line, which is left to be read. */
  get key() { return this.next < this.lines.length ? this.lines[this.next].split(' ', 1)[0] : '(the end)'; }
  /** The values of the next line. The last parser also takes what comes after its word. */
  take(key, parsers, least = parsers.length, most = parsers.length) {
    if (this.key !== key) throw new InputError(`expected a line ${key}, not ${quoted(this.key)}`);
    const words = this.lines[this.next++].split(' ').slice(1);
    if (words.length < least || words.length > most) throw new InputError(`${key} takes ${least} to ${most} values`);
    return words.map((word, i) => {
      const value = parsers[Math.min(i, parsers.length - 1)](word);
      if (value === undefined) throw new InputError(`${key} does not take ${quoted(word)}`);
      return value;
    });
  }
  /** The values of lines with one value each. */
  fields(parsers) {
    return Object.fromEntries(Object.entries(parsers).map(([key, parse]) => [key, this.take(key, [parse])[0]]));
  }
  /** The values of one or more lines with the same key. */
  block(key, parse, least, most) {
    const lines = [];
    do lines.push(this.take(key, [parse], least, most));
    while (this.key === key);
    return lines;
  }
  /** One or more lines, to the end or a line `last`: their values, and what the table has for their keys. */
  *each(table, last) {
    do {
      const { key } = this;
      if (!Object.hasOwn(table, key)) throw new InputError(`expected another line than ${quoted(key)}`);
      const [parsers, action, most] = table[key];
      yield [key, this.take(key, parsers, parsers.length, most), action];
    } while (this.next < this.lines.length && this.key !== last);
  }
  finish() { if (this.next < this.lines.length) throw new InputError(`expected the end, not ${quoted(this.key)}`); }
  /** The numbers of a tensor for each of the matrices. */
  tensors(matrices, prefix = '') {
    const numbers = new Float64Array(matrices.at(-1).end);
    for (const { name, rows, columns, start, end } of matrices) {
      const [came, wanted] = [this.take('tensor', [anything], 3, 3).join(' '), `${prefix}${name} ${rows} ${columns}`];
      if (came !== wanted) throw new InputError(`expected tensor ${wanted}, not ${quoted(came)}`);
      for (let i = start; i < end; i += columns) numbers.set(this.take('row', [double], columns, columns), i);
    }
    return numbers;
  }
  /** The lines that describe a model, and a parser of its tokens. */
  model() {
    const { math, ...config } = this.fields(MODEL);
    if (config.embedding % config.heads !== 0) throw new InputError('embedding takes a multiple of heads');
    config.attention = list(config.block, (t) => {
      const positions = this.take('attend', [integer(0, t)], 1, Infinity);
      if (isIncreasing(positions) && positions.at(-1) === t) return positions;
      throw new InputError(`expected an attend line of increasing positions that end with ${t}`);
    });
    return { math, config, token: integer(0, config.vocabulary - 1) };
  }
  /** A model and one document for it: all that forward and backward ask for. */
  document() {
    const { math, config, token } = this.model();
    const tokens = this.take('tokens', [token], 2, Infinity);
    return { tokens, model: new Model(config, this.tensors(matricesOf(config)), math) };
  }
}

// Tables for Request.each: what a line takes, what is done with it, and how many values it takes at most

const ARITHMETIC = {
  add: [[double, double], (x, y) => x + y],
  sub: [[double, double], (x, y) => x - y],
  mul: [[double, double], (x, y) => x * y],
  div: [[double, double], (x, y) => x / y],
  sqrt: [[double], Math.sqrt],
  muladd: [[double, double, double], (x, y, z) => x * y + z],
  sum: [[double], (...xs) => xs.reduce((total, x) => total + x, 0), Infinity],
  dot: [[double, double], (...xs) => xs.reduce((total, y, i) => (i % 2 ? total + xs[i - 1] * y : total), 0), Infinity],
  decimals: [[printable], decimals],
};
const FUNCTIONS = { exp: [[double]], log: [[double]], sin: [[angle]], cos: [[angle]], pow: [[double, exponent(4096)]] };
const DRAWS = {
  words: [[count], (generator, n) => list(n, () => generator.word())],
  random: [[count], (generator, n) => list(n, () => hex(generator.random()))],
  gauss: [[count, double], (generator, n, sigma) => list(n, () => hex(generator.gauss(sigma)))],
  shuffle: [[integer(0, 10000)], (generator, n) => generator.shuffle(list(n, (i) => i))],
  choices: [[count, double], (generator, n, ...weights) => list(n, () => generator.choice(weights)), 1001],
  state: [[], ({ index, words }) => [index, ...words]],
};
const expressions = (tape, node) => ({
  leaf: [[double], (x) => tape.leaf(x)],
  add: [[node, node], (a, b) => tape.add(a, b)],
  sub: [[node, node], (a, b) => tape.add(a, tape.mul(b, tape.leaf(-1)))],
  mul: [[node, node], (a, b) => tape.mul(a, b)],
  div: [[node, node], (a, b) => tape.mul(a, tape.pow(b, -1))],
  sum: [[node], (a, ...more) => more.reduce((sum, b) => tape.add(sum, b), tape.add(a, tape.leaf(0))), Infinity],
  neg: [[node], (a) => tape.mul(a, tape.leaf(-1))],
  exp: [[node], (a) => tape.exp(a)],
  log: [[node], (a) => tape.log(a)],
  relu: [[node], (a) => tape.relu(a)],
  pow: [[node, exponent(1024)], (a, c) => tape.pow(a, c)],
  add_number: [[node, double], (a, c) => tape.add(a, tape.leaf(c))],
  sub_number: [[node, double], (a, c) => tape.add(a, tape.leaf(-c))],
  mul_number: [[node, double], (a, c) => tape.mul(a, tape.leaf(c))],
  div_number: [[node, double], (a, c) => tape.mul(a, tape.leaf(tape.maths.pow(c, -1)))],
  number_sub: [[double, node], (c, a) => tape.add(tape.mul(a, tape.leaf(-1)), tape.leaf(c))],
  number_div: [[double, node], (c, a) => tape.mul(tape.pow(a, -1), tape.leaf(c))],
});

// Verbs: from a request to the lines of its reply

const VERBS = {
  *hello() {
    yield* ['name javascript', 'protocol 1', line('verbs', Object.keys(VERBS)), line('math', Object.keys(MATHS))];
  },
  *arith(request) {
    for (const [key, operands, operation] of request.each(ARITHMETIC)) {
      if (key === 'dot' && operands.length % 2) throw new InputError('dot takes pairs, not an odd number of doubles');
      const result = operation(...operands);
      yield key === 'decimals' ? line(key, codePoints(result)) : hexLine(key, [result]);
    }
  },
  *math(request) {
    const { math: maths } = request.fields({ math });
    for (const [key, values] of request.each(FUNCTIONS)) yield hexLine(key, [maths[key](...values)]);
  },
  *random(request) {
    const { seed, math: maths } = request.fields({ math, seed: word32 });
    const generator = new MersenneTwister(seed, maths);
    for (const [key, values, draw] of request.each(DRAWS)) {
      yield line(key, draw(generator, ...values));
      if (key === 'state') yield `kept ${generator.kept === null ? 'none' : hex(generator.kept)}`;
    }
  },
  *tokens(request) {
    const documents = documentsOf(request.block('line', codePoint, 0, 10000));
    const tokenizer = new Tokenizer(documents);
    yield* [`documents ${documents.length}`, line('vocabulary', tokenizer.characters), `bos ${tokenizer.bos}`];
    for (const document of documents) yield line('encoded', tokenizer.encode(document));
  },
  *graph(request) {
    const tape = new Tape(request.fields({ math }).math);
    const nodes = [];
    const node = (word) => nodes[integer(0, nodes.length - 1)(word)];
    for (const [, operands, make] of request.each(expressions(tape, node), 'root')) nodes.push(make(...operands));
    const { root } = request.fields({ root: node });
    tape.backward(root);
    for (const a of nodes) yield hexLine('value', [tape.data[a]]);
    for (const a of nodes) yield hexLine('gradient', [tape.grad[a]]);
  },
  *forward(request) {
    const { model, tokens } = request.document();
    const seen = [];
    const loss = model.loss(tokens, (name, first, length) => {
      seen.push(...tensors([{ name, rows: 1, columns: length, start: first, end: first + length }], model.tape.data));
    });
    yield* [...seen, `loss ${hex(model.tape.data[loss])}`];
  },
  *backward(request) {
    const { model, tokens } = request.document();
    const loss = model.loss(tokens);
    model.tape.backward(loss);
    yield `loss ${hex(model.tape.data[loss])}`;
    yield* tensors(model.matrices, model.gradients);
  },
  *adam(request) {
    const { math: maths, ...optimizer } = request.fields({ math, ...OPTIMIZER });
    const { step } = request.fields({ step: integer(0, optimizer.steps - 1) });
    const [, rows, columns] = request.take('tensor', [anything, integer(1, 2048)], 3, 3);
    request.next -= 1; // for the tensor itself
    const matrix = { rows, columns, start: 0, end: rows * columns };
    const lists = {};
    for (const name of ['parameters', 'gradients', 'm', 'v']) lists[name] = request.tensors([{ ...matrix, name }]);
    for (const [name, number] of Object.entries(ratesOf(optimizer, step, maths))) yield `${name} ${hex(number)}`;
    adam(optimizer, step, lists, maths);
    for (const name of ['m', 'v', 'parameters']) yield* tensors([{ ...matrix, name }], lists[name]);
  },
  *train(request) {
    const { math: maths, config, token } = request.model();
    const matrices = matricesOf(config);
    const optimizer = request.fields(OPTIMIZER);
    const { from } = request.fields({ from: integer(0, optimizer.steps - 1) });
    const end = from + request.fields({ count: integer(1, optimizer.steps - from) }).count;
    const full = request.take('full', [integer(from, end - 1)], 0, Infinity);
    if (!isIncreasing(full)) throw new InputError('full takes steps in increasing order');
    const documents = request.block('tokens', token, 2, Infinity);
    const model = new Model(config, request.tensors(matrices), maths);
    const [m, v] = ['m.', 'v.'].map((prefix) => (from > 0 ? request.tensors(matrices, prefix) : model.zeros()));
    for (let step = from; step < end; step++) {
      const loss = trainStep(model, optimizer, step, documents[step % documents.length], m, v);
      yield* [`step ${step}`, `loss ${hex(loss)}`];
      const lists = Object.entries({ gradients: model.gradients, m, v, parameters: model.parameters });
      for (const [name, list] of lists) yield `${name} ${checksum(list)}`;
      if (full.includes(step)) for (const [name, list] of lists) yield* tensors(matrices, list, `${name}.`);
    }
  },
  *sample(request) {
    const { math: maths, config } = request.model();
    const { temperature, samples } = request.fields({ temperature: double, samples: count });
    const model = new Model(config, request.tensors(matricesOf(config)), maths);
    const [index, ...words] = request.take('state', [integer(0, 624), word32], 625, 625);
    const { kept } = request.fields({ kept: (word) => (word === 'none' ? null : double(word)) });
    const generator = Object.assign(new MersenneTwister(0, maths), { index, words: Uint32Array.from(words), kept });
    for (let number = 0; number < samples; number++) {
      yield `sample ${number}`;
      for (const { probabilities, token } of model.draws(temperature, generator)) {
        yield* [hexLine('probabilities', probabilities), `token ${token}`];
      }
    }
    yield `word ${generator.word()}`;
  },
  *run(request) {
    const { math: maths, preset, ...sizes } = request.fields({ math, preset: entryOf(PRESETS), steps, samples: count });
    const lines = request.block('line', codePoint, 0, 10000);
    const printed = [];
    const show = (text) => printed.push(line('print', codePoints(text)));
    const { model: { parameters }, m, v, generator } = run(lines, { ...preset, ...sizes }, maths, show);
    yield* printed;
    for (const [name, list] of Object.entries({ parameters, m, v })) yield `${name} ${checksum(list)}`;
    yield `word ${generator.word()}`;
  },
};

/** The reply to the text of one request. Its last line should be `end`; if it is not, the input ended before. */
export function answer(text) {
  const [first, ...lines] = text.replace(/\n$/, '').split('\n');
  const isComplete = first === 'end' || lines.pop() === 'end';
  const isShort = first.length <= LINE_LIMIT;
  const [, verb, id] = (isShort && /^([!-~]+) ([A-Za-z0-9._-]{1,64})$/.exec(first)) || [];
  try {
    if (id === undefined) throw new InputError(`expected a verb and an id, not ${quoted(first)}`);
    if (!isComplete) throw new InputError('the input ended before the line end');
    if (!Object.hasOwn(VERBS, verb)) throw new InputError('unsupported');
    for (const text of lines) {
      if (text.length > LINE_LIMIT) throw new InputError(`a line has at most ${LINE_LIMIT} bytes`);
      if (!/^[!-~]+( [!-~]+)*$/.test(text)) throw new InputError(`expected words, not ${quoted(text)}`);
    }
    const request = new Request(lines);
    const reply = [`ok ${id}`, ...VERBS[verb](request), 'end', ''].join('\n');
    request.finish();
    return reply;
  } catch (problem) {
    // All but an InputError (out of memory, say) is the port's own fault, but the next request may fare better.
    const reason = problem instanceof InputError ? problem.message : `the port failed: ${problem}`;
    return `error ${id ?? '-'} ${reason.replace(/[^!-~]+/g, ' ').slice(0, 200).trim()}\nend\n`;
  }
}
