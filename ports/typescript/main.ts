/**
 * microgpt in TypeScript (conformance/SPEC.md). Without arguments it answers requests, a function for each verb (section
 * 12); `run [seed|classic] < names.txt` trains on the names, one a line, and makes new ones.
 */

import * as exact from './exact.js';
import { Adam, CodePoints, codePoints, Dataset, factors, Model, PRESETS, Problem, Run, Shape, Twister, update } from './gpt.js';
import { Graph, Node } from './graph.js';
import { double, hex, integer, LINE_LIMIT, Reply, Request } from './protocol.js';

type Verb = (request: Request, reply: Reply) => void;
const WORD = 2 ** 32 - 1;

/** Hands the words of each line that is left to `answer`; there must be one. */
function eachLine(request: Request, answer: (key: string, values: string[]) => void): void {
  do {
    const [key, ...values] = request.next();
    answer(key, values);
  } while (!request.isAtEnd);
}

function inDomain(x: number, isInDomain: boolean): number {
  if (!isInDomain) throw new Problem("expected an argument in the function's domain");
  return x;
}

const angle = (x: number): number => inDomain(x, !(Math.abs(x) > 8));
const exponent = (y: number, limit: number): number => inDomain(y, Math.abs(y) <= limit && Number.isInteger(2 * y));

/** Functions and expressions by their key; `length` says how many values they take. */
type Operations<Value, Result> = Record<string, (...values: Value[]) => Result>;

const OPERATIONS: Operations<number, number> = {
  add: (x, y) => x + y,
  sub: (x, y) => x - y,
  mul: (x, y) => x * y,
  div: (x, y) => x / y,
  sqrt: (x) => Math.sqrt(x),
  muladd: (x, y, z) => x * y + z,
};

const FUNCTIONS: Operations<number, number> = {
  exp: (x) => exact.exp(x),
  log: (x) => exact.log(x),
  sin: (x) => exact.sin(angle(x)),
  cos: (x) => exact.cos(angle(x)),
  pow: (x, y) => exact.pow(x, exponent(y, 4096)),
};

function calculate(operations: Operations<number, number>, key: string, x: number[]): number {
  const operation = Object.hasOwn(operations, key) ? operations[key] : undefined;
  if (operation?.length !== x.length) throw new Problem('expected an operation with its operands');
  return operation(...x);
}

const arith: Verb = (request, reply) =>
  eachLine(request, (key, values) => {
    const x = values.map(double);
    if (key === 'sum' && x.length > 0) {
      reply.doubles(key, x.reduce((sum, term) => sum + term, 0));
    } else if (key === 'dot' && x.length > 0 && x.length % 2 === 0) {
      reply.doubles(key, x.reduce((sum, y, i) => (i % 2 === 1 ? sum + x[i - 1] * y : sum), 0));
    } else if (key === 'decimals' && x.length === 1) {
      const [number] = x;
      inDomain(number, !(Math.abs(number) > 2 ** 53 && Number.isFinite(number)));
      reply.line(key, ...codePoints(exact.fourDecimals(number)));
    } else {
      reply.doubles(key, calculate(OPERATIONS, key, x));
    }
  });

const math: Verb = (request, reply) => {
  request.math();
  eachLine(request, (key, values) => reply.doubles(key, calculate(FUNCTIONS, key, values.map(double))));
};

const random: Verb = (request, reply) => {
  request.math();
  const twister = Twister.seeded(request.integer('seed', 0, WORD));
  eachLine(request, (key, [count, ...values]) => {
    const draw = <T extends string | number>(next: () => T): void =>
      reply.line(key, ...Array.from({ length: integer(count ?? '', 0, 1000) }, next));
    const [sigma] = values;
    if (key === 'words' && values.length === 0) draw(() => twister.word());
    else if (key === 'random' && values.length === 0) draw(() => hex(twister.random()));
    else if (key === 'gauss' && sigma !== undefined && values.length === 1) {
      const parsed = double(sigma);
      draw(() => hex(twister.gauss(parsed)));
    } else if (key === 'shuffle' && values.length === 0) {
      const items = Array.from({ length: integer(count ?? '', 0, 10000) }, (_, i) => i);
      twister.shuffle(items);
      reply.line(key, ...items);
    } else if (key === 'choices' && values.length > 0 && values.length <= 1000) {
      const weights = values.map(double);
      draw(() => twister.choice(weights));
    } else if (key === 'state' && count === undefined) {
      reply.line(key, twister.index, ...twister.words);
      reply.line('kept', twister.kept === undefined ? 'none' : hex(twister.kept));
    } else throw new Problem('expected something to draw with its values');
  });
};

