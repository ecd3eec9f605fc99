// Where in a JSON text a value stands, so that an error at `/messages/3/to` can be shown in its line, and the
// text laid out anew. It keeps every number and string as written: JSON.parse would round a long id.

class Broken extends Error {
  constructor(at, sentence) {
    super(sentence);
    this.at = at;
  }
}

class Reader {
  constructor(text) {
    this.text = text;
    this.at = 0;
    this.places = new Map();
  }

  space() {
    while (/[ \t\r\n]/.test(this.text[this.at] ?? '')) this.at += 1;
  }

  take(character) {
    if (this.text[this.at] !== character) {
      const found = this.at < this.text.length ? JSON.stringify(this.text[this.at]) : 'the end';
      throw new Broken(this.at, `expected ${JSON.stringify(character)}, found ${found}`);
    }
    this.at += 1;
  }

  string() {
    const start = this.at;
    this.take('"');
    for (;;) {
      const character = this.text[this.at];
      if (character === undefined || character === '\n') throw new Broken(start, 'a string that does not end');
      this.at += character === '\\' ? 2 : 1;
      if (character === '"') break;
    }
    try {
      return JSON.parse(this.text.slice(start, this.at));
    } catch {
      throw new Broken(start, 'a string with an escape or a control character that JSON does not allow');
    }
  }

  scalar() {
    const start = this.at;
    while (/[^\s,\]}]/.test(this.text[this.at] ?? ' ')) this.at += 1;
    const word = this.text.slice(start, this.at);
    try {
      JSON.parse(word);
    } catch {
      throw new Broken(start, word === '' ? 'expected a value' : `${word} is no value of JSON`);
    }
    return { written: word };
  }

  members(pointer, close, one) {
    this.at += 1;
    this.space();
    if (this.text[this.at] === close) {
      this.at += 1;
      return;
    }
    for (let index = 0; ; index += 1) {
      this.space();
      one(pointer, index);
      this.space();
      if (this.text[this.at] === close) break;
      this.take(',');
    }
    this.at += 1;
  }

  value(pointer, from = null) {
    this.space();
    const start = from ?? this.at;
    const begins = this.text[this.at];
    let node;
    if (begins === '{') {
      node = { open: '{', close: '}', parts: [] };
      this.members(pointer, '}', () => {
        const key = this.at;
        const name = this.string().replaceAll('~', '~0').replaceAll('/', '~1');
        const written = this.text.slice(key, this.at);
        this.space();
        this.take(':');
        node.parts.push({ key: `${written}: `, value: this.value(`${pointer}/${name}`, key) });
      });
    } else if (begins === '[') {
      node = { open: '[', close: ']', parts: [] };
      this.members(pointer, ']', (_, index) => {
        node.parts.push({ key: '', value: this.value(`${pointer}/${index}`) });
      });
    } else if (begins === '"') {
      const written = this.at;
      this.string();
      node = { written: this.text.slice(written, this.at) };
    } else {
      node = this.scalar();
    }
    this.places.set(pointer, { start, end: this.at });
    return node;
  }
}

/** How wide a value may be that stands on one line. */
const WIDTH = 76;

const flat = (node) => (node.written !== undefined
  ? node.written
  : `${node.open}${node.parts.map((part) => part.key + flat(part.value)).join(', ')}${node.close}`);

function laid(node, indent, taken) {
  const line = flat(node);
  const long = node.parts?.length > 0 && (indent === '' || indent.length + taken + line.length > WIDTH);
  if (!long) return line;
  const deeper = `${indent}  `;
  const parts = node.parts.map((part) => deeper + part.key + laid(part.value, deeper, part.key.length));
  return `${node.open}\n${parts.join(',\n')}\n${indent}${node.close}`;
}

/** A JSON text with what is short on one line; broken text stays as it is. */
export function tidy(text) {
  const reader = new Reader(text);
  try {
    return laid(reader.value(''), '', 0);
  } catch (error) {
    if (!(error instanceof Broken)) throw error;
    return text;
  }
}

/** Where every value of a JSON text stands; of a broken one also what is wrong and where. */
export function places(text) {
  // Asked with every key that is pressed: whether all is well the browser says much faster, where things stand is
  // looked up once somebody wants to know.
  try { JSON.parse(text); } catch { return walked(text); }
  let found = null;
  return { broken: null, get places() { found ??= walked(text).places; return found; } };
}

function walked(text) {
  const reader = new Reader(text);
  try {
    reader.value('');
    reader.space();
    if (reader.at < text.length) throw new Broken(reader.at, 'something follows the end of the value');
    return { places: reader.places, broken: null };
  } catch (error) {
    if (!(error instanceof Broken)) throw error;
    const at = Math.min(error.at, text.length);
    return { places: reader.places, broken: { at, line: lineOf(text, at), detail: error.message } };
  }
}

/** The place of a pointer, or of the nearest thing around it that is there: a missing field has none. */
export function nearest(found, pointer) {
  let path = pointer;
  for (;;) {
    const place = found.get(path);
    if (place !== undefined) return place;
    if (path === '') return null;
    path = path.slice(0, path.lastIndexOf('/'));
  }
}

/** The line of an offset, counted from 1. */
export function lineOf(text, at) {
  let line = 1;
  for (let index = text.indexOf('\n'); index !== -1 && index < at; index = text.indexOf('\n', index + 1)) line += 1;
  return line;
}
