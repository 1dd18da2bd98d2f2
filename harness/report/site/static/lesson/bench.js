/** The bench: a text, its graph, its steps. Everything on it follows from the text and the place in the steps. */

import { Code } from './code.js';
import { Graph } from './graph.js';
import { ExpressionError, run } from './language.js';
import { known, lesson } from './steps.js';
import { short, Words } from './words.js';

const PACE = 1100; // milliseconds a step when playing
const MOST_ROWS = 7;
const WIDEST = 5; // a slider goes at least from -5 to 5

export function element(name, attributes, ...content) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...content);
  return made;
}

export class Bench {
  /** `parts` are the elements of the page by their ids; `onChange(bench)` is told when numbers or text are others. */
  constructor(parts, onChange) {
    Object.assign(this, { parts, onChange, at: 0, lesson: null, timer: null });
    this.graph = new Graph(parts.graph, { onDrag: (which, number) => this.set(new Map([[which, number]])) });
    this.code = new Code(parts.code);
    parts.text.addEventListener('input', () => {
      this.read('end');
      parts.example.value = '';
    });
    parts.example.addEventListener('change', () => this.load(parts.example.value));
    parts.back.addEventListener('click', () => this.goTo(this.at - 1));
    parts.forward.addEventListener('click', () => this.goTo(this.at + 1));
    parts.restart.addEventListener('click', () => this.goTo(0));
    parts.scrub.addEventListener('input', () => this.goTo(parts.scrub.valueAsNumber));
    parts.play.addEventListener('click', () => (this.timer === null ? this.play() : this.pause()));
    parts.all.addEventListener('toggle', () => this.list());
    document.addEventListener('visibilitychange', () => { if (document.hidden) this.pause(); });
  }

  /** Puts the example of that name on the bench. */
  load(name, place = 'start') {
    const option = [...this.parts.example.options].find(({ value }) => value === name);
    this.parts.example.value = name;
    this.parts.text.value = option.dataset.text;
    this.parts.text.rows = Math.min(MOST_ROWS, option.dataset.text.split('\n').length);
    this.read(place);
  }

  /** Takes the text as it stands. `place`: where in the steps to be, 'start', 'forward' (all is computed) or 'end'. */
  read(place) {
    this.pause();
    if (!this.take()) return;
    const { steps } = this.lesson;
    this.at = { start: 0, forward: steps.findIndex(({ kind }) => kind === 'seed') - 1, end: steps.length - 1 }[place];
    this.makeSliders();
    this.show();
    this.onChange(this);
  }

  take() {
    const { text, wrong, work } = this.parts;
    try {
      this.lesson = lesson(text.value);
    } catch (error) {
      if (!(error instanceof ExpressionError)) throw error;
      wrong.textContent = error.message;
      text.setAttribute('aria-invalid', 'true');
      work.classList.add('stale');
      return false;
    }
    this.words = new Words(this.lesson);
    wrong.textContent = '';
    text.removeAttribute('aria-invalid');
    work.classList.remove('stale');
    return true;
  }

  /** Gives inputs other numbers: writes them into the text. */
  set(numbers) {
    const { text } = this.parts;
    const { inputs } = this.lesson;
    const number = (which) => String(numbers.get(which) ?? inputs[which].node.data);
    let written = text.value;
    let above = '';
    for (const [which, { name, span }] of [...inputs.entries()].reverse()) {
      if (span === null) above = `${name} = ${number(which)}\n${above}`;
      else if (numbers.has(which)) written = written.slice(0, span[0]) + number(which) + written.slice(span[1]);
    }
    text.value = above + written;
    if (!this.take()) return;
    for (const [which, { slider }] of this.sliders.entries()) slider.value = this.lesson.inputs[which].node.data;
    this.show();
    this.onChange(this);
  }

  makeSliders() {
    this.sliders = this.lesson.inputs.map(({ name, node }, which) => {
      const most = Math.max(WIDEST, Math.ceil(1.5 * Math.abs(node.data)));
      const slider = element('input', { type: 'range', min: -most, max: most, step: 0.1 });
      slider.value = node.data;
      slider.addEventListener('input', () => this.set(new Map([[which, slider.valueAsNumber]])));
      const numbers = element('span', { class: 'numbers' });
      const label = element('label', {}, element('code', {}, name), slider, numbers);
      return { slider, numbers, label };
    });
    this.parts.inputs.replaceChildren(...this.sliders.map(({ label }) => label));
  }

  goTo(at) {
    this.pause();
    this.step(at);
  }

  step(at) {
    this.at = Math.max(0, Math.min(this.lesson.steps.length - 1, at));
    this.show();
  }

  play() {
    if (this.at === this.lesson.steps.length - 1) this.step(0);
    this.timer = setInterval(() => {
      this.step(this.at + 1);
      if (this.at === this.lesson.steps.length - 1) this.pause();
    }, PACE);
    this.parts.play.textContent = 'Pause';
  }

  pause() {
    clearInterval(this.timer);
    this.timer = null;
    this.parts.play.textContent = 'Play';
  }

  show() {
    const { parts, lesson: { steps, inputs }, words, at } = this;
    const step = steps[at];
    const found = known(this.lesson, at);
    this.graph.draw(this.lesson, words, at, found);
    this.code.light(step);
    parts.now.textContent = words.sentence(step);
    parts.now.dataset.kind = step.kind;
    parts.why.textContent = words.reason(step);
    const number = { forward: step.node?.data, backward: step.after }[step.kind];
    parts.exact.textContent = number === undefined ? '' : `in full: ${number}`;
    parts.scrub.max = steps.length - 1;
    parts.scrub.value = at;
    parts.scrub.setAttribute('aria-valuetext', `step ${at} of ${steps.length - 1}: ${words.sentence(step)}`);
    parts.count.textContent = `step ${at} of ${steps.length - 1}`;
    parts.back.disabled = at === 0;
    parts.forward.disabled = at === steps.length - 1;
    for (const [which, { numbers }] of this.sliders.entries()) {
      const { node } = inputs[which];
      numbers.textContent = `${short(node.data)}${found.grads.has(node) ? `, grad ${short(found.grads.get(node))}` : ''}`;
    }
    this.list();
  }

  /** All steps as text, if they are unfolded. */
  list() {
    const { all, steps: list } = this.parts;
    if (!all.open) return;
    if (list.children.length !== this.lesson.steps.length) {
      list.replaceChildren(...this.lesson.steps.map((_, i) => {
        const button = element('button', { type: 'button', class: 'quiet' });
        button.addEventListener('click', () => this.goTo(i));
        return element('li', {}, button);
      }));
    }
    for (const [i, step] of this.lesson.steps.entries()) {
      const [button] = list.children[i].children;
      button.textContent = this.words.sentence(step);
      if (i === this.at) button.setAttribute('aria-current', 'step');
      else button.removeAttribute('aria-current');
    }
  }

  /** A run of the text with other numbers for some inputs: a Map from their places. */
  evaluate(numbers) {
    const { inputs } = this.lesson;
    return run(this.parts.text.value, new Map([...numbers].map(([which, number]) => [inputs[which].key, number])));
  }
}
