/** A number with its neighbours as a picture: what it was made from on the left, what it goes into on the right. */

const MOST = 8; // neighbours on a side
const [LINE, TOP] = [26, 24]; // pixels
const SPACE = 'http://www.w3.org/2000/svg';

function svg(name, attributes, text) {
  const made = document.createElementNS(SPACE, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

/**
 * Fills `holder`. A neighbour is { name, sent, has }: how much gradient its edge carries, and whether that has flowed.
 */
export function fan(holder, name, children, users) {
  const rows = Math.min(MOST + 1, Math.max(children.length, users.length, 1));
  const [width, height] = [holder.clientWidth, 2 * TOP + rows * LINE];
  const narrow = width < 560;
  const [middle, side] = [width / 2, narrow ? width * 0.36 : width * 0.3];
  const picture = svg('svg', { width, height, viewBox: `0 0 ${width} ${height}`, class: 'fan', 'aria-hidden': 'true' });
  const greatest = Math.max(...[...children, ...users].map(({ sent }) => Math.abs(sent)), Number.MIN_VALUE);
  const draw = (all, x, anchor, from) => {
    const shown = all.slice(0, MOST);
    const count = shown.length + (all.length > MOST ? 1 : 0);
    const y = (i) => height / 2 + (i - (count - 1) / 2) * LINE;
    shown.forEach((one, i) => {
      const half = (x + from) / 2;
      picture.append(
        svg('path', {
          d: `M${x},${y(i)} C${half},${y(i)} ${half},${height / 2} ${from},${height / 2}`,
          class: one.has ? 'edge flowed' : 'edge',
          'stroke-width': 0.75 + 4 * Math.sqrt(Math.abs(one.sent) / greatest),
        }),
        svg('text', { x: x + (anchor === 'end' ? -6 : 6), y: y(i) + 4, 'text-anchor': anchor }, narrow ? one.name.replace(/^pos\d+\./, '') : one.name),
      );
    });
    if (all.length > MOST) picture.append(svg('text', { x: x + (anchor === 'end' ? -6 : 6), y: y(count - 1) + 4, 'text-anchor': anchor, class: 'value' }, `and ${all.length - MOST} more`));
  };
  draw(children, side, 'end', middle - 8);
  draw(users, width - side, 'start', middle + 8);
  picture.append(svg('circle', { cx: middle, cy: height / 2, r: 8, class: 'node' }), svg('text', { x: middle, y: 13, 'text-anchor': 'middle' }, name));
  holder.replaceChildren(picture);
}
