/**
 * The protocol (SPEC, sections 11 to 13): from the text of a request to the text of its reply. What requests are about
 * is computed in microgpt.js, and where bytes come from is main.js's business, so a browser loads this file as it is.
 */

import { decimals } from './exact.js';
import {
  adam, codePoints, documentsOf, InputError, MATHS, matricesOf, MersenneTwister, Model, PRESETS, ratesOf, Run, Tape,
  Tokenizer, Training,
} from './microgpt.js';

/** Bytes of a line. */
export const LINE_LIMIT = 65536;

// Writing

const view = new DataView(new ArrayBuffer(8));
const hex32 = (word) => word.toString(16).padStart(8, '0');
/** The two halves of a pattern. */
function halves(x) {
  view.setFloat64(0, x);
  return Number.isNaN(x) ? [0x7ff80000, 0] : [view.getUint32(0), view.getUint32(4)];
}
const hex = (x) => halves(x).map(hex32).join('');
const line = (key, words) => [key, ...words].join(' ');
const hexLine = (key, numbers) => line(key, Array.from(numbers, hex));

function* tensor(name, rows, columns, numbers) {
  yield `tensor ${name} ${rows} ${columns}`;
  for (let i = 0; i < rows * columns; i += columns) yield hexLine('row', numbers.slice(i, i + columns));
}

function* tensors(prefix, matrices, numbers) {
  for (const { name, rows, columns, start, end } of matrices) {
    yield* tensor(prefix + name, rows, columns, numbers.subarray(start, end));
  }
}

function checksum(numbers) {
  let a = 1;
  let b = 0;
  for (const x of numbers) {
    for (const half of halves(x)) {
      a = (a + half) % 4294967291;
      b = (b + a) % 4294967291;
    }
  }
  return `${hex32(a)} ${hex32(b)}`;
}

// Reading. A parser makes a value of a word, or undefined; `parser.wants` says what it takes.

const parser = (wants, parse) => Object.assign(parse, { wants });
const doubleThat = (wants, isRight) =>
  parser(wants, (word) => {
    view.setUint32(0, parseInt(word.slice(0, 8), 16));
    view.setUint32(4, parseInt(word.slice(8), 16));
    return /^[0-9a-f]{16}$/.test(word) && isRight(view.getFloat64(0)) ? view.getFloat64(0) : undefined;
  });
const double = doubleThat('doubles of 16 lower-case hex digits', () => true);
const angle = doubleThat('doubles from -8 to 8', (x) => !(Math.abs(x) > 8));
const printable = doubleThat('doubles up to 2^53', (x) => !(Math.abs(x) > 2 ** 53 && Math.abs(x) < Infinity));
const exponent = (limit) =>
  doubleThat(`integers and half-integers up to ${limit}`, (y) => Math.abs(y) <= limit && Number.isInteger(2 * y));
const integer = (low, high) =>
  parser(`integers from ${low} to ${high}`, (word) =>
    /^(0|[1-9][0-9]{0,9})$/.test(word) && word >= low && word <= high ? Number(word) : undefined);
const word32 = integer(0, 0xffffffff);
const count = integer(0, 1000);
const steps = integer(1, 4096);
const codePoint = parser('Unicode code points', (word) =>
  [integer(0, 0x10ffff)(word)].find((point) => point < 0xd800 || point > 0xdfff));
const anything = parser('words', (word) => word);
const entryOf = (table) => parser(Object.keys(table).join(' or '), (word) => new Map(Object.entries(table)).get(word));
const oneOf = (...words) => entryOf(Object.fromEntries(words.map((word) => [word, word])));
const math = entryOf(MATHS);

const MODEL = {
  math,
  ...{ layers: integer(1, 16), heads: integer(1, 64), embedding: integer(1, 512) },
  ...{ block: integer(1, 1024), vocabulary: integer(2, 2048), activation: oneOf('relu', 'squared_relu') },
};
const RATES = { learning_rate: double, beta1: double, beta2: double, epsilon: double };
const OPTIMIZER = { ...RATES, schedule: oneOf('linear', 'cosine'), steps };