function readLines(request: Request): CodePoints[] {
  const lines: CodePoints[] = [];
  do {
    const line = request.integers('line', 0, 0x10ffff);
    if (line.length > 10000) throw new Problem('expected at most 10000 code points in a line');
    if (line.some((c) => c >> 11 === 0xd800 >> 11)) throw new Problem('expected no surrogates');
    lines.push(line);
  } while (!request.isAtEnd);
  return lines;
}

const tokens: Verb = (request, reply) => {
  const dataset = new Dataset(readLines(request));
  reply.line('documents', dataset.documents.length);
  reply.line('vocabulary', ...dataset.characters);
  reply.line('bos', dataset.bos);
  for (const document of dataset.documents) reply.line('encoded', ...dataset.encode(document));
};

const graph: Verb = (request, reply) => {
  request.math();
  const graph = new Graph();
  const nodes: Node[] = [];
  const node = (word: string): Node => nodes[integer(word, 0, nodes.length - 1)];
  const EXPRESSIONS: Operations<string, Node> = {
    leaf: (x) => graph.leaf(double(x)),
    neg: (a) => graph.neg(node(a)),
    exp: (a) => graph.exp(node(a)),
    log: (a) => graph.log(node(a)),
    relu: (a) => graph.relu(node(a)),
    add: (a, b) => graph.add(node(a), node(b)),
    sub: (a, b) => graph.add(node(a), graph.neg(node(b))),
    mul: (a, b) => graph.mul(node(a), node(b)),
    div: (a, b) => graph.div(node(a), node(b)),
    pow: (a, c) => graph.pow(node(a), exponent(double(c), 1024)),
    add_number: (a, c) => graph.addNumber(node(a), double(c)),
    sub_number: (a, c) => graph.addNumber(node(a), -double(c)),
    mul_number: (a, c) => graph.mulNumber(node(a), double(c)),
    div_number: (a, c) => graph.divNumber(node(a), double(c)),
    number_sub: (c, a) => graph.addNumber(graph.neg(node(a)), double(c)),
    number_div: (c, a) => graph.mulNumber(graph.pow(node(a), -1), double(c)),
  };
  while (!request.has('root')) {
    const [key, ...values] = request.next();
    const expression = Object.hasOwn(EXPRESSIONS, key) ? EXPRESSIONS[key] : undefined;
    if (key === 'sum' && values.length > 0) nodes.push(graph.addUp(values.map(node)));
    else if (expression?.length === values.length) nodes.push(expression(...values));
    else throw new Problem('expected an expression with its operands');
  }
  const root = node(request.one('root'));
  request.finish();
  graph.backward(root);
  for (const each of nodes) reply.doubles('value', graph.value(each));
  for (const each of nodes) reply.doubles('gradient', graph.gradients[each]);
};

const isIncreasing = (numbers: number[]): boolean => numbers.every((n, i) => i === 0 || numbers[i - 1] < n);

function readShape(request: Request): Shape {
  request.math();
  const layers = request.integer('layers', 1, 16);
  const heads = request.integer('heads', 1, 64);
  const embedding = request.integer('embedding', 1, 512);
  if (embedding % heads !== 0) throw new Problem('expected a multiple of heads as embedding');
  const block = request.integer('block', 1, 1024);
  const vocabulary = request.integer('vocabulary', 2, 2048);
  const activation = request.choice('activation', 'relu', 'squared_relu');
  const attention = Array.from({ length: block }, (_, t) => {
    const positions = request.integers('attend', 0, t);
    if (!isIncreasing(positions) || positions[positions.length - 1] !== t)
      throw new Problem('expected increasing positions, the last being the position itself');
    return positions;
  });
  return { layers, heads, embedding, block, vocabulary, activation, attention };
}

