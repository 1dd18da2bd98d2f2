/**
 * The protocol of conformance/SPEC.md, sections 11 to 13: from the text of a request to the text of its reply.
 *
 * `answer` is a pure function and runs in a browser or a web worker as well. Here requests are read and checked and
 * replies are written; what they are about is computed in microgpt.js. Where the bytes come from is main.js's business.
 *
 * Every fault of a request throws an InputError, whose message becomes the reason of the reply.
 *
 * Sections: words of a line, lines of a request, lines that several verbs share, the verbs, requests and replies.
 */

import {
  ACTIVATIONS, adam, codePoints, documentsOf, draws, InputError, MATHS, matricesOf, MersenneTwister, Model, PRESETS,
  ratesOf, Run, STATE_WORDS, Tape, Tokenizer, Training, VOCABULARY_LIMIT,
} from './microgpt.js';

/** @typedef {import('./microgpt.js').Maths} Maths */
/** @typedef {import('./microgpt.js').Config} Config */
/** @typedef {import('./microgpt.js').Optimizer} Optimizer */

// ------------------------------------------------------------------------------------------------------------------
// Words of a line.

const PROTOCOL = 1;
/** Bytes of a line. */
export const LINE_LIMIT = 65536;
const TEXT_LIMIT = 10000;
const CHECKSUM_MODULUS = 4294967291;

const bits = new DataView(new ArrayBuffer(8));

/** @param {number} x @returns {string} the pattern of a double as 16 hex digits */
function hex(x) {
  if (Number.isNaN(x)) return '7ff8000000000000';
  bits.setFloat64(0, x);
  return hex32(bits.getUint32(0)) + hex32(bits.getUint32(4));
}

/** @param {number} word @returns {string} */
const hex32 = (word) => word.toString(16).padStart(8, '0');

/** @param {string} key @param {string} word @returns {number} */
function parseDouble(key, word) {
  if (!/^[0-9a-f]{16}$/.test(word)) {
    throw new InputError(`${key} takes doubles of 16 lower-case hex digits and not ${excerpt(word)}`);
  }
  bits.setUint32(0, parseInt(word.slice(0, 8), 16));
  bits.setUint32(4, parseInt(word.slice(8), 16));
  return bits.getFloat64(0);
}

/** @param {string} key @param {string} word @param {number} low @param {number} high @returns {number} */
function parseInteger(key, word, low, high) {
  if (!/^(0|[1-9][0-9]{0,9})$/.test(word) || Number(word) < low || Number(word) > high) {
    throw new InputError(high < low
      ? `${key} comes too early: there is nothing yet that it could name`
      : `${key} takes decimal integers from ${low} to ${high} and not ${excerpt(word)}`);
  }
  return Number(word);
}

/** What came, in quotes, as printable ASCII with single spaces. @param {string} text @returns {string} */
function excerpt(text) {
  const safe = text.slice(0, 40).replace(/[^!-~]+/g, '?');
  return text.length > 40 ? `'${safe}...'` : `'${safe}'`;
}

/** Two running sums over the 32-bit halves of all patterns. @param {Float64Array} numbers @returns {string} */
function checksum(numbers) {
  let a = 1;
  let b = 0;
  const take = (/** @type {number} */ half) => {
    a = (a + half) % CHECKSUM_MODULUS;
    b = (b + a) % CHECKSUM_MODULUS;
  };
  for (const x of numbers) {
    bits.setFloat64(0, x);
    if (Number.isNaN(x)) bits.setBigUint64(0, 0x7ff8000000000000n);
    take(bits.getUint32(0));
    take(bits.getUint32(4));
  }
  return `${hex32(a)} ${hex32(b)}`;
}

// ------------------------------------------------------------------------------------------------------------------
// Lines of a request. Every method reads the next line or throws a InputError.

class Fields {
  /** @param {string[]} lines those between the first and `end` */
  constructor(lines) {
    this.lines = lines;
    this.next = 0;
  }

  /** The first word of the next line, which is left to be read. @returns {string | undefined} */
  peek() {
    const line = this.lines[this.next];
    if (line === undefined) return undefined;
    const space = line.indexOf(' ');
    return space < 0 ? line : line.slice(0, space);
  }

