/** The program around protocol.js and microgpt.js: standard input, standard output, the command line. */

import { codePoints, InputError, MATHS, PRESETS, Run } from './microgpt.js';
import { answerLines, LINE_LIMIT } from './protocol.js';

async function answerRequests() {
  process.stdin.setEncoding('latin1'); // a character for each byte, whatever comes
  let request = [];
  let rest = '';
  const take = (line) => {
    if (line !== 'end') return request.push(line);
    process.stdout.write(answerLines(request));
    request = [];
  };
  for await (const chunk of process.stdin) {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop().slice(0, LINE_LIMIT + 1); // enough to refuse a line that never ends
    lines.forEach(take);
  }
  if (rest !== '') take(rest);
  if (request.length > 0) process.stdout.write(answerLines(request, false));
}

async function trainAndSample(preset) {
  const chunks = [];
  for await (const chunk of process.stdin) chunks.push(chunk);
  const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Buffer.concat(chunks));
  const run = new Run(text.split('\n').map(codePoints), preset, MATHS.exact);
  for (const line of run.text()) process.stdout.write(`${line}\n`);
}

function fail(sentence) {
  process.stderr.write(`microgpt: ${sentence}\n`);
  process.exitCode = 1;
}

// Whoever reads the output may stop reading; that is no fault.
process.stdout.on('error', ({ code }) => process.exit(code === 'EPIPE' ? 0 : 1));

const [command, name = 'seed', ...others] = process.argv.slice(2);
if (command === undefined) {
  await answerRequests();
} else if (command !== 'run' || !Object.hasOwn(PRESETS, name) || others.length > 0) {
  fail('expected no arguments, or run [seed|classic] < names.txt');
} else {
  await trainAndSample(PRESETS[name]).catch((problem) => {
    if (problem instanceof InputError) fail(problem.message);
    else if (problem.code === 'ERR_ENCODING_INVALID_ENCODED_DATA') fail('expected standard input in UTF-8');
    else throw problem;
  });
}
