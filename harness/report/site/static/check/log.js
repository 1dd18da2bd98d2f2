/** Reads a printed log: steps with their losses, samples, and what its first lines say (harness/judge/check/log.py). */

import { decoded, linesOf, numberOf, quoted, start, Unreadable } from './text.js';

const NUMBER =
  String.raw`[-+]?(?:0x[0-9a-f.]+p[-+]?\d+|\d+[.,]\d+(?:e[-+]?\d+)?|\d+(?:e[-+]?\d+)?|nan|inf(?:inity)?)(?![\w.])`;
const STEP = /(?:^|[^a-z])(?:step|iteration|iter|it|epoch)s?\b[\s:=#[(]*(\d+)(?:\s*(?:\/|of)\s*(\d+))?/gi;
const IN_A_BAR = /(?<![\d.])(\d+)\/(\d+)(?![\d./])/g;
const BARE_STEP = /^\W*(\d+)(?:\s*\/\s*(\d+))?(?![\d.,%])/g;
const AT_STEP = String.raw`(?:\s*\(?(?:at|after|for|of|in)\s+(?:step|iter\w*|epoch)\s*\d+\)?)?`;
const LOSS = new RegExp(String.raw`(\w*[\s_]?)\bloss\b${AT_STEP}[\s:=|>()\w]*?[\s:=|>(](${NUMBER})`, 'gi');
const TABLE = new RegExp(String.raw`^\s*(\d+)\s*[,;\t |:]\s*(${NUMBER})`, 'i');
const MEANS = /av|mean|ema|smooth|val|test|best|min/i;
const SAMPLES = [ // the form that most lines have is taken; each has a number, maybe, and a text
  /^\W*(?:\[\w+\]\s*)?samples?\s*[:#]?\s*(\d*)\s*[:=)](?:\s(.*))?$/i,
  /^\s*\[\s*(\d+)\s*\]\s+(\S.*)?$/,
  /^\s*(\d+)\s*[.):]\s+(\S.*)$/,
  /^.*\b(?:final|generated)[\w ]*(?:name|text|sample)s?\s*()[:=]\s*(\S.*)$/i,
];
const HEADING = /inference|hallucinat|generat|samples?\b/i;
const HEADERS = {
  documents: /(?:docs|documents|names|lines)\b\W{0,4}(\d[\d,]*)|(\d[\d,]*) (?:docs|documents|names|lines)\b/i,
  vocabulary: /vocab\w*(?:[ _]size)?(?: is)?\W{0,4}(\d+)/i,
  parameters: /param\w*\W{0,4}(\d[\d,]*)|(\d[\d,]*) param/i,
};

const mantissa = (loss) => loss.text.split(/e/i)[0];
const decimalsOf = (loss) => (mantissa(loss).split('.')[1] ?? '').length;
const digitsOf = (loss) => mantissa(loss).replaceAll('.', '').replace(/^[-+0]+/, '').length;

/**
 * A log. losses: by step from 0, { text, value, line }. first: how the first step is numbered. total: as printed, or null.
 * samples: by number from 0. style: [decimals, significant digits], one of them 0.
 */
export class Log {
  constructor(fields) {
    Object.assign(this, fields);
  }
  /** Whether losses have so many digits that they tell doubles apart. */
  get isExact() { return Math.max(...this.style) >= 15; }
  get firstStep() { return this.losses.keys().next().value; }
  /** One in the last place that this log prints of a number like `value`. */
  unit(value) {
    const [decimals, digits] = this.style;
    if (decimals || !Number.isFinite(value) || value === 0) return 10 ** -decimals;
    return 10 ** (Math.floor(Math.log10(Math.abs(value))) + 1 - digits);
  }
}

/** The log in these bytes. `pattern`: a regular expression with the groups loss and, maybe, step. Throws Unreadable. */
export function readLog(data, name, pattern = '') {
  const text = decoded(data, name);
  const lines = linesOf(text);
  const found = pattern ? withPattern(lines, pattern, name) : search(lines);
  if (found.repeated) {
    const { step, line } = found.repeated;
    throw new Unreadable(
      `${name} holds more than one run: step ${step} comes again on line ${line} with another loss`,
      'give each run as a file of its own',
    );
  }
  if (found.losses.size === 0) throw new Unreadable(nothing(lines, name));
  const notes = [];
  if (isCut(found, text)) {
    const step = Math.max(...found.losses.keys());
    notes.push(`the last line is cut in the middle: its loss, ${found.losses.get(step).text}, is left out`);
    found.losses.delete(step);
    if (found.losses.size === 0) throw new Unreadable(`${name} holds half a line and no whole loss`);
  }
  const steps = [...found.losses.keys()].sort((a, b) => a - b);
  const first = steps[0] === 0 ? 0 : 1;
  const losses = new Map(steps.map((step) => [step - first, found.losses.get(step)]));
  const begin = Math.min(...Array.from(losses.values(), (loss) => loss.line));
  return new Log({
    losses, first, notes,
    total: commonest(found.totals),
    samples: samplesOf(lines.slice(found.last)),
    headers: headersOf(lines.slice(0, begin)),
    style: styleOf([...losses.values()]),
  });
}

function commonest(numbers) {
  const counts = new Map();
  for (const number of numbers) counts.set(number, (counts.get(number) ?? 0) + 1);
  return [...counts].reduce((best, one) => (one[1] > best[1] ? one : best), [null, 0])[0];
}

const empty = () => ({ losses: new Map(), totals: [], last: 0, repeated: null });

/** Lines with the words step and loss; else with a number before the word loss; else two columns. */
function search(lines) {
  const named = empty();
  lines.forEach((line, i) => {
    for (const [step, total, loss] of pairs(line)) add(named, step ?? named.losses.size + 1, total, loss, i + 1);
  });
  if (named.losses.size) return named;
  const table = empty();
  lines.forEach((line, i) => {
    const match = TABLE.exec(line);
    if (match && /[.,]\d|nan|inf|0x/i.test(match[2])) add(table, Number(match[1]), null, match[2], i + 1);
  });
  return table.losses.size > 1 ? table : named;
}

const all = (pattern, line) => [...line.matchAll(pattern)];
const integer = (text) => (text ? Number(text) : null);

/** Step (null if there is none), total and loss of each loss in a line that is no mean. */
function pairs(line) {
  const matches = all(LOSS, line);
  const single = matches.filter((match) => !MEANS.test(match[1]));
  const chosen = single.length ? single : matches;
  if (chosen.length === 0) return [];
  const steps = [STEP, IN_A_BAR, BARE_STEP].map((kind) => all(kind, line)).find((found) => found.length) ?? [];
  if (steps.length === chosen.length && steps.length > 1) { // several steps in one line
    return steps.map((step, i) => [Number(step[1]), integer(step[2]), chosen[i][2]]);
  }
  const [first] = steps;
  return [[first ? Number(first[1]) : null, integer(first?.[2]), chosen[0][2]]];
}

function withPattern(lines, pattern, name) {
  let compiled;
  try {
    compiled = new RegExp(pattern.replaceAll('(?P<', '(?<'), 'g');
  } catch (problem) {
    throw new Unreadable(`the pattern is no regular expression: ${problem.message}`);
  }
  if (!pattern.includes('<loss>')) {
    throw new Unreadable(String.raw`the pattern needs a group named loss, as in 'at (?<step>\d+): (?<loss>[0-9.]+)'`);
  }
  const found = empty();
  lines.forEach((line, i) => {
    for (const match of line.matchAll(compiled)) {
      const { step, loss } = match.groups;
      if (!isLoss(loss) || (step && !/^\d+$/.test(step))) {
        throw new Unreadable(`the pattern takes ${quoted(match[0])} on line ${i + 1} of ${name}, which is no number`);
      }
      add(found, step ? Number(step) : found.losses.size + 1, null, loss, i + 1);
    }
  });
  return found;
}

const isLoss = (text) => new RegExp(`^${NUMBER}$`, 'i').test(text ?? '');

function add(found, step, total, raw, line) {
  const text = raw.replaceAll(',', '.');
  const before = found.losses.get(step);
  if (before && before.text !== text) found.repeated ??= { step, line };
  if (!before) found.losses.set(step, { text, value: numberOf(text), line });
  if (total !== null) found.totals.push(total);
  found.last = line;
}

/** [decimals, 0] if all losses have as many decimals, else [0, significant digits]. */
function styleOf(losses) {
  if (losses.some((loss) => /x/i.test(loss.text))) return [0, 17];
  const numbers = losses.filter((loss) => Number.isFinite(loss.value));
  const decimals = new Set(numbers.map(decimalsOf));
  const digits = numbers.reduce((most, loss) => Math.max(most, digitsOf(loss)), 0);
  if (decimals.size !== 1 || numbers.some((loss) => /e/i.test(loss.text))) return [0, numbers.length ? digits : 4];
  const [same] = decimals;
  return same ? [same, 0] : [0, digits];
}

/** Whether the last loss has no line end and fewer digits than all others. */
function isCut(found, text) {
  if (/[\n\r]$/.test(text) || found.losses.size < 2) return false;
  const sorted = [...found.losses.values()].sort((a, b) => a.line - b.line);
  const last = sorted.pop();
  const end = text.trimEnd();
  const isLast = end.endsWith(last.text) || end.endsWith(last.text.replaceAll('.', ','));
  return isLast && decimalsOf(last) < sorted.reduce((least, loss) => Math.min(least, decimalsOf(loss)), Infinity);
}

function headersOf(lines) {
  const found = {};
  for (const line of lines.slice(0, 40)) {
    for (const [name, pattern] of Object.entries(HEADERS)) {
      const match = pattern.exec(line);
      if (match) found[name] = Number((match[1] ?? match[2]).replaceAll(',', ''));
    }
  }
  return found;
}

/** By number, from 0, from the lines after the last loss; if none is numbered, all lines below a heading. */
function samplesOf(lines) {
  const kinds = SAMPLES.map((kind) => lines.map((line) => kind.exec(line)).filter(Boolean));
  const matches = kinds.reduce((most, kind) => (kind.length > most.length ? kind : most));
  if (matches.length) {
    const numbers = matches.map((match, i) => (match[1] ? Number(match[1]) : i + 1));
    const first = numbers.includes(0) ? 0 : 1;
    return new Map(matches.map((match, i) => [numbers[i] - first, bare(match[2] ?? '')]));
  }
  const heading = lines.findIndex((line) => HEADING.test(line));
  const below = heading < 0 ? [] : lines.slice(heading + 1).filter((line) => line.trim());
  return new Map(below.map((line, i) => [i, bare(line)]));
}

const bare = (text) => text.trim().replace(/^['"`]+|['"`]+$/g, '').replace(/<\|endoftext\|>$/, '').trim();

/** Why there is no log, as a sentence. */
function nothing(lines, name) {
  const text = lines.map((line) => line.trim()).filter(Boolean);
  if (text.length === 0) return `${name} has only empty lines: run the program and give what it prints`;
  if (Object.keys(headersOf(lines)).length) {
    return `${name} ends before its first step; its last line is ${quoted(start(text.at(-1), 120))}: `
      + 'if that is an error, the program did not train';
  }
  return `no line of ${name} has a step and a loss; its first line is ${quoted(start(text[0], 80))}: `
    + String.raw`say how losses are printed with the pattern '(?<step>\d+) (?<loss>[0-9.]+)'`;
}
