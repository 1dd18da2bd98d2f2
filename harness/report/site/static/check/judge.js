/** From outputs to verdicts: what `conform check` does, with the goldens that the site carries. */

import { readLog } from './log.js';
import { judgeLog } from './logs.js';
import { together } from './own.js';
import { doubleOf } from './text.js';
import { formOf, readTrace } from './tracefile.js';
import { judgeTrace } from './traces.js';

/** The runs that the site knows, from its data, in the order in which an unknown log is tried with them. */
export function runsOf({ runs, documents }) {
  const known = new Set(documents);
  return runs.map((run) => ({
    ...run,
    words: `${run.preset} on ${run.dataset}, seed 42`,
    losses: run.losses.split(' ').map(doubleOf),
    known: run.hasDocuments ? known : null,
  }));
}

/**
 * The verdicts on outputs, { name, data }, of one program. preset: '' for the one that fits. Throws Unreadable, in a
 * sentence, for what cannot be read.
 */
export async function check(data, outputs, { preset = '', pattern = '', transposed = false, progress = () => {} } = {}) {
  const runs = runsOf(data).filter((run) => !preset || run.preset === preset);
  const verdicts = [];
  for (const { name, data: bytes } of outputs) {
    if (!pattern && formOf(bytes, name)) {
      const readable = runs.filter((run) => run.hasDocuments);
      const options = { bounds: data.bounds, documents: data.documents, transposed, progress };
      verdicts.push(judgeTrace(name, await readTrace(bytes, name), readable, options));
      continue;
    }
    const log = readLog(bytes, name, pattern);
    const stated = runs.filter((run) => run.documents === log.headers.documents);
    const fitting = stated.length ? stated : runs;
    verdicts.push(judgeLog(name, log, fitting, preset && fitting.length === 1 ? fitting[0] : null, data.bounds));
  }
  return verdicts.length > 1 && verdicts.every((verdict) => verdict.chances) ? [together(verdicts)] : verdicts;
}
