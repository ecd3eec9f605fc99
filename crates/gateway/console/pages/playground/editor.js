// The text of a batch with its line numbers; lines with errors are marked, and an error can be jumped to.

import { html, useEffect, useRef } from '../../lib.js';
import { lineOf } from './pointer.js';

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
      ${Array.from({ length: lines }, (_, at) => html`<div key=${at} class=${marks.has(at + 1) ? 'marked' : ''}>${at + 1}</div>`)}
    </div>
    <textarea id=${id} ref=${area} rows=${Math.min(28, Math.max(14, lines + 1))} spellcheck=${false} autocomplete="off" autocapitalize="off"
      wrap="off" aria-describedby=${describedBy} aria-invalid=${invalid} value=${value}
      onInput=${(event) => onInput(event.target.value)} onScroll=${follow} onKeyDown=${key}></textarea>
  </div>`;
}