function readDocument(request: Request, shape: Shape): number[] {
  const document = request.integers('tokens', 0, shape.vocabulary - 1);
  if (document.length < 2) throw new Problem('expected two tokens or more');
  return document;
}

function readModelAndDocument(request: Request): [Model, number[]] {
  const shape = readShape(request);
  const document = readDocument(request, shape);
  const model = new Model(shape, request.tensors('', shape));
  request.finish();
  return [model, document];
}

const forward: Verb = (request, reply) => {
  const [model, document] = readModelAndDocument(request);
  model.watch = (name, nodes) => reply.tensor(name, nodes.length, nodes.of(model.graph.values));
  reply.doubles('loss', model.graph.value(model.loss(document)));
};

const backward: Verb = (request, reply) => {
  const [model, document] = readModelAndDocument(request);
  const loss = model.loss(document);
  model.graph.backward(loss);
  reply.doubles('loss', model.graph.value(loss));
  reply.tensors('', model.shape, model.gradients);
};

const readAdam = (request: Request): Adam => ({
  learningRate: double(request.one('learning_rate')),
  beta1: double(request.one('beta1')),
  beta2: double(request.one('beta2')),
  epsilon: double(request.one('epsilon')),
  schedule: request.choice('schedule', 'linear', 'cosine'),
  steps: request.integer('steps', 1, 4096),
});

const adam: Verb = (request, reply) => {
  request.math();
  const adam = readAdam(request);
  const step = request.integer('step', 0, adam.steps - 1);
  const [, , rows = '', columns = ''] = request.peek();
  const read = (name: string): Float64Array => request.tensor(name, integer(rows, 1, 2048), integer(columns, 1, 2048));
  const [parameters, gradients, m, v] = [read('parameters'), read('gradients'), read('m'), read('v')];
  request.finish();
  update(adam, step, parameters, gradients, m, v);
  const results = factors(adam, step);
  ['rate', 'correction1', 'correction2'].forEach((name, i) => reply.doubles(name, results[i]));
  for (const [name, numbers] of Object.entries({ m, v, parameters })) reply.tensor(name, Number(columns), numbers);
};

const train: Verb = (request, reply) => {
  const shape = readShape(request);
  const adam = readAdam(request);
  const from = request.integer('from', 0, adam.steps - 1);
  const end = from + request.integer('count', 1, adam.steps - from);
  const full = request.integers('full', from, end - 1);
  if (!isIncreasing(full)) throw new Problem('expected increasing steps in full');
  const documents: number[][] = [];
  do documents.push(readDocument(request, shape));
  while (request.has('tokens'));
  const model = new Model(shape, request.tensors('', shape));
  if (from > 0) {
    model.m = request.tensors('m.', shape);
    model.v = request.tensors('v.', shape);
  }
  request.finish();
  for (let step = from; step < end; step++) {
    const loss = model.train(adam, step, documents[step % documents.length]);
    reply.line('step', step);
    reply.doubles('loss', loss);
    const { gradients, m, v, parameters } = model;
    const parts = Object.entries({ gradients, m, v, parameters });
    for (const [name, numbers] of parts) reply.checksum(name, numbers);
    if (full.includes(step)) for (const [name, numbers] of parts) reply.tensors(`${name}.`, shape, numbers);
  }
};