  /**
   * The words after the key on the next line.
   * @param {string} key
   * @param {number} least
   * @param {number} most
   * @returns {string[]}
   */
  words(key, least = 0, most = Infinity) {
    const line = this.lines[this.next];
    const came = this.peek();
    if (came === undefined) throw new InputError(`expected a line ${key} and not the end`);
    if (came !== key) throw new InputError(`expected a line ${key} and not ${excerpt(came)}`);
    if (line.length > LINE_LIMIT) throw new InputError(`a line has at most ${LINE_LIMIT} bytes: this ${key} has more`);
    if (!/^[!-~]+( [!-~]+)*$/.test(line)) {
      throw new InputError(`a line is printable ASCII with single spaces and not ${excerpt(line)}`);
    }
    this.next += 1;
    const words = line.split(' ').slice(1);
    if (words.length < least || words.length > most) {
      const wanted = least === most ? least : most === Infinity ? `at least ${least}` : `${least} to ${most}`;
      throw new InputError(`${key} takes ${wanted} values and not ${words.length}`);
    }
    return words;
  }

  /** @param {string} key @param {number} low @param {number} high @returns {number} */
  integer(key, low, high) {
    return parseInteger(key, this.words(key, 1, 1)[0], low, high);
  }

  /** @param {string} key @param {number} low @param {number} high @param {number} least @param {number} [most] */
  integers(key, low, high, least, most) {
    return this.words(key, least, most).map((word) => parseInteger(key, word, low, high));
  }

  /** @param {string} key @returns {number} */
  double(key) {
    return parseDouble(key, this.words(key, 1, 1)[0]);
  }

  /** @param {string} key @param {number} least @param {number} [most] @returns {number[]} */
  doubles(key, least, most) {
    return this.words(key, least, most).map((word) => parseDouble(key, word));
  }

  /** @param {string} key @param {readonly string[]} options @returns {string} */
  choice(key, options) {
    const [word] = this.words(key, 1, 1);
    if (!options.includes(word)) throw new InputError(`${key} is ${options.join(' or ')} and not ${excerpt(word)}`);
    return word;
  }

  /** One or more lines of code points. @returns {number[][]} */
  text() {
    const lines = [];
    do {
      const points = this.integers('line', 0, 0x10ffff, 0, TEXT_LIMIT);
      if (points.some((point) => point >= 0xd800 && point <= 0xdfff)) {
        throw new InputError('line takes Unicode code points and surrogates (55296 to 57343) are none');
      }
      lines.push(points);
    } while (this.peek() === 'line');
    return lines;
  }

  /** The shape of the tensor that comes next, which is left to be read. */
  shape() {
    const [, rows, columns] = this.words('tensor', 3, 3);
    this.next -= 1;
    return { rows: parseInteger('tensor', rows, 1, 2048), columns: parseInteger('tensor', columns, 1, 2048) };
  }

  /**
   * The rows of a tensor, one after the other.
   * @param {string} name
   * @param {number} rows
   * @param {number} columns
   * @returns {Float64Array}
   */
  tensor(name, rows, columns) {
    const came = this.words('tensor', 3, 3).join(' ');
    if (came !== `${name} ${rows} ${columns}`) {
      throw new InputError(`expected tensor ${name} ${rows} ${columns} and not tensor ${came.slice(0, 100)}`);
    }
    const numbers = new Float64Array(rows * columns);
    for (let row = 0; row < rows; row++) numbers.set(this.doubles('row', columns, columns), row * columns);
    return numbers;
  }

  /**
   * The key of each line that is left, one at least, for the caller to read. For verbs whose lines come in any order.
   * @param {readonly string[]} known
   * @returns {Iterable<string>}
   */
  *keys(known) {
    do {
      const key = this.peek();
      if (key === undefined || !known.includes(key)) {
        const came = key === undefined ? 'the end' : excerpt(key);
        throw new InputError(`expected one of ${known.join(' ')} and not ${came}`);
      }
      yield key;
    } while (this.next < this.lines.length);
  }

  /** Asserts that every line has been read. */
  finish() {
    const key = this.peek();
    if (key !== undefined) throw new InputError(`expected the end and not ${excerpt(key)}`);
  }
}

// ------------------------------------------------------------------------------------------------------------------
// Lines that several verbs share.

/** @param {Fields} fields @returns {Maths} */
const readMaths = (fields) => MATHS[fields.choice('math', Object.keys(MATHS))];

