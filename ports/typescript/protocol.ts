/** Requests and replies as text (SPEC, sections 11 and 13). */

import { fromBits, toBits } from './exact.js';
import { matrices, Problem, Shape } from './gpt.js';

export const LINE_LIMIT = 65536;

export function integer(word: string, low: number, high: number): number {
  const value = /^(0|[1-9][0-9]{0,9})$/.test(word) ? Number(word) : NaN;
  if (value >= low && value <= high) return value;
  throw new Problem(`expected an integer from ${low} to ${high}`);
}

export function double(word: string): number {
  if (/^[0-9a-f]{16}$/.test(word)) return fromBits(BigInt(`0x${word}`));
  throw new Problem('expected a double of 16 lower-case hex digits');
}

export const hex = (x: number): string => toBits(x).toString(16).padStart(16, '0');

/** The lines of a request that are still to be read. */
export class Request {
  #place = 0;

  constructor(readonly lines: string[]) {}

  get isAtEnd(): boolean {
    return this.#place === this.lines.length;
  }

  /** The words of the next line, which stays. */
  peek(): string[] {
    const line = this.lines[this.#place];
    if (line === undefined) throw new Problem('expected more lines');
    if (line.length > LINE_LIMIT) throw new Problem(`expected lines of up to ${LINE_LIMIT} bytes`);
    return line.split(' ');
  }

  next(): string[] {
    const words = this.peek();
    this.#place++;
    return words;
  }

  has(key: string): boolean {
    return !this.isAtEnd && this.peek()[0] === key;
  }

  /** The values of the next line, which must have this key, and that many of them if a count is given. */
  take(key: string, count?: number): string[] {
    if (!this.has(key)) throw new Problem(`expected a line ${key}`);
    const [, ...values] = this.next();
    if (values.length !== (count ?? values.length)) throw new Problem(`expected ${count} values of ${key}`);
    return values;
  }

  one(key: string): string {
    return this.take(key, 1)[0];
  }

  integer(key: string, low: number, high: number): number {
    return integer(this.one(key), low, high);
  }

  integers(key: string, low: number, high: number): number[] {
    return this.take(key).map((word) => integer(word, low, high));
  }

  choice<T extends string>(key: string, ...options: T[]): T {
    const word = this.one(key);
    const chosen = options.find((option) => option === word);
    if (chosen === undefined) throw new Problem(`expected ${key} ${options.join(' or ')}`);
    return chosen;
  }

  math(): void {
    if (this.choice('math', 'exact', 'native') === 'native') throw new Problem('unsupported');
  }

  tensor(name: string, rows: number, columns: number): Float64Array {
    if (this.take('tensor').join(' ') !== `${name} ${rows} ${columns}`)
      throw new Problem(`expected the tensor ${name} ${rows} ${columns}`);
    const numbers = new Float64Array(rows * columns);
    for (let row = 0; row < rows; row++) numbers.set(this.take('row', columns).map(double), row * columns);
    return numbers;
  }

  tensors(prefix: string, shape: Shape): Float64Array {
    const all = matrices(shape).map(({ name, rows, columns }) => this.tensor(prefix + name, rows, columns));
    const numbers = new Float64Array(all.reduce((sum, { length }) => sum + length, 0));
    let first = 0;
    for (const tensor of all) {
      numbers.set(tensor, first);
      first += tensor.length;
    }
    return numbers;
  }

  finish(): void {
    if (!this.isAtEnd) throw new Problem('expected the line end');
  }
}

export class Reply {
  readonly #lines: string[] = [];

  line(key: string, ...words: (string | number)[]): void {
    this.#lines.push([key, ...words].join(' '));
  }

  doubles(key: string, ...numbers: number[]): void {
    this.line(key, ...numbers.map(hex));
  }

  tensor(name: string, columns: number, numbers: Float64Array): void {
    this.line('tensor', name, numbers.length / columns, columns);
    for (let i = 0; i < numbers.length; i += columns) this.doubles('row', ...numbers.subarray(i, i + columns));
  }

  tensors(prefix: string, shape: Shape, numbers: Float64Array): void {
    let first = 0;
    for (const { name, rows, columns } of matrices(shape)) {
      this.tensor(prefix + name, columns, numbers.subarray(first, first + rows * columns));
      first += rows * columns;
    }
  }

  /** The sums stay below 2^53. */
  checksum(key: string, numbers: Float64Array): void {
    const modulus = 4294967291;
    let [a, b] = [1, 0];
    for (const x of numbers) {
      const pattern = toBits(x);
      for (const half of [Number(pattern >> 32n), Number(pattern & 0xffffffffn)]) {
        a = (a + half) % modulus;
        b = (b + a) % modulus;
      }
    }
    this.line(key, ...[a, b].map((sum) => sum.toString(16).padStart(8, '0')));
  }

  toString(): string {
    return this.#lines.map((line) => `${line}\n`).join('');
  }
}
