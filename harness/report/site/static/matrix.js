/* The matrix on the first page: sorted by any column, filtered by words and verdict. Without it, it is a plain table. */

'use strict';

(() => {
  const table = document.getElementById('matrix');
  const body = table.tBodies[0];
  const rows = [...body.rows];
  const headings = [...table.tHead.rows[0].cells];

  /** Orders two cells; what is not known comes last either way. A level without a value is one that agrees whole. */
  function order(a, b, type, direction) {
    const [x, y] = [a.dataset.value ?? '1', b.dataset.value ?? '1'];
    if (x === '' || y === '') return (x === '') - (y === '');
    return direction * (type === 'number' ? Number(x) - Number(y) : x.localeCompare(y));
  }

  function sort(column) {
    const heading = headings[column];
    const descending = heading.getAttribute('aria-sort') === 'ascending';
    for (const other of headings) other.removeAttribute('aria-sort');
    heading.setAttribute('aria-sort', descending ? 'descending' : 'ascending');
    rows.sort((a, b) => order(a.cells[column], b.cells[column], heading.dataset.sort, descending ? -1 : 1));
    body.append(...rows);
  }

  headings.forEach((heading, column) => {
    const button = document.createElement('button');
    button.append(...heading.childNodes);
    button.title = `sort by ${button.textContent.trim()}`;
    button.addEventListener('click', () => sort(column));
    heading.append(button);
  });

  const family = headings.findIndex((heading) => heading.classList.contains('family'));
  const find = document.getElementById('find');
  const verdict = document.getElementById('verdict');

  function filter() {
    const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of rows) {
      const text = [row.cells[0].dataset.value, row.cells[0].textContent, row.cells[family].textContent].join(' ').toLowerCase();
      const fits = words.every((word) => text.includes(word));
      row.hidden = !fits || (verdict.value !== '' && row.dataset.outcome !== verdict.value);
      shown += row.hidden ? 0 : 1;
    }
    document.getElementById('shown').value = `${shown} of ${rows.length} ports`;
  }

  /** What is looked for stands in the address, so that it can be sent to somebody. */
  function remember() {
    const asked = new URLSearchParams();
    if (find.value) asked.set('find', find.value);
    if (verdict.value) asked.set('verdict', verdict.value);
    history.replaceState(null, '', asked.size ? `#${asked}` : location.pathname);
    filter();
  }

  function recall() {
    const asked = new URLSearchParams(location.hash.slice(1));
    if (location.hash && !asked.has('find') && !asked.has('verdict')) return;
    find.value = asked.get('find') ?? '';
    verdict.value = asked.get('verdict') ?? '';
    filter();
  }

  find.addEventListener('input', remember);
  verdict.addEventListener('change', remember);
  window.addEventListener('hashchange', recall);
  const form = document.getElementById('filters');
  form.addEventListener('submit', (event) => event.preventDefault());
  form.hidden = false;
  recall();
  filter();
})();