/** @param {Fields} fields @returns {{maths: Maths, config: Config}} */
function readConfig(fields) {
  const maths = readMaths(fields);
  const layers = fields.integer('layers', 1, 16);
  const heads = fields.integer('heads', 1, 64);
  const embedding = fields.integer('embedding', 1, 512);
  if (embedding % heads !== 0) throw new InputError(`embedding ${embedding} is not a multiple of heads ${heads}`);
  const block = fields.integer('block', 1, 1024);
  const vocabulary = fields.integer('vocabulary', 2, VOCABULARY_LIMIT);
  const activation = fields.choice('activation', Object.keys(ACTIVATIONS));
  const attention = [];
  for (let t = 0; t < block; t++) {
    const positions = fields.integers('attend', 0, t, 1);
    if (!isIncreasing(positions) || positions.at(-1) !== t) {
      throw new InputError(`attend line ${t} must hold increasing positions that end with ${t}`);
    }
    attention.push(positions);
  }
  return { maths, config: { layers, heads, embedding, block, vocabulary, activation, attention } };
}

/** @param {number[]} numbers @returns {boolean} */
const isIncreasing = (numbers) => numbers.every((number, i) => i === 0 || numbers[i - 1] < number);

/** A tensor for each parameter matrix. @param {Fields} fields @param {Config} config @param {string} prefix */
function readMatrices(fields, config, prefix = '') {
  const matrices = matricesOf(config);
  const last = matrices[matrices.length - 1];
  const numbers = new Float64Array(last.start + last.rows * last.columns);
  for (const { name, rows, columns, start } of matrices) {
    numbers.set(fields.tensor(prefix + name, rows, columns), start);
  }
  return numbers;
}

/** @param {Fields} fields @param {Config} config @returns {number[]} */
const readDocument = (fields, { vocabulary }) => fields.integers('tokens', 0, vocabulary - 1, 2);

/** @param {Fields} fields @returns {Optimizer} */
const readOptimizer = (fields) => ({
  learningRate: fields.double('learning_rate'),
  beta1: fields.double('beta1'),
  beta2: fields.double('beta2'),
  epsilon: fields.double('epsilon'),
  schedule: fields.choice('schedule', ['linear', 'cosine']),
  steps: fields.integer('steps', 1, 4096),
});

/** @param {Fields} fields @param {Maths} maths @returns {MersenneTwister} */
function readGenerator(fields, maths) {
  const [index, ...words] = fields.integers('state', 0, 0xffffffff, STATE_WORDS + 1, STATE_WORDS + 1);
  if (index > STATE_WORDS) throw new InputError(`the index of a state is 0 to ${STATE_WORDS} and not ${index}`);
  const generator = new MersenneTwister(0, maths);
  generator.index = index;
  generator.words.set(words);
  const [kept] = fields.words('kept', 1, 1);
  generator.kept = kept === 'none' ? null : parseDouble('kept', kept);
  return generator;
}

/** @param {number} y @param {number} limit @returns {number} */
function checkExponent(y, limit) {
  if (!(Math.abs(y) <= limit && Number.isInteger(2 * y))) {
    throw new InputError(`the exponent must be an integer or half-integer from -${limit} to ${limit} and not ${y}`);
  }
  return y;
}

/** @param {string} key @param {ArrayLike<number>} numbers @returns {string} */
const doublesLine = (key, numbers) => [key, ...Array.from(numbers, hex)].join(' ');

/** @param {string} key @param {Iterable<number>} numbers @returns {string} */
const integersLine = (key, numbers) => [key, ...numbers].join(' ');

/** @param {string} name @param {number} rows @param {number} columns @param {Float64Array} numbers */
function* tensorLines(name, rows, columns, numbers) {
  yield `tensor ${name} ${rows} ${columns}`;
  for (let row = 0; row < rows; row++) yield doublesLine('row', numbers.subarray(row * columns, (row + 1) * columns));
}

/** A tensor for each parameter matrix. @param {Model} model @param {Float64Array} numbers @param {string} prefix */
function* matricesLines(model, numbers, prefix = '') {
  for (const { name, rows, columns, start } of model.matrices) {
    yield* tensorLines(prefix + name, rows, columns, numbers.subarray(start, start + rows * columns));
  }
}

// ------------------------------------------------------------------------------------------------------------------
// One function for each verb, from the lines of a request to those of the reply.

/** @type {Record<string, [number, (...operands: number[]) => number]>} */
const ARITHMETIC = {
  add: [2, (x, y) => x + y],
  sub: [2, (x, y) => x - y],
  mul: [2, (x, y) => x * y],
  div: [2, (x, y) => x / y],
  sqrt: [1, (x) => Math.sqrt(x)],
  muladd: [3, (x, y, z) => x * y + z],
};

