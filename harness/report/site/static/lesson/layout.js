/**
 * Where the nodes of a graph are drawn: in layers, children before parents (after Sugiyama, Tagawa and Toda, 1981).
 * reference/app/layout.py is the same for the terminal, number for number.
 */

const SWEEPS = 12;
const THIN = 0.35; // the width of an edge that passes a layer, where that of a node is 1

/**
 * `children[i]` lists the nodes below node i; all of them come before it. Returns { places, edges, layers, width }:
 * [layer, position] of each node, positions in widths of a node, and for each child of each node, in order, the places that its edge passes,
 * from the child to the parent.
 */
export function layout(children) {
  const layer = layersOf(children);
  const layers = Array.from({ length: Math.max(...layer) + 1 }, () => []);
  const below = children.map(() => []);
  const above = children.map(() => []);
  const places = children.map((_, i) => [layer[i], 0]);
  const add = (level) => {
    layers[level].push(places.length);
    places.push([level, 0]);
    below.push([]);
    above.push([]);
    return places.length - 1;
  };
  const join = (low, high) => {
    above[low].push(high);
    below[high].push(low);
  };
  for (const [i, level] of layer.entries()) layers[level].push(i);
  const paths = [];
  for (const [i, list] of children.entries()) {
    for (const child of list) {
      const path = [child];
      for (let level = layer[child] + 1; level < layer[i]; level++) path.push(add(level));
      path.push(i);
      for (let at = 1; at < path.length; at++) join(path[at - 1], path[at]);
      paths.push(path);
    }
  }
  order(layers, below, above);
  const width = (i) => (i < children.length ? 1 : THIN);
  place(layers, below, above, places, width);
  const edges = paths.map((path) => path.map((i) => places[i]));
  return { places: places.slice(0, children.length), edges, layers: layers.length, width: Math.max(...places.map(([, y]) => y)) + 1 };
}

/** As early as the children allow; what has no children stands just before its first parent. */
function layersOf(children) {
  const layer = [];
  for (const [i, list] of children.entries()) layer[i] = list.reduce((most, child) => Math.max(most, layer[child] + 1), 0);
  const first = children.map(() => Infinity);
  for (const [i, list] of children.entries()) for (const child of list) first[child] = Math.min(first[child], layer[i]);
  return layer.map((level, i) => (children[i].length === 0 && first[i] < Infinity ? first[i] - 1 : level));
}

/** Sorts each layer by the means of its neighbours' positions, up and down; the order with the fewest crossings stays. */
function order(layers, below, above) {
  const at = [];
  const number = () => layers.forEach((list) => list.forEach((i, position) => { at[i] = position; }));
  number();
  let [best, fewest] = [layers.map((list) => [...list]), crossings(layers, below, at)];
  for (let sweep = 0; sweep < SWEEPS && fewest > 0; sweep++) {
    const neighbours = sweep % 2 === 0 ? below : above;
    for (const list of sweep % 2 === 0 ? layers : [...layers].reverse()) {
      const key = new Map(list.map((i) => [i, mean(neighbours[i].map((j) => at[j]), at[i])]));
      list.sort((i, j) => key.get(i) - key.get(j) || at[i] - at[j]);
      list.forEach((i, position) => { at[i] = position; });
    }
    const found = crossings(layers, below, at);
    if (found < fewest) [best, fewest] = [layers.map((list) => [...list]), found];
  }
  best.forEach((list, level) => { layers[level] = list; });
}

const mean = (list, otherwise) => (list.length === 0 ? otherwise : list.reduce((sum, x) => sum + x, 0) / list.length);

function crossings(layers, below, at) {
  let count = 0;
  for (const list of layers) {
    const edges = list.flatMap((i) => below[i].map((j) => [at[i], at[j]]));
    for (const [k, [a, b]] of edges.entries()) for (const [c, d] of edges.slice(k + 1)) if ((a - c) * (b - d) < 0) count += 1;
  }
  return count;
}

/** Moves each node to the mean of its neighbours, as near as the order and the widths allow. */
function place(layers, below, above, places, width) {
  for (const list of layers) spread(list, list.map((_, position) => position), places, width);
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    const neighbours = sweep === SWEEPS - 1 ? below.map((list, i) => [...list, ...above[i]]) : sweep % 2 === 0 ? below : above;
    for (const list of sweep % 2 === 0 ? layers : [...layers].reverse()) {
      spread(list, list.map((i) => mean(neighbours[i].map((j) => places[j][1]), places[i][1])), places, width);
    }
  }
  const least = Math.min(...places.map(([, y]) => y));
  for (const spot of places) spot[1] -= least;
}

/** The positions nearest to the wished ones, by least squares, that keep the order: neighbours pool their wishes. */
function spread(list, wishes, places, width) {
  const pools = []; // [sum of wishes, how many]
  let offset = 0;
  const offsets = list.map((i, k) => (k === 0 ? 0 : (offset += (width(list[k - 1]) + width(i)) / 2)));
  for (const [k, wish] of wishes.entries()) {
    pools.push([wish - offsets[k], 1]);
    while (pools.length > 1 && pools.at(-2)[0] / pools.at(-2)[1] > pools.at(-1)[0] / pools.at(-1)[1]) {
      const [sum, count] = pools.pop();
      pools.at(-1)[0] += sum;
      pools.at(-1)[1] += count;
    }
  }
  let k = 0;
  for (const [sum, count] of pools) for (let i = 0; i < count; i++, k++) places[list[k]][1] = sum / count + offsets[k];
}
