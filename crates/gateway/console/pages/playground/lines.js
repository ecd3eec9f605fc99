// NDJSON in the playground: the batch in the first line and a message in each further one become one batch of
// JSON. Lines are taken as they are written, so that no long number is rounded.

/** A line as an object; null where it is none. */
function read(line) {
  try {
    const value = JSON.parse(line);
    return value !== null && typeof value === 'object' && !Array.isArray(value) ? value : null;
  } catch {
    return null;
  }
}

/** The batch that a text of several lines is as NDJSON, with its messages counted; null where it is none. */
export function joined(text) {
  const lines = text.split('\n').map((line) => line.trim()).filter((line) => line !== '');
  if (lines.length < 2) return null;
  const [head, ...messages] = lines;
  const first = read(head);
  if (first === null || 'messages' in first || !messages.every((line) => read(line) !== null)) return null;
  const shared = head.slice(1, -1).trim();
  const batch = `{\n  ${shared}${shared === '' ? '' : ',\n  '}"messages": [\n    ${messages.join(',\n    ')}\n  ]\n}`;
  return { batch, messages: messages.length };
}