/**
 * How many nodes and how many plain numbers an expression takes, and how it is built.
 * @type {Record<string, [number, number, (tape: Tape, a: number, b: number) => number]>}
 */
const EXPRESSIONS = {
  leaf: [0, 1, (tape, c) => tape.leaf(c)],
  add: [2, 0, (tape, a, b) => tape.add(a, b)],
  sub: [2, 0, (tape, a, b) => tape.add(a, tape.mul(b, tape.leaf(-1)))],
  mul: [2, 0, (tape, a, b) => tape.mul(a, b)],
  div: [2, 0, (tape, a, b) => tape.mul(a, tape.pow(b, -1))],
  neg: [1, 0, (tape, a) => tape.mul(a, tape.leaf(-1))],
  pow: [1, 1, (tape, a, c) => tape.pow(a, checkExponent(c, 1024))],
  exp: [1, 0, (tape, a) => tape.exp(a)],
  log: [1, 0, (tape, a) => tape.log(a)],
  relu: [1, 0, (tape, a) => tape.relu(a)],
  add_number: [1, 1, (tape, a, c) => tape.add(a, tape.leaf(c))],
  sub_number: [1, 1, (tape, a, c) => tape.add(a, tape.leaf(-c))],
  mul_number: [1, 1, (tape, a, c) => tape.mul(a, tape.leaf(c))],
  div_number: [1, 1, (tape, a, c) => tape.mul(a, tape.leaf(tape.maths.pow(c, -1)))],
  number_sub: [1, 1, (tape, a, c) => tape.add(tape.mul(a, tape.leaf(-1)), tape.leaf(c))],
  number_div: [1, 1, (tape, a, c) => tape.mul(tape.pow(a, -1), tape.leaf(c))],
};