const sample: Verb = (request, reply) => {
  const shape = readShape(request);
  const temperature = double(request.one('temperature'));
  const samples = request.integer('samples', 0, 1000);
  const model = new Model(shape, request.tensors('', shape));
  const [index = '', ...words] = request.take('state', 1 + Twister.size);
  const state = Uint32Array.from(words, (word) => integer(word, 0, WORD));
  const kept = request.one('kept');
  const twister = new Twister(state, integer(index, 0, Twister.size), kept === 'none' ? undefined : double(kept));
  request.finish();
  for (let i = 0; i < samples; i++) {
    reply.line('sample', i);
    for (const { probabilities, token } of model.sample(temperature, twister)) {
      reply.doubles('probabilities', ...probabilities);
      reply.line('token', token);
    }
  }
  reply.line('word', twister.word());
};

const run: Verb = (request, reply) => {
  request.math();
  const preset = PRESETS[request.choice('preset', 'seed', 'classic')];
  const steps = request.integer('steps', 1, 4096);
  const samples = request.integer('samples', 0, 1000);
  const run = new Run({ ...preset, adam: { ...preset.adam, steps } }, readLines(request));
  for (const line of run.text(samples)) reply.line('print', ...codePoints(line));
  const { parameters, m, v } = run.model;
  for (const [name, numbers] of Object.entries({ parameters, m, v })) reply.checksum(name, numbers);
  reply.line('word', run.twister.word());
};

const hello: Verb = (request, reply) => {
  request.finish();
  reply.line('name', 'typescript');
  reply.line('protocol', 1);
  reply.line('verbs', ...VERBS.keys());
  reply.line('math', 'exact');
};

const VERBS = new Map<string, Verb>(
  Object.entries({ hello, arith, math, random, tokens, graph, forward, backward, adam, train, sample, run }),
);

/** The reply is complete before it is written, since a request can turn out to be wrong at its last line. */
function answer([header = '', ...lines]: string[], isComplete: boolean): string {
  const [, name, id] = /^([!-~]+) ([A-Za-z0-9._-]{1,64})$/.exec(header) ?? [];
  if (name === undefined || header.length > LINE_LIMIT)
    return 'error - expected a verb and an id of 1 to 64 letters, digits, dots, underscores or hyphens\nend\n';
  try {
    if (!isComplete) throw new Problem('the input ended before the line end');
    const verb = VERBS.get(name);
    if (verb === undefined) throw new Problem('unsupported');
    const reply = new Reply();
    verb(new Request(lines), reply);
    return `ok ${id}\n${reply}end\n`;
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    return `error ${id} ${problem.message}\nend\n`;
  }
}

async function answerAll(): Promise<void> {
  const bytes = new TextDecoder('latin1'); // a character for each byte, whatever comes
  let lines: string[] = [];
  let rest = '';
  const take = (line: string): void => {
    if (line !== 'end') return void lines.push(line);
    process.stdout.write(answer(lines, true));
    lines = [];
  };
  for await (const chunk of process.stdin) {
    const [first = '', ...others] = bytes.decode(chunk).split('\n');
    rest += first;
    for (const line of others) {
      take(rest);
      rest = line;
    }
  }
  if (rest !== '') take(rest);
  if (lines.length > 0) process.stdout.write(answer(lines, false));
}

async function runPreset(name: keyof typeof PRESETS): Promise<void> {
  const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }); // that is: keep it, as any character
  let text = '';
  try {
    for await (const chunk of process.stdin) text += utf8.decode(chunk, { stream: true });
    text += utf8.decode();
  } catch {
    throw new Problem('the input is not UTF-8');
  }
  for (const line of new Run(PRESETS[name], text.split('\n').map(codePoints)).text()) process.stdout.write(`${line}\n`);
}

process.stdout.on('error', () => process.exit(1)); // whoever reads the output may stop reading
try {
  const words = process.argv.slice(2).join(' ');
  if (words === '') await answerAll();
  else if (words === 'run' || words === 'run seed') await runPreset('seed');
  else if (words === 'run classic') await runPreset('classic');
  else throw new Problem('usage: main.js, or main.js run [seed|classic] < names.txt');
} catch (problem) {
  if (!(problem instanceof Problem)) throw problem;
  process.stderr.write(`microgpt: ${problem.message}\n`);
  process.exitCode = 1;
}