/** What came, as printable ASCII without spaces. */
const quoted = (text) => `'${text.slice(0, 40).replace(/[^!-~]+/g, '?')}'`;
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
    const isRight = words.length >= least && words.length <= most;
    if (!isRight) throw new InputError(`${key} takes ${least} to ${most} values, not ${words.length}`);
    return words.map((word, i) => {
      const parse = parsers[Math.min(i, parsers.length - 1)];
      const value = parse(word);
      if (value === undefined) throw new InputError(`${key} takes ${parse.wants}, not ${quoted(word)}`);
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
  /** The keys of the lines up to the end, one at least, each for the caller to read. */
  *keys(table) {
    do {
      if (!Object.hasOwn(table, this.key)) throw new InputError(`expected another line than ${quoted(this.key)}`);
      yield this.key;
    } while (this.next < this.lines.length);
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
    config.attention = Array.from({ length: config.block }, (_, t) => {
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
    const model = new Model(config, this.tensors(matricesOf(config)), math);
    this.finish();
    return { model, tokens };
  }
}

// Verbs: from a request to the lines of its reply

/** What a line takes, at most how many words, and its result. */
const ARITHMETIC = {
  add: [[double, double], 2, (x, y) => x + y],
  sub: [[double, double], 2, (x, y) => x - y],
  mul: [[double, double], 2, (x, y) => x * y],
  div: [[double, double], 2, (x, y) => x / y],
  sqrt: [[double], 1, Math.sqrt],
  muladd: [[double, double, double], 3, (x, y, z) => x * y + z],
  sum: [[double], Infinity, (...xs) => xs.reduce((total, x) => total + x, 0)],
  dot: [[double, double], Infinity, (...xs) => xs.reduce((total, y, i) => (i % 2 ? total + xs[i - 1] * y : total), 0)],
  decimals: [[printable], 1, decimals],
};

const FUNCTIONS = { exp: [double], log: [double], sin: [angle], cos: [angle], pow: [double, exponent(4096)] };

const numbers = (length, make) => Array.from({ length }, make);
const DRAWS = {
  words: [[count], (generator, n) => line('words', numbers(n, () => generator.word()))],
  random: [[count], (generator, n) => hexLine('random', numbers(n, () => generator.random()))],
  gauss: [[count, double], (generator, n, sigma) => hexLine('gauss', numbers(n, () => generator.gauss(sigma)))],
  shuffle: [[integer(0, 10000)], (generator, n) => line('shuffle', generator.shuffle(numbers(n, (_, i) => i)))],
  choices: [[count, double], (generator, n, ...w) => line('choices', numbers(n, () => generator.choice(w)))],
  state: [[], ({ index, words }) => line('state', [index, ...words])],
};

/** The operands of an expression (n a node, x a number, c an exponent), and the nodes that it is made of. */
const EXPRESSIONS = {
  leaf: ['x', (tape, x) => tape.leaf(x)],
  add: ['nn', (tape, a, b) => tape.add(a, b)],
  sub: ['nn', (tape, a, b) => tape.add(a, tape.mul(b, tape.leaf(-1)))],
  mul: ['nn', (tape, a, b) => tape.mul(a, b)],
  div: ['nn', (tape, a, b) => tape.mul(a, tape.pow(b, -1))],
  neg: ['n', (tape, a) => tape.mul(a, tape.leaf(-1))],
  pow: ['nc', (tape, a, c) => tape.pow(a, c)],
  exp: ['n', (tape, a) => tape.exp(a)],
  log: ['n', (tape, a) => tape.log(a)],
  relu: ['n', (tape, a) => tape.relu(a)],
  sum: ['n', (tape, a, ...others) => others.reduce((total, b) => tape.add(total, b), tape.add(a, tape.leaf(0)))],
  add_number: ['nx', (tape, a, x) => tape.add(a, tape.leaf(x))],
  sub_number: ['nx', (tape, a, x) => tape.add(a, tape.leaf(-x))],
  mul_number: ['nx', (tape, a, x) => tape.mul(a, tape.leaf(x))],
  div_number: ['nx', (tape, a, x) => tape.mul(a, tape.leaf(tape.maths.pow(x, -1)))],
  number_sub: ['xn', (tape, x, a) => tape.add(tape.mul(a, tape.leaf(-1)), tape.leaf(x))],
  number_div: ['xn', (tape, x, a) => tape.mul(tape.pow(a, -1), tape.leaf(x))],
};

const VERBS = {
  *hello(request) {
    request.finish();
    yield* ['name javascript', 'protocol 1', line('verbs', Object.keys(VERBS)), line('math', Object.keys(MATHS))];
  },
  *arith(request) {
    for (const key of request.keys(ARITHMETIC)) {
      const [parsers, most, operation] = ARITHMETIC[key];
      const operands = request.take(key, parsers, parsers.length, most);
      if (key === 'dot' && operands.length % 2) throw new InputError('dot takes pairs, not an odd number of doubles');
      const result = operation(...operands);
      yield key === 'decimals' ? line(key, codePoints(result)) : `${key} ${hex(result)}`;
    }
  },
  *math(request) {
    const { math: maths } = request.fields({ math });
    for (const key of request.keys(FUNCTIONS)) yield `${key} ${hex(maths[key](...request.take(key, FUNCTIONS[key])))}`;
  },
  *random(request) {
    const { seed, math: maths } = request.fields({ math, seed: word32 });
    const generator = new MersenneTwister(seed, maths);
    for (const key of request.keys(DRAWS)) {
      const [parsers, draw] = DRAWS[key];
      const most = key === 'choices' ? 1001 : parsers.length;
      yield draw(generator, ...request.take(key, parsers, parsers.length, most));
      if (key === 'state') yield `kept ${generator.kept === null ? 'none' : hex(generator.kept)}`;
    }
  },
  *tokens(request) {
    const documents = documentsOf(request.block('line', codePoint, 0, 10000));
    request.finish();
    const tokenizer = new Tokenizer(documents);
    yield* [`documents ${documents.length}`, line('vocabulary', tokenizer.characters), `bos ${tokenizer.bos}`];
    for (const document of documents) yield line('encoded', tokenizer.encode(document));
  },
  *graph(request) {
    const tape = new Tape(request.fields({ math }).math);
    const nodes = [];
    const node = parser('the numbers of expressions before it', (word) => nodes[integer(0, nodes.length - 1)(word)]);
    const operand = { n: node, x: double, c: exponent(1024) };
    for (const key of request.keys({ ...EXPRESSIONS, root: null })) {
      if (key === 'root') break;
      const [kinds, make] = EXPRESSIONS[key];
      const parsers = Array.from(kinds, (kind) => operand[kind]);
      nodes.push(make(tape, ...request.take(key, parsers, kinds.length, key === 'sum' ? Infinity : kinds.length)));
    }
    const { root } = request.fields({ root: node });
    request.finish();
    tape.backward(root);
    for (const a of nodes) yield `value ${hex(tape.data[a])}`;
    for (const a of nodes) yield `gradient ${hex(tape.grad[a])}`;
  },
  *forward(request) {
    const { model, tokens } = request.document();
    const seen = [];
    const loss = model.loss(tokens, (prefix, vectors, length) => {
      for (const [name, first] of Object.entries(vectors)) {
        seen.push(...tensor(prefix + name, 1, length, model.tape.data.subarray(first, first + length)));
      }
    });
    yield* [...seen, `loss ${hex(model.tape.data[loss])}`];
  },
  *backward(request) {
    const { model, tokens } = request.document();
    const loss = model.loss(tokens);
    model.tape.backward(loss);
    yield `loss ${hex(model.tape.data[loss])}`;
    yield* tensors('', model.matrices, model.gradients);
  },
  *adam(request) {
    const { math: maths, ...optimizer } = request.fields({ math, ...OPTIMIZER });
    const { step } = request.fields({ step: integer(0, optimizer.steps - 1) });
    const [, rows, columns] = request.take('tensor', [anything, integer(1, 2048)], 3, 3);
    request.next -= 1; // for the tensor itself
    const matrix = { rows, columns, start: 0, end: rows * columns };
    const lists = {};
    for (const name of ['parameters', 'gradients', 'm', 'v']) lists[name] = request.tensors([{ ...matrix, name }]);
    request.finish();
    for (const [name, number] of Object.entries(ratesOf(optimizer, step, maths))) yield `${name} ${hex(number)}`;
    adam(optimizer, step, lists, maths);
    for (const name of ['m', 'v', 'parameters']) yield* tensor(name, rows, columns, lists[name]);
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
    const training = new Training(new Model(config, request.tensors(matrices), maths), optimizer);
    training.step = from;
    if (from > 0) for (const moment of ['m', 'v']) training[moment] = request.tensors(matrices, `${moment}.`);
    request.finish();
    while (training.step < end) {
      const { step, m, v, model } = training;
      yield `step ${step}`;
      yield `loss ${hex(training.advance(documents[step % documents.length]))}`;
      const lists = Object.entries({ gradients: model.gradients, m, v, parameters: model.parameters });
      for (const [name, list] of lists) yield `${name} ${checksum(list)}`;
      if (full.includes(step)) for (const [name, list] of lists) yield* tensors(`${name}.`, matrices, list);
    }
  },
  *sample(request) {
    const { math: maths, config } = request.model();
    const { temperature, samples } = request.fields({ temperature: double, samples: count });
    const model = new Model(config, request.tensors(matricesOf(config)), maths);
    const [index, ...words] = request.take('state', [integer(0, 624), word32], 625, 625);
    const { kept } = request.fields({ kept: parser('none or a double', (w) => (w === 'none' ? null : double(w))) });
    request.finish();
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
    request.finish();
    const run = new Run(lines, { ...preset, ...sizes }, maths);
    for (const text of run.text()) yield line('print', codePoints(text));
    const { generator, training: { m, v, model: { parameters } } } = run;
    for (const [name, list] of Object.entries({ parameters, m, v })) yield `${name} ${checksum(list)}`;
    yield `word ${generator.word()}`;
  },
};

/** The reply to the lines before `end`; isComplete is false if the input ended before that line. */
export function answerLines([first = 'end', ...lines], isComplete = true) {
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
    return [`ok ${id}`, ...VERBS[verb](new Request(lines)), 'end', ''].join('\n');
  } catch (problem) {
    // All but an InputError (out of memory, say) is the port's own fault, but the next request may fare better.
    const reason = problem instanceof InputError ? problem.message : `the port failed: ${problem}`;
    return `error ${id ?? '-'} ${reason.replace(/[^!-~]+/g, ' ').slice(0, 200).trim()}\nend\n`;
  }
}

/** The reply to the text of one request, its line `end` included. */
export function answer(text) {
  const lines = text.replace(/\n$/, '').split('\n');
  return lines.at(-1) === 'end' ? answerLines(lines.slice(0, -1)) : answerLines(lines, false);
}
