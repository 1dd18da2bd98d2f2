// Runs microgpt.wasm, the C of another port, and is the system that it asks: what of WASI (preview 1) a program needs that
// reads standard input and writes standard output. Node has a WASI of its own, but that crashes when garbage is collected
// while it works (nodejs/node#46777).
import { readFileSync, readSync, writeSync } from 'node:fs';

const SUCCESS = 0, BAD_DESCRIPTOR = 8, INPUT_OUTPUT = 29;
const words = ['microgpt', ...process.argv.slice(2)].map((word) => Buffer.from(`${word}\0`));
const bytes = (start, length) => new Uint8Array(exports.memory.buffer, start, length);
const word = (at) => new DataView(exports.memory.buffer).getUint32(at, true);
const setWords = (...pairs) => {
  for (const [at, value] of pairs) new DataView(exports.memory.buffer).setUint32(at, value, true);
  return SUCCESS;
};

// What readSync or writeSync returns, however long the other end takes.
function patient(call, descriptor, buffer) {
  for (;;) {
    try {
      return call(descriptor, buffer);
    } catch (error) {
      if (error.code === 'EOF') return 0;
      if (error.code === 'EPIPE') process.exit(1); // nobody reads what is written
      if (error.code !== 'EAGAIN') throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
    }
  }
}

// Reads or writes each of `count` buffers until one is not filled, and says at `total` how many bytes that were.
function transfer(call, descriptor, buffers, count, total) {
  let all = 0;
  try {
    for (let i = 0; i < count; i++) {
      const [start, length] = [word(buffers + 8 * i), word(buffers + 8 * i + 4)];
      const done = length > 0 ? patient(call, descriptor, bytes(start, length)) : 0;
      all += done;
      if (done < length) break;
    }
  } catch {
    return INPUT_OUTPUT;
  }
  return setWords([total, all]);
}

const system = {
  args_sizes_get: (count, size) => setWords([count, words.length], [size, Buffer.concat(words).length]),
  args_get(pointers, text) {
    words.forEach((each, i) => {
      setWords([pointers + 4 * i, text]);
      bytes(text, each.length).set(each);
      text += each.length;
    });
    return SUCCESS;
  },
  environ_sizes_get: (count, size) => setWords([count, 0], [size, 0]),
  environ_get: () => SUCCESS,
  fd_read: (...where) => transfer(readSync, ...where),
  fd_write: (...where) => transfer(writeSync, ...where),
  fd_fdstat_get(descriptor, stat) {
    bytes(stat, 24).fill(0); // of an unknown kind, and so no terminal
    return descriptor < 3 ? SUCCESS : BAD_DESCRIPTOR;
  },
  fd_seek: () => BAD_DESCRIPTOR,
  fd_close: () => SUCCESS,
  clock_time_get(clock, precision, time) {
    new DataView(exports.memory.buffer).setBigUint64(time, process.hrtime.bigint(), true);
    return SUCCESS;
  },
  proc_exit: (code) => process.exit(code),
};

const module = new WebAssembly.Module(readFileSync(new URL('microgpt.wasm', import.meta.url)));
const { exports } = new WebAssembly.Instance(module, { wasi_snapshot_preview1: system });
exports._start();
