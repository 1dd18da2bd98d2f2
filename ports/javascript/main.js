/**
 * The program around microgpt.js and protocol.js. Without arguments it answers requests of the protocol from standard
 * input, each as soon as it is complete. `node main.js run [seed|classic] < names.txt` trains on the names and makes
 * new ones.
 */

import { codePoints, InputError, MATHS, PRESETS, Run } from './microgpt.js';
import { answerLines, LINE_LIMIT } from './protocol.js';

const USAGE = `usage: node main.js                                 answer requests from standard input
       node main.js run [seed|classic] < names.txt    train on the names (one a line) and make new ones
`;

async function answerRequests() {
  process.stdin.setEncoding('latin1'); // one character for each byte, whatever comes
  /** @type {string[]} */
  let request = [];
  let rest = '';
  for await (const chunk of process.stdin) {
    const lines = (rest + chunk).split('\n');
    // Of a line that never ends, one byte too many is kept: enough to refuse it.
    rest = /** @type {string} */ (lines.pop()).slice(0, LINE_LIMIT + 1);
    for (const line of lines) {
      if (line !== 'end') {
        request.push(line);
      } else {
        process.stdout.write(answerLines(request));
        request = [];
      }
    }
  }
  if (rest !== '') request.push(rest);
  if (request.length > 0) process.stdout.write(answerLines(request, false));
}

/** @param {string} presetName */
async function trainAndSample(presetName) {
  if (!Object.hasOwn(PRESETS, presetName)) return fail(`there is no preset '${presetName}'\n${USAGE}`);
  const chunks = [];
  for await (const chunk of process.stdin) chunks.push(chunk);
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Buffer.concat(chunks));
    const run = new Run(text.split('\n').map(codePoints), PRESETS[presetName], MATHS.exact);
    for (const line of run.text()) process.stdout.write(`${line}\n`);
  } catch (problem) {
    if (problem instanceof InputError) return fail(`${problem.message}\n`);
    if (problem instanceof TypeError) return fail('standard input is not text in UTF-8\n');
    throw problem;
  }
}

/** @param {string} message */
function fail(message) {
  process.stderr.write(`microgpt: ${message}`);
  process.exitCode = 2;
}

// Whoever reads the output may stop reading: that is no fault to report.
process.stdout.on('error', (/** @type {NodeJS.ErrnoException} */ { code }) => process.exit(code === 'EPIPE' ? 0 : 1));

const [command, presetName = 'seed', ...others] = process.argv.slice(2);
if (command === undefined) await answerRequests();
else if (command === 'run' && others.length === 0) await trainAndSample(presetName);
else fail(`do not know what to do with '${process.argv.slice(2).join(' ')}'\n${USAGE}`);
