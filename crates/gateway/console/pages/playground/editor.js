// The text of a batch with its line numbers; lines with errors are marked, and an error can be jumped to.

import { html, useEffect, useRef } from '../../lib.js';
import { lineOf } from './pointer.js';

/** So many lines are marked at most. */
const MOST = 1_000;

/** `1`, `2`, … below each other, as one text: a pasted file may have very many lines. */
const numbers = (lines) => Array.from({ length: lines }, (_, at) => at + 1).join('\n');

/** A field for JSON. `marks` are line numbers with an error; `jump` in `handle` selects a place. */
export function Editor({ id, describedBy, value, marks, invalid, onInput, onSubmit, handle }) {
  const area = useRef(null);
  const gutter = useRef(null);
  const lines = value.split('\n').length;
  const follow = () => { gutter.current.scrollTop = area.current.scrollTop; };
  useEffect(follow, [lines]);
  handle.current = ({ start, end }) => {
    const field = area.current;
    field.focus();
    field.setSelectionRange(start, end);
    const height = field.scrollHeight / lines;
    field.scrollTop = Math.max(0, (lineOf(value, start) - 4) * height);
    follow();
  };
  const key = (event) => {
    if (event.key !== 'Enter' || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    onSubmit();
  };
  return html`<div class="editor">
    <div class="gutter" aria-hidden="true" ref=${gutter}>
      <pre>${numbers(lines)}</pre>${[...marks].slice(0, MOST).map((line) => html`<div key=${line} class="marked" style=${{ top: `calc(8px + ${line - 1} * 1lh)` }}>${line}</div>`)}
    </div>
    <textarea id=${id} ref=${area} rows=${Math.min(28, Math.max(14, lines + 1))} spellcheck=${false} autocomplete="off" autocapitalize="off"
      wrap="off" aria-describedby=${describedBy} aria-invalid=${invalid} value=${value}
      onInput=${(event) => onInput(event.target.value)} onScroll=${follow} onKeyDown=${key}></textarea>
  </div>`;
}
