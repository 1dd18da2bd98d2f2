// Runs microgpt.wasm, and moves the bytes that it reads and writes.
import { readFileSync, readSync, writeSync } from 'node:fs';

const bytes = (at, length) => new Uint8Array(exports.memory.buffer, at, length);

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

const host = {
  read: (at, length) => patient(readSync, 0, bytes(at, length)),
  write(descriptor, at, length) {
    while (length > 0) {
      const written = patient(writeSync, descriptor, bytes(at, length));
      at += written;
      length -= written;
    }
  },
  // Longer arguments than these are no command.
  arguments: (at) => new TextEncoder().encodeInto(process.argv.slice(2).join(' '), bytes(at, 256)).written,
};

const module = new WebAssembly.Module(readFileSync(new URL('microgpt.wasm', import.meta.url)));
const { exports } = new WebAssembly.Instance(module, { host });
process.exitCode = exports.main();
