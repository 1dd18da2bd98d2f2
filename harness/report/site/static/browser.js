/* The page that judges the visitor's browser: loads golden traces level by level, has a worker answer, shows what came. */

'use strict';

const traces = new Map();

/** Called by the scripts in goldens/. */
function golden(name, packed) {
  traces.set(name, packed);
}

(() => {
  const byId = (id) => document.getElementById(id);
  const form = byId('start');
  const levels = [...byId('levels').tBodies[0].rows];
  const number = (n) => n.toLocaleString('en-US');

  function loadScript(url) {
    return new Promise((resolve, reject) => {
      const script = document.createElement('script');
      script.src = url;
      script.onload = resolve;
      script.onerror = () => reject(new Error(`${url} cannot be loaded`));
      document.head.append(script);
    });
  }

  /** The cases of one script: [name, request, golden trace] each. */
  async function casesOf(url) {
    const name = url.replace(/^.*\/|\.js$/g, '');
    if (!traces.has(name)) await loadScript(url);
    const bytes = Uint8Array.from(atob(traces.get(name)), (character) => character.charCodeAt(0));
    const unpacked = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip'));
    return new Response(unpacked).json();
  }

  function startWorker() {
    const url = URL.createObjectURL(new Blob([`(${conformanceWorker})();`], { type: 'text/javascript' }));
    const worker = new Worker(url);
    URL.revokeObjectURL(url);
    return worker;
  }

  /** Asks the cases of a level; `onCase` is told of each. */
  function ask(worker, level, cases, kind, onCase) {
    return new Promise((resolve, reject) => {
      worker.onerror = (event) => reject(new Error(event.message || 'the worker could not be started'));
      worker.onmessage = ({ data }) => (data.done ? resolve() : onCase(data));
      worker.postMessage({ level, cases, kind });
    });
  }

  function tag(row, style, words) {
    const made = document.createElement('span');
    made.className = `tag ${style}`;
    made.textContent = words;
    row.cells[2].replaceChildren(made);
  }

  function show(row, sums, cases) {
    const texts = [`${sums.agreed}/${cases}`, number(sums.values), number(sums.different), `${sums.seconds.toFixed(2)} s`];
    texts.forEach((text, i) => {
      row.cells[3 + i].textContent = text;
    });
  }

  const empty = () => ({ cases: 0, agreed: 0, values: 0, different: 0, seconds: 0 });

  function add(sums, found) {
    sums.cases += 1;
    sums.agreed += found.different === 0 ? 1 : 0;
    sums.values += found.values;
    sums.different += found.different;
    sums.seconds += found.seconds;
  }

  function decimal(word) {
    if (!/^[0-9a-f]{16}$/.test(word)) return '';
    const view = new DataView(new ArrayBuffer(8));
    view.setBigUint64(0, BigInt(`0x${word}`));
    return ` (${view.getFloat64(0)})`;
  }

  function showFirst(first, place) {
    const facts = [
      ['Where', place],
      ['Checkpoint', first.checkpoint],
      ['Expected', first.expected + decimal(first.expected)],
      ['Got', first.got + decimal(first.got)],
    ];
    byId('first-facts').replaceChildren(...facts.map(([term, text]) => {
      const fact = document.createElement('div');
      fact.append(document.createElement('dt'), document.createElement('dd'));
      fact.children[0].textContent = term;
      fact.children[1].textContent = text;
      return fact;
    }));
    byId('first').hidden = false;
  }

  function showFunctions(functions) {
    const body = byId('functions').querySelector('tbody');
    body.replaceChildren();
    for (const [name, distances] of Object.entries(functions)) {
      const [right, one, two] = [0, 1, 2].map((ulps) => distances[ulps] ?? 0);
      const all = Object.values(distances).reduce((sum, count) => sum + count, 0);
      const row = body.insertRow();
      const heading = document.createElement('th');
      heading.scope = 'row';
      heading.textContent = name;
      row.append(heading);
      const share = `${(100 * (all - right) / all).toFixed(1)} %`;
      for (const text of [number(right), number(one), number(two), number(all - right - one - two), share]) {
        const cell = row.insertCell();
        cell.className = 'n';
        cell.textContent = text;
      }
    }
    byId('functions').hidden = false;
  }

  /** Runs all levels. Returns the sums, the levels that agree, the first divergence and the distances by function. */
  async function runAll(kind, long) {
    const total = empty();
    const functions = {};
    let agreeing = 0;
    let first = null;
    const worker = startWorker();
    try {
      for (const row of levels) {
        tag(row, 'part', 'running');
        const urls = [row.dataset.usual, ...(long && row.dataset.long ? [row.dataset.long] : [])];
        const cases = (await Promise.all(urls.map(casesOf))).flat();
        const sums = empty();
        await ask(worker, Number(row.dataset.level), cases, kind, (found) => {
          add(sums, found);
          add(total, found);
          first ??= found.first && { ...found.first, place: `level ${found.level}, ${row.cells[1].textContent}, case ${found.name}` };
          for (const [name, distances] of Object.entries(found.functions)) {
            functions[name] ??= {};
            for (const [ulps, count] of Object.entries(distances)) functions[name][ulps] = (functions[name][ulps] ?? 0) + count;
          }
          show(row, sums, cases.length);
        });
        agreeing += sums.different === 0 ? 1 : 0;
        tag(row, sums.different === 0 ? 'ok' : 'bad', sums.different === 0 ? '✓ bit-exact' : '≠ disagrees');
      }
    } finally {
      worker.terminate();
    }
    return { total, agreeing, first, functions };
  }

  function sentence({ total, agreeing }, kind) {
    if (agreeing === levels.length) {
      return `Your browser is bit-exact: ${agreeing} of ${levels.length} levels, ${number(total.values)} lines, ${total.seconds.toFixed(1)} s.`;
    }
    const whose = kind === 'exact' ? 'Your browser' : "With its own Math, your browser";
    return `${whose} differs in ${number(total.different)} of ${number(total.values)} lines; ${agreeing} of ${levels.length} levels agree.`;
  }

  function report(found, kind) {
    const { total, agreeing, first } = found;
    return [
      `microgpt conformance, in a browser: ${agreeing === levels.length ? 'bit-exact' : 'not bit-exact'}, ${agreeing}/${levels.length} levels`,
      `functions: ${kind === 'exact' ? 'correctly rounded' : "the browser's own Math"}`,
      `${number(total.cases)} cases, ${number(total.values)} lines, ${number(total.different)} differ, ${total.seconds.toFixed(1)} s`,
      first === null ? 'no divergence' : `first divergence: ${first.place}, ${first.checkpoint}: expected ${first.expected}, got ${first.got}`,
      `browser: ${navigator.userAgent}`,
      `suite: ${byId('report').dataset.suite}`,
    ].join('\n');
  }

  function say(text, state) {
    byId('verdict').textContent = text;
    byId('verdict').dataset.state = state;
  }

  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    const kind = new FormData(form).get('kind');
    byId('run').disabled = true;
    for (const id of ['first', 'functions', 'result']) byId(id).hidden = true;
    for (const row of levels) {
      tag(row, 'todo', 'not yet');
      for (let i = 3; i < row.cells.length; i++) row.cells[i].textContent = '';
    }
    say('Running ...', '');
    try {
      const found = await runAll(kind, byId('long').checked);
      say(sentence(found, kind), found.agreeing === levels.length ? 'ok' : 'bad');
      if (found.first !== null) showFirst(found.first, found.first.place);
      if (kind === 'native') showFunctions(found.functions);
      byId('report').value = report(found, kind);
      byId('result').hidden = false;
    } catch (error) {
      say(`It did not run to its end: ${error.message}.`, 'bad');
    }
    byId('run').disabled = false;
  });

  byId('copy').addEventListener('click', async () => {
    const text = byId('report');
    try {
      await navigator.clipboard.writeText(text.value);
    } catch {
      text.select();
      document.execCommand('copy');
    }
    byId('copied').textContent = 'Copied.';
  });

  if (typeof DecompressionStream === 'undefined') say('This browser is too old to unpack the golden traces.', 'bad');
  else form.hidden = false;
})();
