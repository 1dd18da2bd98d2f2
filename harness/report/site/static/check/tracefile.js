/** Reads a trace: text lines, JSON Lines, .npz, .safetensors (harness/judge/check/tracefile.py). */

import { npz, safetensors } from './arrays.js';
import { parse } from './names.js';
import { decoded, doubleOf, isNumber, linesOf, numberOf, quoted, shortest, start, Unreadable } from './text.js';

/** npz, safetensors, jsonl, text, or '' if it is no trace. */
export function formOf(data, name) {
  if (data[0] === 0x50 && data[1] === 0x4b && data[2] === 3 && data[3] === 4) return 'npz';
  if (name.endsWith('.safetensors') || (data.length > 9 && data[8] === 0x7b && data[7] === 0)) return 'safetensors';
  const head = new TextDecoder('latin1').decode(data.subarray(0, 1 << 16)).replace(/^[\u00ef\u00bb\u00bf \t\r\n]+/, '');
  if (head.startsWith('{')) return 'jsonl';
  const lines = head.split('\n').slice(0, 200).filter((line) => line.trim());
  return lines.some((line) => parse(line.trim().split(/\s+/)[0].replace(/[:=]+$/, ''))) ? 'text' : '';
}

/**
 * What a trace holds. written: { quantity, values, shape, digits, width, text }, where digits is 17 for whole doubles;
 * unknown: names that no quantity has. Throws Unreadable.
 */
export async function readTrace(data, name) {
  const written = new Map();
  const unknown = [];
  for (const [key, made] of await pairs(data, name)) {
    const quantity = parse(key);
    if (quantity === null) {
      unknown.push(key);
    } else if (written.has(quantity.words)) {
      throw new Unreadable(`${name} holds ${quantity.words} twice: give one run at a time`);
    } else {
      written.set(quantity.words, { quantity, values: [], shape: [], digits: 17, width: 'float64', text: '', ...made() });
    }
  }
  if (written.size === 0) {
    const which = unknown.length ? `; it names ${quoted(unknown[0])}` : '';
    const known = 'such as init.wte, step0.loss or step0.grad.wte: conform check --names lists them';
    throw new Unreadable(`${name} has no quantity of a known name, ${known}${which}`);
  }
  return { written: [...written.values()], unknown };
}

/** [name, a function that reads its values]; names that no quantity has are not read. */
async function pairs(data, name) {
  switch (formOf(data, name)) {
    case 'npz': return arrays(await npz(data, name));
    case 'safetensors': return arrays(safetensors(data, name));
    case 'jsonl': return jsonLines(decoded(data, name), name);
    default: return textLines(decoded(data, name), name);
  }
}

const arrays = (found) => found.map(([key, array]) => [key, () => array]);

function textLines(text, name) {
  const found = [];
  linesOf(text).forEach((line, i) => {
    const words = line.replaceAll(/[=:]/g, ' ').trim().split(/\s+/);
    if (!words[0] || words[0].startsWith('#')) return;
    const isSample = parse(words[0])?.kind === 'sample';
    const rest = () => line.slice(line.indexOf(words[0]) + words[0].length).replace(/^[ :=]+|[ :=]+$/g, '').replace(/^['"]+|['"]+$/g, '');
    found.push([words[0], isSample ? () => ({ text: rest() }) : () => numbers(words.slice(1), `line ${i + 1} of ${name}`)]);
  });
  return found;
}

/** Objects {"name": ..., "values": ...} or {name: values, ...}; one, or one on a line. */
function jsonLines(text, name) {
  const found = [];
  for (const object of objectsOf(text, name)) {
    if (typeof object !== 'object' || object === null || Array.isArray(object)) {
      throw new Unreadable(`${name} holds JSON that is no object: ${quoted(start(JSON.stringify(object), 60))}`);
    }
    const isOne = typeof object.name === 'string' && ('values' in object || 'value' in object);
    const entries = isOne ? [[object.name, object.values ?? object.value]] : Object.entries(object);
    for (const [key, value] of entries) {
      if (typeof value === 'string' && key.startsWith('sample')) found.push([key, () => ({ text: value })]);
      else found.push([key, () => numbers([value].flat(Infinity), `${key} in ${name}`)]);
    }
  }
  return found;
}

function objectsOf(text, name) {
  try {
    return [parsed(text)];
  } catch {
    return linesOf(text).map((line, i) => {
      if (!line.trim()) return null;
      try {
        return parsed(line);
      } catch {
        throw new Unreadable(`line ${i + 1} of ${name} is not JSON: ${quoted(start(line.trim(), 60))}`);
      }
    }).filter((object) => object !== null);
  }
}

/** JSON, in which Python also writes NaN and Infinity. */
function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return JSON.parse(text.replaceAll(/(?<=[[,:\s])(NaN|-?Infinity)(?=[\],}\s])/g, '"$1"'));
  }
}

/** Numbers in any of the three ways: 16 hex digits, C's %a, decimals. */
function numbers(words, where) {
  if (words.length === 0) throw new Unreadable(`${where} has a name and no numbers`);
  let digits = 0;
  const values = words.map((word) => {
    const text = typeof word === 'number' ? shortest(word) : String(word);
    if (/^[0-9a-f]{16}$/.test(text)) {
      digits = 17;
      return doubleOf(text);
    }
    if (!isNumber(text)) {
      throw new Unreadable(`${where} has ${quoted(start(text, 40))}, no number: 16 hex digits, C's %a or a decimal are`);
    }
    if (/^[-+]?0x/i.test(text)) digits = 17;
    else digits = Math.max(digits, text.split(/e/i)[0].replaceAll('.', '').replace(/^[-+0]+/, '').length);
    return numberOf(text);
  });
  return { values, digits: digits >= 15 ? 17 : digits };
}
