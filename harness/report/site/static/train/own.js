/** The visitor's own text: pasted, chosen or dropped; and the trained model as a file. */

import { thousands } from './doubles.js';

const MOST_BYTES = 4e6;

export class OwnText {
  /** `onText` is given { text, steps, golden, file }; `home` is the run that the page begins with. */
  constructor({ form, file, said, back, download }, { onText, onModel }) {
    Object.assign(this, { form, said, back, onText, home: null });
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.take(new TextEncoder().encode(form.elements.text.value), 'pasted text');
    });
    file.addEventListener('change', () => {
      if (file.files.length > 0) this.read(file.files[0]);
      file.value = ''; // so that the same file can be chosen again
    });
    form.addEventListener('dragover', (event) => {
      event.preventDefault();
      form.classList.add('over');
    });
    form.addEventListener('dragleave', () => form.classList.remove('over'));
    form.addEventListener('drop', (event) => {
      event.preventDefault();
      form.classList.remove('over');
      const [dropped] = event.dataTransfer.files;
      if (dropped) this.read(dropped);
      else this.take(new TextEncoder().encode(event.dataTransfer.getData('text')), 'dropped text');
    });
    back.addEventListener('click', () => {
      this.say('');
      back.hidden = true;
      onText(this.home);
    });
    download.addEventListener('click', onModel);
  }

  async read(file) {
    if (file.size > MOST_BYTES) this.refuse(`${file.name} has ${thousands(file.size)} bytes, and ${thousands(MOST_BYTES)} are the most`);
    else this.take(new Uint8Array(await file.arrayBuffer()), file.name);
  }

  take(bytes, file) {
    if (bytes.length > MOST_BYTES) {
      this.refuse(`this text has ${thousands(bytes.length)} bytes, and ${thousands(MOST_BYTES)} are the most`);
      return;
    }
    let text;
    try {
      text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    } catch {
      this.refuse(`${file} is not UTF-8: save it as UTF-8 text`);
      return;
    }
    const steps = this.form.elements.steps.valueAsNumber;
    this.say(`Training on ${file}: see above.`);
    this.back.hidden = false;
    this.onText({ text, steps, golden: null, file });
  }

  /** A text that cannot be trained on: the run before goes on. */
  refuse(reason) { this.say(`${reason[0].toUpperCase()}${reason.slice(1)}.`, 'bad'); }

  say(text, state = '') {
    this.said.textContent = text;
    this.said.dataset.state = state;
  }

  /** Hands the model to the visitor as a file. */
  save(model, step) {
    const link = document.createElement('a');
    link.href = URL.createObjectURL(new Blob([model], { type: 'application/json' }));
    link.download = `microgpt-step-${step}.json`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }
}
