/** The worker's own part: cases come in by message, the result of each goes out. */

import { compare, distances } from './compare.js';
import { answer } from './protocol.js';

self.onmessage = ({ data: { level, cases, kind } }) => {
  for (const [name, request, golden] of cases) {
    const asked = kind === 'exact' ? request : request.replace(/^math exact$/m, `math ${kind}`);
    const began = performance.now();
    const reply = answer(asked);
    const seconds = (performance.now() - began) / 1000;
    const functions = request.startsWith('math ') ? distances(golden, reply) : {};
    self.postMessage({ level, name, seconds, ...compare(golden, reply), functions });
  }
  self.postMessage({ level, done: true });
};
