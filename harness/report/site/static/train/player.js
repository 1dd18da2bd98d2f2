/** Asks the worker for steps: one request at a time, the newest wish wins; plays at a chosen speed, and stops when hidden. */

const BUDGET = 10; // milliseconds of training for one frame at full speed

export class Player {
  /** `onFrame` is given each answer; `onState` is told when playing starts or ends. */
  constructor(worker, { onFrame, onState, onFail, interval }) {
    Object.assign(this, { worker, onFrame, onState, onFail, interval });
    this.speed = Infinity; // steps a second
    this.playing = false;
    this.step = 0;
    this.steps = 0;
    this.busy = false;
    this.wanted = new Map(); // requests that wait for the worker, the newest of each kind
    worker.onmessage = ({ data }) => this.answered(data);
    worker.onerror = (event) => onFail(event.message || 'the worker could not be started');
    document.addEventListener('visibilitychange', () => {
      if (document.hidden) this.pause();
    });
  }

  ask(request) {
    if (this.busy) this.wanted.set(request.kind, request);
    else this.send(request);
  }

  send(request) {
    this.busy = true;
    this.worker.postMessage(request);
  }

  answered(data) {
    this.busy = false;
    if (data.error !== undefined) {
      this.pause();
      this.onFail(data.error, data.kind);
      return;
    }
    if (data.about) this.steps = data.about.steps;
    if (data.step !== undefined) this.step = data.step;
    this.onFrame(data);
    const [next] = this.wanted.values();
    if (next !== undefined) {
      this.wanted.delete(next.kind);
      this.send(next);
    } else if (this.playing && this.step >= this.steps) {
      this.pause();
    }
  }

  goTo(step) { this.ask({ kind: 'goTo', step: Math.min(this.steps, Math.max(0, step)) }); }

  play() {
    if (this.playing || document.hidden) return;
    if (this.step >= this.steps) this.goTo(0);
    this.playing = true;
    this.owed = this.speed < 10 ? 1 : 0; // a slow training takes its first step at once
    this.last = performance.now();
    requestAnimationFrame((now) => this.tick(now));
    this.onState(true);
  }

  pause() {
    if (!this.playing) return;
    this.playing = false;
    this.onState(false);
  }

  tick(now) {
    if (!this.playing) return;
    requestAnimationFrame((later) => this.tick(later));
    if (this.busy || now - this.last < this.interval) return;
    const passed = Math.max(0, now - this.last);
    this.last = now;
    if (this.speed === Infinity) {
      this.send({ kind: 'goOn', milliseconds: Math.max(BUDGET, this.interval / 2) });
      return;
    }
    this.owed = Math.min(this.owed + (this.speed * passed) / 1000, Math.max(1, this.speed / 4));
    const due = Math.floor(this.owed);
    if (due === 0) return;
    this.owed -= due;
    this.send({ kind: 'goTo', step: Math.min(this.steps, this.step + due) });
  }
}
