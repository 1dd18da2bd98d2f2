/** A second run beside the engine's: the port as it is, with a known mistake, with the browser's functions, or in float32. */

import { draw } from './chart.js';
import { decimal, element, hex, thousands } from './doubles.js';
import { runningMean } from './loss.js';
import { MISTAKES } from './mistakes.js';
import { startWorker } from './workers.js';

const BUDGET = 60; // milliseconds of both trainings for one picture
const NEAR = 1e-16; // the smallest distance on the axis

const percent = (share) => (share >= 0.001 ? `${(100 * share).toFixed(share < 0.1 ? 2 : 0)} %` : share.toExponential(1).replace('-', '\u2212'));
const number = (x) => (Number.isFinite(x) ? decimal(x) : 'not a number');

export class Beside {
  /** `settings` gives the text and the number of steps of the run on the page. */
  constructor({ form, go, lines, verdict, facts, charts }, settings) {
    Object.assign(this, { form, go, lines, verdict, facts, charts, settings, worker: null, report: null });
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      if (this.worker === null) this.start(form.elements.mistake.value);
      else this.stop('Stopped.');
    });
    form.addEventListener('change', () => this.choose());
    document.addEventListener('visibilitychange', () => { if (!document.hidden) this.ask(); });
    this.choose();
  }

  /** Shows the lines that are changed. */
  choose() {
    const changes = MISTAKES[this.form.elements.mistake.value] ?? [];
    this.lines.hidden = changes.length === 0;
    this.lines.replaceChildren(...changes.flatMap(([line, other]) => [
      element('del', '', `− ${line}\n`), element('ins', '', `+ ${other}\n`),
    ]));
  }

  /** The port as it is, from anywhere on the page. */
  witness() {
    this.stop();
    this.form.elements.mistake.value = '';
    this.choose();
    this.start('');
    this.go.focus();
  }

  start(name) {
    const rival = name === 'float32' ? 'gpu' : 'port';
    this.worker = startWorker(MISTAKES[name] ?? []);
    this.worker.onmessage = ({ data }) => this.answered(data);
    this.worker.onerror = (event) => this.stop(`This run cannot be made: ${event.message}`);
    this.name = name;
    this.go.textContent = 'Stop';
    this.say('The second run begins …', '');
    this.facts.replaceChildren();
    this.worker.postMessage({ kind: 'race', rival, ...this.settings() });
    this.waiting = true;
  }

  /** Ends the second run, and with it its worker. */
  stop(text, state = '') {
    this.worker?.terminate();
    this.worker = null;
    this.go.textContent = 'Run it beside';
    if (text) this.say(text, state);
  }

  ask() {
    if (this.worker === null || this.waiting || document.hidden) return;
    this.waiting = true;
    this.worker.postMessage({ kind: 'raceOn', milliseconds: BUDGET });
  }

  answered(data) {
    this.waiting = false;
    if (data.error !== undefined) {
      this.stop(`${data.error[0].toUpperCase()}${data.error.slice(1)}.`, 'bad');
      return;
    }
    this.report = data.race;
    this.show();
    if (this.report.step < this.report.steps) this.ask();
    else this.stop();
  }

  say(text, state) {
    this.verdict.textContent = text;
    this.verdict.dataset.state = state;
  }

  show() {
    const { step, steps, parted, printed, isOpen } = this.report;
    const so = step < steps ? 'so far' : 'to the end';
    if (isOpen && parted === null) this.say(`${thousands(step)} of ${thousands(steps)} steps: the same bits ${so}`, 'ok');
    else if (parted !== null) this.say(parted.step === 0 ? 'They part before the first step' : `They part at step ${thousands(parted.step)}`, 'bad');
    else this.say(printed === null ? `${thousands(step)} of ${thousands(steps)} steps: the same printed losses ${so}` : `The printed loss differs first at step ${thousands(printed.step)}`, printed ? 'bad' : 'ok');
    this.facts.replaceChildren(...this.told().map(([term, ...said]) => element('div', '', element('dt', '', term), element('dd', '', ...said))));
    this.draw();
  }

  /** What there is to say, as [term, text …]. */
  told() {
    const { step, losses, others, distance, parted, printed, farthest, isOpen, by } = this.report;
    const pair = (right, other) => [
      element('code', '', number(other)), element('small', '', ` ${hex(other)}`), ' in place of ', element('code', '', number(right)), element('small', '', ` ${hex(right)}`),
    ];
    const told = by ? [['computed by', by]] : [];
    if (parted) told.push(['first to differ', element('code', '', parted.name), ': ', ...pair(parted.right, parted.other)]);
    else if (isOpen) told.push(['compared each step', 'loss, gradients, m, v and parameters, all their bits']);
    if (printed) told.push(['first printed loss to differ', `step ${thousands(printed.step)}: ${printed.other.toFixed(4)} in place of ${printed.right.toFixed(4)}`]);
    else if (parted || !isOpen) told.push(['first printed loss to differ', 'none']);
    if (step === 0) return told;
    const means = [others, losses].map((all) => runningMean(all, step)).map((mean) => (Number.isFinite(mean) ? mean.toFixed(4) : 'not a number'));
    told.push([`mean loss, step ${thousands(step)}`, `${means[0]} in place of ${means[1]}`]);
    if (distance !== null) told.push([`parameters, step ${thousands(step)}`, this.far(distance)]);
    if (farthest && farthest.right !== farthest.other) told.push(['farthest apart', element('code', '', farthest.name), ': ', ...pair(farthest.right, farthest.other)]);
    return told;
  }

  far(distance) {
    if (distance === 0) return 'not apart at all';
    return Number.isNaN(distance) ? 'no numbers any more' : `apart by ${percent(distance)} of their size`;
  }

  draw() {
    if (this.report === null) return;
    const { losses, others, distances, distance, steps, step, parted } = this.report;
    const mean = (all) => Array.from({ length: step }, (_, i) => runningMean(all, i + 1));
    const mark = parted ? parted.step : null;
    const [right, other] = [mean(losses), mean(others)];
    const high = Math.max(4, Math.ceil(Math.max(0, ...right, ...other.filter(Number.isFinite))));
    const range = [Math.min(...right, ...other) < 1 ? 0 : 1, Math.min(high, 40)];
    draw(this.charts.loss, {
      series: [{ values: right, color: 'muted', width: 4 }, { values: other, color: 'bar' }],
      steps, mark, range, ticks: high <= 6 ? [0, 1, 2, 3, 4, 5, 6].filter((tick) => tick >= range[0] && tick <= high) : range,
    });
    draw(this.charts.apart, {
      series: [{ values: distances.subarray(0, step).map((distance) => (distance > 0 ? distance : NaN)), color: 'bar' }],
      steps, mark, range: [NEAR, 10], ticks: [1e-16, 1e-12, 1e-8, 1e-4, 1], logarithmic: true, label: (tick) => (tick === 1 ? '1' : `1e\u2212${-Math.log10(tick)}`),
    });
    this.charts.loss.setAttribute('aria-label', `Mean of the last 50 losses by step, of both runs: at step ${step} ${other.at(-1)?.toFixed(3)} beside ${right.at(-1)?.toFixed(3)}`);
    this.charts.apart.setAttribute('aria-label', `Distance between the parameters of both runs by step, as a share of their size: at step ${step} ${distance}`);
  }
}
