/** The worker's own part: cases come in by message, what each came to goes out. */

import { compare } from './compare.js';
import { answer } from './protocol.js';

self.onmessage = ({ data: { level, cases, kind } }) => {
  for (const [name, request, golden] of cases) {
    const asked = kind === 'exact' ? request : request.replace(/^math exact$/m, `math ${kind}`);
    const began = performance.now();
    const reply = answer(asked);
    const seconds = (performance.now() - began) / 1000;
    const { functions, ...found } = compare(asked, golden, reply);
    const verb = request.slice(0, request.indexOf(' '));
    self.postMessage({ level, name, seconds, ...found, functions: verb === 'math' && golden.startsWith('ok') ? functions : {} });
  }
  self.postMessage({ level, done: true });
};
