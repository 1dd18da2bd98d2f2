/** Doubles as text: decimal and bits. */

const view = new DataView(new ArrayBuffer(8));

export function hex(x) {
  view.setFloat64(0, x);
  return view.getBigUint64(0).toString(16).padStart(16, '0');
}

/** All 64 bits in their three groups. */
export function bitGroups(x) {
  view.setFloat64(0, x);
  const bits = view.getBigUint64(0).toString(2).padStart(64, '0');
  return { sign: bits[0], exponent: bits.slice(1, 12), fraction: bits.slice(12) };
}

/** The shortest decimal that is this double. */
export const decimal = (x) => (Object.is(x, -0) ? '-0' : String(x)).replace('-', '\u2212').replace('e-', 'e\u2212');

export const thousands = (x) => x.toLocaleString('en-US');

/** An element with a class and content; strings become text. */
export function element(name, className, ...content) {
  const made = document.createElement(name);
  if (className) made.className = className;
  made.append(...content);
  return made;
}
