/** Reads arrays as NumPy and safetensors store them: .npz (a zip of .npy) and .safetensors. */

import { Unreadable } from './text.js';

/** What a type's values are read with; bytes: of one value. */
const TYPES = {
  f8: { bytes: 8, read: (view, at, little) => view.getFloat64(at, little) },
  f4: { bytes: 4, read: (view, at, little) => view.getFloat32(at, little) },
  f2: { bytes: 2, read: (view, at, little) => half(view.getUint16(at, little)) },
  bf2: { bytes: 2, read: (view, at, little) => brain(view.getUint16(at, little)) },
  i8: { bytes: 8, read: (view, at, little) => Number(view.getBigInt64(at, little)) },
  i4: { bytes: 4, read: (view, at, little) => view.getInt32(at, little) },
  i2: { bytes: 2, read: (view, at, little) => view.getInt16(at, little) },
  i1: { bytes: 1, read: (view, at) => view.getInt8(at) },
  u8: { bytes: 8, read: (view, at, little) => Number(view.getBigUint64(at, little)) },
  u4: { bytes: 4, read: (view, at, little) => view.getUint32(at, little) },
  u2: { bytes: 2, read: (view, at, little) => view.getUint16(at, little) },
  u1: { bytes: 1, read: (view, at) => view.getUint8(at) },
};
const SAFE = {
  F64: 'f8', F32: 'f4', F16: 'f2', BF16: 'bf2', I64: 'i8', I32: 'i4', I16: 'i2', I8: 'i1', U64: 'u8', U32: 'u4', U16: 'u2', U8: 'u1',
};

function half(bits) {
  const [sign, exponent, fraction] = [bits >> 15 ? -1 : 1, (bits >> 10) & 31, bits & 1023];
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return exponent ? sign * 2 ** (exponent - 15) * (1 + fraction / 1024) : sign * 2 ** -24 * fraction;
}

const cell = new DataView(new ArrayBuffer(4));
function brain(bits) {
  cell.setUint32(0, bits << 16);
  return cell.getFloat32(0);
}

const viewOf = (bytes) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
const ascii = (bytes) => String.fromCharCode(...bytes);

function valuesOf(bytes, kind, count, little) {
  const { bytes: size, read } = TYPES[kind];
  const view = viewOf(bytes);
  return Array.from({ length: count }, (_, i) => read(view, i * size, little));
}

const product = (shape) => shape.reduce((whole, n) => whole * n, 1);

/** An array: { shape, values, width } or, of text, { text }. */
function npy(bytes, where) {
  if (ascii(bytes.subarray(1, 6)) !== 'NUMPY') throw new Unreadable(`${where} is no sound .npy`);
  const view = viewOf(bytes);
  const start = bytes[6] === 1 ? 10 : 12;
  const length = bytes[6] === 1 ? view.getUint16(8, true) : view.getUint32(8, true);
  const header = ascii(bytes.subarray(start, start + length));
  const [, order, type] = /'descr': '([<>|=])(\w+)'/.exec(header) ?? [];
  const shape = (/'shape': \(([^)]*)\)/.exec(header)?.[1] ?? '').split(',').filter((n) => n.trim()).map(Number);
  const body = bytes.subarray(start + length);
  const little = order !== '>';
  if (type?.[0] === 'U') {
    const points = Array.from({ length: Number(type.slice(1)) }, (_, i) => viewOf(body).getUint32(4 * i, little));
    return { text: String.fromCodePoint(...points).replace(/\0+$/, '') };
  }
  if (type?.[0] === 'S') return { text: ascii(body.subarray(0, Number(type.slice(1)))).replace(/\0+$/, '') };
  if (!TYPES[type]) throw new Unreadable(`${where} has the type ${type ?? header}, and numbers are floats`);
  let values = valuesOf(body, type, product(shape), little);
  if (/'fortran_order': True/.test(header) && shape.length === 2) {
    const [rows, columns] = shape;
    values = values.map((_, i) => values[(i % columns) * rows + Math.floor(i / columns)]);
  }
  return { shape, values, width: TYPES[type].bytes === 8 ? 'float64' : 'float32' };
}

async function inflated(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('deflate-raw'));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

const DIRECTORY = 0x02014b50;
const END = 0x06054b50;

/** The entries of a zip, from its central directory: [name, bytes]. */
async function unzipped(bytes) {
  const view = viewOf(bytes);
  let end = bytes.length - 22;
  while (end >= 0 && view.getUint32(end, true) !== END) end -= 1;
  if (end < 0) throw new Unreadable('its directory is missing');
  const entries = [];
  let at = view.getUint32(end + 16, true);
  for (let i = view.getUint16(end + 10, true); i > 0; i--) {
    if (view.getUint32(at, true) !== DIRECTORY) throw new Unreadable('its directory is broken');
    const [method, size, name] = [view.getUint16(at + 10, true), view.getUint32(at + 20, true), view.getUint16(at + 28, true)];
    const local = view.getUint32(at + 42, true);
    const start = local + 30 + view.getUint16(local + 26, true) + view.getUint16(local + 28, true);
    const packed = bytes.subarray(start, start + size);
    entries.push([ascii(bytes.subarray(at + 46, at + 46 + name)), method === 0 ? packed : await inflated(packed)]);
    at += 46 + name + view.getUint16(at + 30, true) + view.getUint16(at + 32, true);
  }
  return entries;
}

/** The arrays of an .npz: [name, array]. Throws Unreadable. */
export async function npz(bytes, name) {
  try {
    const entries = await unzipped(bytes);
    return entries.map(([key, content]) => [key.replace(/\.npy$/, ''), npy(content, `${key} in ${name}`)]);
  } catch (problem) {
    if (problem instanceof Unreadable && problem.message.includes(' has the type ')) throw problem;
    throw new Unreadable(`${name} is no sound .npz: ${problem.message}`);
  }
}

/** The arrays of a .safetensors: [name, array]. Throws Unreadable. */
export function safetensors(bytes, name) {
  try {
    const length = Number(viewOf(bytes).getBigUint64(0, true));
    const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length)));
    return Object.entries(header).filter(([key]) => key !== '__metadata__').map(([key, { dtype, shape, data_offsets: [from, to] }]) => {
      if (!SAFE[dtype]) throw new Unreadable(`${key} in ${name} has the type ${dtype}, and numbers are floats`);
      const values = valuesOf(bytes.subarray(8 + length + from, 8 + length + to), SAFE[dtype], product(shape), true);
      return [key, { shape, values, width: TYPES[SAFE[dtype]].bytes === 8 ? 'float64' : 'float32' }];
    });
  } catch (problem) {
    if (problem instanceof Unreadable) throw problem;
    throw new Unreadable(`${name} is no sound .safetensors: ${problem.message}`);
  }
}