/** @type {Record<string, (fields: Fields) => Iterable<string>>} */
const VERBS = {
  *hello(fields) {
    fields.finish();
    yield 'name javascript';
    yield `protocol ${PROTOCOL}`;
    yield `verbs ${Object.keys(VERBS).join(' ')}`;
    yield `math ${Object.keys(MATHS).join(' ')}`;
  },

  *arith(fields) {
    for (const key of fields.keys([...Object.keys(ARITHMETIC), 'sum', 'dot'])) {
      let result = 0;
      if (key === 'sum') {
        for (const x of fields.doubles(key, 1)) result += x;
      } else if (key === 'dot') {
        const numbers = fields.doubles(key, 2);
        if (numbers.length % 2 !== 0) throw new InputError(`dot takes pairs of doubles and not ${numbers.length}`);
        for (let i = 0; i < numbers.length; i += 2) result += numbers[i] * numbers[i + 1];
      } else {
        const [count, operation] = ARITHMETIC[key];
        result = operation(...fields.doubles(key, count, count));
      }
      yield `${key} ${hex(result)}`;
    }
  },

  *math(fields) {
    const { exp, log, sin, cos, pow } = readMaths(fields);
    /** @type {Record<string, (x: number) => number>} */
    const functions = { exp, log, sin, cos };
    for (const key of fields.keys([...Object.keys(functions), 'pow'])) {
      if (key === 'pow') {
        const [x, y] = fields.doubles(key, 2, 2);
        yield `pow ${hex(pow(x, checkExponent(y, 4096)))}`;
      } else {
        const [x] = fields.doubles(key, 1, 1);
        if ((key === 'sin' || key === 'cos') && Math.abs(x) > 8) {
          throw new InputError(`${key} takes an x from -8 to 8 and not ${x}`);
        }
        yield `${key} ${hex(functions[key](x))}`;
      }
    }
  },

  *random(fields) {
    const maths = readMaths(fields);
    const generator = new MersenneTwister(fields.integer('seed', 0, 0xffffffff), maths);
    for (const key of fields.keys(['words', 'random', 'gauss', 'shuffle', 'choices', 'state'])) {
      switch (key) {
        case 'words': {
          const length = fields.integer(key, 0, 1000);
          yield integersLine(key, Array.from({ length }, () => generator.word()));
          break;
        }
        case 'random': {
          const length = fields.integer(key, 0, 1000);
          yield doublesLine(key, Array.from({ length }, () => generator.random()));
          break;
        }
        case 'gauss': {
          const [count, sigma] = fields.words(key, 2, 2);
          const length = parseInteger(key, count, 0, 1000);
          const width = parseDouble(key, sigma);
          yield doublesLine(key, Array.from({ length }, () => generator.gauss(width)));
          break;
        }
        case 'shuffle': {
          const items = Array.from({ length: fields.integer(key, 0, 10000) }, (_, i) => i);
          generator.shuffle(items);
          yield integersLine(key, items);
          break;
        }
        case 'choices': {
          const [count, ...words] = fields.words(key, 2, 1001);
          const length = parseInteger(key, count, 0, 1000);
          const weights = words.map((word) => parseDouble(key, word));
          yield integersLine(key, Array.from({ length }, () => generator.choice(weights)));
          break;
        }
        case 'state':
          fields.words(key, 0, 0);
          yield integersLine(key, [generator.index, ...generator.words]);
          yield `kept ${generator.kept === null ? 'none' : hex(generator.kept)}`;
          break;
      }
    }
  },

  *tokens(fields) {
    const documents = documentsOf(fields.text());
    fields.finish();
    if (documents.length === 0) throw new InputError('no line holds a document: all are empty once they are stripped');
    const tokenizer = new Tokenizer(documents);
    yield `documents ${documents.length}`;
    yield integersLine('vocabulary', tokenizer.characters);
    yield `bos ${tokenizer.bos}`;
    for (const document of documents) yield integersLine('encoded', tokenizer.encode(document));
  },

  *graph(fields) {
    const tape = new Tape(readMaths(fields));
    /** The node of each expression; others are made on the way. @type {number[]} */
    const nodes = [];
    for (const key of fields.keys([...Object.keys(EXPRESSIONS), 'sum', 'root'])) {
      if (key === 'root') break;
      if (key === 'sum') {
        const [first, ...rest] = fields.integers(key, 0, nodes.length - 1, 1).map((i) => nodes[i]);
        nodes.push(rest.reduce((total, node) => tape.add(total, node), tape.add(first, tape.leaf(0))));
      } else {
        const [nodeCount, numberCount, build] = EXPRESSIONS[key];
        const words = fields.words(key, nodeCount + numberCount, nodeCount + numberCount);
        const [a, b] = words.map((word, i) =>
          i < nodeCount ? nodes[parseInteger(key, word, 0, nodes.length - 1)] : parseDouble(key, word));
        nodes.push(build(tape, a, b));
      }
    }
    const root = nodes[fields.integer('root', 0, nodes.length - 1)];
    fields.finish();
    tape.backward(root);
    for (const node of nodes) yield `value ${hex(tape.data[node])}`;
    for (const node of nodes) yield `gradient ${hex(tape.grad[node])}`;
  },

  *forward(fields) {
    const { config, maths } = readConfig(fields);
    const document = readDocument(fields, config);
    const model = new Model(config, readMatrices(fields, config), maths);
    fields.finish();
    /** @type {[string, number, number][]} */
    const vectors = [];
    const loss = model.loss(document, (...vector) => vectors.push(vector));
    const { data } = model.tape;
    for (const [name, first, length] of vectors) {
      yield* tensorLines(name, 1, length, data.subarray(first, first + length));
    }
    yield `loss ${hex(data[loss])}`;
  },

  *backward(fields) {
    const { config, maths } = readConfig(fields);
    const document = readDocument(fields, config);
    const model = new Model(config, readMatrices(fields, config), maths);
    fields.finish();
    const loss = model.loss(document);
    model.tape.backward(loss);
    yield `loss ${hex(model.tape.data[loss])}`;
    yield* matricesLines(model, model.gradients);
  },

  *adam(fields) {
    const maths = readMaths(fields);
    const optimizer = readOptimizer(fields);
    const step = fields.integer('step', 0, optimizer.steps - 1);
    const { rows, columns } = fields.shape();
    const [parameters, gradients, m, v] = ['parameters', 'gradients', 'm', 'v'].map((name) =>
      fields.tensor(name, rows, columns));
    fields.finish();
    for (const [name, number] of Object.entries(ratesOf(optimizer, step, maths))) yield `${name} ${hex(number)}`;
    adam(optimizer, step, parameters, gradients, m, v, maths);
    yield* tensorLines('m', rows, columns, m);
    yield* tensorLines('v', rows, columns, v);
    yield* tensorLines('parameters', rows, columns, parameters);
  },

  *train(fields) {
    const { config, maths } = readConfig(fields);
    const optimizer = readOptimizer(fields);
    const first = fields.integer('from', 0, optimizer.steps - 1);
    const count = fields.integer('count', 1, optimizer.steps - first);
    const full = fields.integers('full', first, first + count - 1, 0);
    if (!isIncreasing(full)) throw new InputError('the steps of full must increase');
    const documents = [];
    do documents.push(readDocument(fields, config));
    while (fields.peek() === 'tokens');
    const training = new Training(new Model(config, readMatrices(fields, config), maths), optimizer);
    if (first > 0) {
      training.m.set(readMatrices(fields, config, 'm.'));
      training.v.set(readMatrices(fields, config, 'v.'));
      training.step = first;
    }
    fields.finish();

    const { model, m, v } = training;
    for (let step = first; step < first + count; step++) {
      yield `step ${step}`;
      yield `loss ${hex(training.advance(documents[step % documents.length]))}`;
      const lists = Object.entries({ gradients: model.gradients, m, v, parameters: model.parameters });
      for (const [name, numbers] of lists) yield `${name} ${checksum(numbers)}`;
      if (full.includes(step)) {
        for (const [name, numbers] of lists) yield* matricesLines(model, numbers, `${name}.`);
      }
    }
  },

  *sample(fields) {
    const { config, maths } = readConfig(fields);
    const temperature = fields.double('temperature');
    const samples = fields.integer('samples', 0, 1000);
    const model = new Model(config, readMatrices(fields, config), maths);
    const generator = readGenerator(fields, maths);
    fields.finish();
    for (let number = 0; number < samples; number++) {
      yield `sample ${number}`;
      for (const { probabilities, token } of draws(model, temperature, generator)) {
        yield doublesLine('probabilities', probabilities);
        yield `token ${token}`;
      }
    }
    yield `word ${generator.word()}`;
  },

  *run(fields) {
    const maths = readMaths(fields);
    const preset = PRESETS[fields.choice('preset', Object.keys(PRESETS))];
    const steps = fields.integer('steps', 1, 4096);
    const samples = fields.integer('samples', 0, 1000);
    const lines = fields.text();
    fields.finish();
    const run = new Run(lines, { ...preset, samples, optimizer: { ...preset.optimizer, steps } }, maths);
    for (const line of run.text()) yield integersLine('print', codePoints(line));
    const { training: { model, m, v }, generator } = run;
    yield `parameters ${checksum(model.parameters)}`;
    yield `m ${checksum(m)}`;
    yield `v ${checksum(v)}`;
    yield `word ${generator.word()}`;
  },
};

