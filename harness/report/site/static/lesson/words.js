/** Numbers and steps as text. */

const MINUS = '\u2212';
const [DIGITS, CORNER_DIGITS] = [5, 3];

/** A number in up to `digits` digits, always with a point or an exponent, so that it looks like what it is: a double. */
export function short(x, digits = DIGITS) {
  if (!Number.isFinite(x)) return Number.isNaN(x) ? 'NaN' : x > 0 ? '∞' : `${MINUS}∞`;
  const text = String(Number(x.toPrecision(digits)));
  const sized = /[.e]/.test(text) ? text : `${text}.0`;
  return (Object.is(x, -0) ? `-${sized}` : sized).replaceAll('-', MINUS).replace('e+', 'e');
}

const factor = (x) => (x < 0 || Object.is(x, -0) ? `(${short(x)})` : short(x));

export class Words {
  constructor({ names, isConstant, result }) {
    Object.assign(this, { names, isConstant, result });
  }

  name(node) { return this.names.get(node) ?? short(node.data); }

  /** How a node is made, from the texts of its children. */
  made(node, [a, b]) {
    const [sign, exponent] = node.op.split(' ');
    if (sign === '+') return `${a} + ${b}`;
    if (sign === '*') return `${a} × ${b}`;
    if (sign === '**') return `${a} ** ${exponent.replace('-', MINUS)}`;
    return `${sign}(${a.replace(/^\((.*)\)$/, '$1')})`;
  }

  /** What stands in the corner of a node's box: the operation, and a constant that takes part in it. */
  corner(node) {
    if (node.children.length === 0) return '';
    const [sign, exponent] = node.op.split(' ');
    const constant = node.children.find(this.isConstant);
    const number = constant ? short(constant.data, CORNER_DIGITS) : exponent?.replace('-', MINUS);
    return [sign === '*' ? '×' : sign, number].filter(Boolean).join(' ');
  }

  /** A step in one line. */
  sentence(step) {
    const whole = this.name(this.result);
    if (step.kind === 'start') return `The inputs have numbers. ${whole} is still to be computed.`;
    if (step.kind === 'seed') return `d${whole}/d${whole} = 1.0`;
    const { node } = step;
    if (step.kind === 'forward') {
      const names = this.made(node, node.children.map((child) => this.name(child)));
      const numbers = this.made(node, node.children.map((child) => factor(child.data)));
      return [this.name(node), names, ...(names === numbers ? [] : [numbers]), short(node.data)].join(' = ');
    }
    const numbers = `${factor(step.local)} × ${factor(step.upstream)} = ${short(step.product)}`;
    return `d/d${this.isConstant(step.child) ? `(${this.name(step.child)})` : this.name(step.child)} += local × upstream = ${numbers}`;
  }

  /** Why it is so. */
  reason(step) {
    const { node, child } = step;
    if (step.kind === 'start') return 'Forward goes from the inputs to the result: a node is computed when its children are.';
    if (step.kind === 'forward' && Number.isNaN(node.data)) return 'That is no number (NaN), as the logarithm or the root of a number below 0 is none. Whatever is made of it is none either.';
    if (step.kind === 'forward') return `The node keeps its children and its slope by each: ${node.children.map((one, i) => `${short(node.localGrads[i])} by ${this.name(one)}`).join(', ')}.`;
    if (step.kind === 'seed') return `Backward begins here: ${this.name(node)} changes exactly as much as itself. Every other gradient starts at 0.`;
    const parts = [this.slope(step), `Upstream is d/d${this.name(node)}, complete by now: ${short(step.upstream)}.`];
    if (this.isConstant(child)) parts.push('A constant has a gradient as well. Nobody asks for it.');
    else if (step.before !== 0) parts.push(`${this.name(child)} is used more than once, so it adds up: ${factor(step.before)} + ${factor(step.product)} = ${short(step.after)}.`);
    return parts.join(' ');
  }

  slope({ node, i, child, local }) {
    const [sign, exponent] = node.op.split(' ');
    const [name, x] = [this.name(node), this.name(child)];
    if (sign === '+') return 'A sum changes as much as each of its parts, so local is 1.';
    if (sign === '*') return `A product changes by the other factor: local is ${this.name(node.children[1 - i])} = ${short(local)}.`;
    if (sign === '**') return `The slope of x ** c is c × x ** (c ${MINUS} 1): with c = ${exponent.replace('-', MINUS)}, local is ${short(local)}.`;
    if (sign === 'exp') return `exp is its own slope: local is ${name} = ${short(local)}.`;
    if (sign === 'log') return `The slope of log(x) is 1 / x: local is 1 / ${x} = ${short(local)}.`;
    return local === 1 ? `${x} is above 0, so relu lets everything through: local is 1.` : `${x} is not above 0, so relu lets nothing through: local is 0.`;
  }
}
