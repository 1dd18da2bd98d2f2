/** Workers, all from the text of one function; that of a second run may have lines of the port changed first. */

export function startWorker(changes = []) {
  const program = changes.reduce(changed, `(${trainWorker})();`);
  const url = URL.createObjectURL(new Blob([program], { type: 'text/javascript' }));
  const worker = new Worker(url);
  URL.revokeObjectURL(url);
  return worker;
}

function changed(program, [line, other]) {
  const parts = program.split(line);
  if (parts.length !== 2) throw new Error(`the port should have this line once and has it ${parts.length - 1} times: ${line}`);
  return parts.join(other);
}