// ------------------------------------------------------------------------------------------------------------------
// Requests and replies.

/**
 * Answers one request.
 * @param {string[]} lines those before the line `end`
 * @param {boolean} complete false if the input ended before that line
 * @returns {string} the reply, ending with the line `end`
 */
export function answerLines(lines, complete = true) {
  const first = lines[0] ?? 'end';
  const header = first.length <= LINE_LIMIT ? /^([!-~]+) ([A-Za-z0-9._-]{1,64})$/.exec(first) : null;
  if (header === null) {
    const wanted = 'a request begins with a verb and an id of 1 to 64 letters, digits, dots, underscores or hyphens';
    return `error - ${wanted} and not with ${excerpt(first)}\nend\n`;
  }
  const [, verb, id] = header;
  try {
    if (!complete) throw new InputError("the input ended before the line 'end'");
    if (!Object.hasOwn(VERBS, verb)) throw new InputError('unsupported');
    return [`ok ${id}`, ...VERBS[verb](new Fields(lines.slice(1))), 'end', ''].join('\n');
  } catch (problem) {
    // An InputError says what is wrong with the request; all else (out of memory, say) is the port's fault, but the
    // next request may fare better.
    const reason = problem instanceof InputError ? problem.message : `the port failed: ${problem}`.replace(/\s+/g, ' ');
    return `error ${id} ${reason}\nend\n`;
  }
}

/**
 * Answers the text of one request.
 * @param {string} request its lines, the line `end` included, each with its LF
 * @returns {string} the reply in the same form
 */
export function answer(request) {
  const lines = request.split('\n');
  const complete = lines.pop() === '' && lines.at(-1) === 'end';
  if (complete) lines.pop();
  return answerLines(lines, complete);
}
