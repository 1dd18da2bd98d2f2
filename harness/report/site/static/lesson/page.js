/** The lesson: seven chapters, each with something on the bench. */

import { Descent } from './adam.js';
import { Bench } from './bench.js';
import { Slope } from './landscape.js';

const byId = (id) => document.getElementById(id);
const parts = (...names) => Object.fromEntries(names.map((name) => [name, byId(name)]));
const chapters = [...document.querySelectorAll('.chapter')];
const links = [...document.querySelectorAll('.chapters a')];

const slope = new Slope({ plot: byId('slope'), which: byId('slope-of'), readout: byId('slope-readout') });
const descent = new Descent({
  map: byId('descent'), axesText: byId('descent-axes'), terms: byId('descent-terms'), readout: byId('descent-readout'),
  one: byId('descend-one'), many: byId('descend-many'), again: byId('descend-again'),
});
const figures = { landscape: slope, adam: descent };
const bench = new Bench(
  {
    ...parts('text', 'example', 'wrong', 'work', 'graph', 'inputs', 'now', 'why', 'exact', 'all', 'steps'),
    ...parts('play', 'back', 'forward', 'restart', 'scrub', 'count'),
    code: document.querySelector('.engine .source'),
  },
  () => drawFigure(),
);

const chosen = () => chapters.find(({ id }) => `#${id}` === window.location.hash) ?? chapters[0];

function drawFigure() {
  figures[chosen().id]?.draw(bench);
}

/** Shows the chapter of the address. */
function open(isFirst) {
  const chapter = chosen();
  for (const one of chapters) one.hidden = one !== chapter;
  for (const link of links) {
    if (link.hash === `#${chapter.id}`) link.setAttribute('aria-current', 'step');
    else link.removeAttribute('aria-current');
  }
  bench.load(chapter.dataset.example, chapter.dataset.place);
  if (!isFirst) chapter.querySelector('h2').focus();
}

byId('lesson').hidden = false;
open(true);
window.addEventListener('hashchange', () => {
  if (window.location.hash !== '#main') open(false);
});
window.addEventListener('resize', () => {
  bench.show();
  drawFigure();
});
window.matchMedia('(prefers-color-scheme: dark)').addEventListener('change', drawFigure);
document.addEventListener('keydown', (event) => {
  if (event.target.matches('input, select, textarea, button, a, summary, [tabindex="0"]')) return;
  if (event.altKey || event.ctrlKey || event.metaKey) return;
  const does = { ' ': 'play', ArrowLeft: 'back', ArrowRight: 'forward' }[event.key];
  if (!does) return;
  event.preventDefault();
  byId(does).click();
});
