/** Compares what was printed or written with the golden numbers (harness/judge/check/agreement.py). */

const BUCKETS = [1, 10, 100, 4096]; // last steps, from 1, of the ranges that have a bound of their own

/** Of the last place: what rounding to the nearest may do. */
export const HALF = 0.5 + 1e-6;

/** How far a value may be off in a right program of this width, at a step from 0; scale: its matrix's greatest value. */
export function bound(bounds, width, kind, step, scale) {
  const rows = bounds.spread[width];
  const end = BUCKETS.find((last) => Math.max(step, 0) < last);
  if (kind === 'init') return bounds.factor * 2 ** (width === 'float64' ? -52 : -23) * scale;
  const relative = kind === 'activation' ? Math.max(rows.loss[end], rows.parameters[end]) : rows[kind][end];
  return bounds.factor * relative * scale;
}

/** How far a printed loss is off in its last place; Infinity where one of the two is no finite number. */
export function unitsOff(log, printed, expected) {
  if (Number.isFinite(printed.value) !== Number.isFinite(expected)) return Infinity;
  if (!Number.isFinite(expected)) return Object.is(printed.value, expected) ? 0 : Infinity;
  const off = Math.abs(printed.value - expected) / log.unit(expected);
  return log.isExact && off !== 0 ? off + 1 : off;
}

/**
 * Every printed loss with the golden one of its step, or of `shift` steps later. wrong: those that differ in a printed
 * digit, { step, printed, expected, units }. inside: whether all are within the bound of each width.
 */
export function compareLog(bounds, log, golden, shift = 0) {
  const wrong = [];
  const inside = { float64: true, float32: true };
  let compared = 0;
  let isBit = log.isExact;
  for (const [step, printed] of log.losses) {
    const expected = golden[step + shift];
    if (expected === undefined) continue;
    compared += 1;
    const units = unitsOff(log, printed, expected);
    if (!(units <= HALF)) wrong.push({ step, printed, expected, units });
    isBit &&= printed.value === expected;
    for (const width of Object.keys(inside)) {
      const allowed = bound(bounds, width, 'loss', step, Math.abs(expected)) + HALF * log.unit(expected);
      inside[width] &&= Math.abs(printed.value - expected) <= allowed;
    }
  }
  return { compared, wrong, isBit: isBit && compared > 0, inside };
}
