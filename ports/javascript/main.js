/** The program around protocol.js and microgpt.js: standard input, standard output, the command line. */

import { codePoints, InputError, MATHS, PRESETS, run } from './microgpt.js';
import { answer, LINE_LIMIT } from './protocol.js';

async function answerRequests() {
  process.stdin.setEncoding('latin1'); // a character for each byte, whatever comes
  const request = [];
  const reply = () => process.stdout.write(answer(request.splice(0).join('\n')));
  const take = (line) => {
    request.push(line);
    if (line === 'end') reply();
  };
  let rest = '';
  for await (const chunk of process.stdin) {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop().slice(0, LINE_LIMIT + 1); // enough to refuse a line that never ends
    lines.forEach(take);
  }
  if (rest !== '') take(rest);
  if (request.length > 0) reply();
}

async function trainAndSample(preset) {
  const chunks = [];
  for await (const chunk of process.stdin) chunks.push(chunk);
  const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Buffer.concat(chunks));
  run(text.split('\n').map(codePoints), preset, MATHS.exact, (line) => process.stdout.write(`${line}\n`));
}

// Whoever reads the output may stop reading; that is no fault.
process.stdout.on('error', ({ code }) => process.exit(code === 'EPIPE' ? 0 : 1));

const [command, name = 'seed', ...others] = process.argv.slice(2);
const isPreset = Object.hasOwn(PRESETS, name) && others.length === 0;
try {
  if (command === undefined) await answerRequests();
  else if (command === 'run' && isPreset) await trainAndSample(PRESETS[name]);
  else throw new InputError('expected no arguments, or run [seed|classic] < names.txt');
} catch (problem) {
  process.stderr.write(`microgpt: ${problem.message}\n`);
  process.exitCode = 1;
}
