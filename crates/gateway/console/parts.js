// What pages are made of: badges, numbers, times, tables, dialogs, messages. None of them asks the API.

import { html, useCallback, useEffect, useId, useLayoutEffect, useRef, useState } from './lib.js';
import { ago, local, number, words } from './format.js';

/** Which tone a word of the API is shown in. */
const TONES = {
  accepted: 'good', ready: 'good', closed: 'good', settled: 'good', live: 'good', done: 'good', enabled: 'good',
  sending: 'busy', receiving: 'busy', queued: 'busy', ramp: 'busy', shadow: 'busy', both: 'busy', restarting: 'busy',
  unknown: 'warn', paused: 'warn', half_open: 'warn', waiting: 'warn', draining: 'warn', lost: 'warn', failing: 'warn',
  rejected: 'bad', open: 'bad', disabled: 'bad', rolled_back: 'bad',
  cancelled: 'calm', expired: 'calm', scheduled: 'calm', off: 'calm', connecting: 'calm', ended: 'calm',
};

/** A word in its tone; never by colour alone. */
export function Badge({ word, tone, title, children }) {
  return html`<span class="badge ${tone ?? TONES[word] ?? 'calm'}" title=${title}>${children ?? words(word)}</span>`;
}

/** A number with separators. */
export const Num = ({ value }) => html`<span class="num">${number(value)}</span>`;

/** Ticks every second, for ages. */
export function useNow(every = 1_000) {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), every);
    return () => clearInterval(timer);
  }, [every]);
  return now;
}

/** A point in time: its age, with local time and ISO on hover; `full` writes the local time itself. */
export function Time({ at, full = false }) {
  const now = useNow(full ? 60_000 : 1_000);
  if (!at) return html`<span class="muted">–</span>`;
  const text = full ? local(at) : ago(now - Date.parse(at));
  return html`<time datetime=${at} title=${`${local(at)} · ${at}`}>${text}</time>`;
}

/** What can be done about an error, by its code. */
const ADVICE = {
  unauthorized: 'Sign in again with a key of an app.',
  forbidden: 'Sign in with a key whose app may do this (`may` in its [[apps]]).',
  not_found: 'It may have been deleted by retention, or belongs to another app.',
  conflict: 'Something changed meanwhile: look at the state above and try again.',
  busy: 'Too much waits already. Try again when some of it has been sent.',
  rate_limited: 'Try again after the time that is named.',
  unavailable: 'The ledger cannot take anything just now. Nothing was changed; try again.',
  internal: 'The log of the server says what went wrong.',
};

/** An error of the API: code, detail, places, and what to do: `advice`, where the code alone does not say it. */
export function Problem({ error, retry, title = 'This did not work', advice }) {
  if (!error) return null;
  const errors = error.errors ?? [];
  const next = error.again ? 'This page tries again by itself.' : advice ?? ADVICE[error.code];
  return html`<div class="problem" role="alert">
    <p><strong>${title}</strong> <code>${error.code ?? 'error'}</code></p>
    <p>${error.detail || error.message}</p>
    ${errors.length > 0 && html`<ul>${errors.slice(0, 20).map((one) => html`<li key=${one.path + one.detail}><code>${one.path || '/'}</code> ${one.detail}</li>`)}
      ${error.total > 20 && html`<li>and ${number(error.total - 20)} more</li>`}</ul>`}
    ${error.retryAfter && html`<p>Try again in ${error.retryAfter} s.</p>`}
    ${next && html`<p class="muted">${next}</p>`}
    ${retry && html`<button type="button" onClick=${retry}>Try again</button>`}
  </div>`;
}

/** Nothing is here: says why and what to do. */
export const Empty = ({ title, children }) => html`<div class="empty"><p><strong>${title}</strong></p>${children && html`<div>${children}</div>`}</div>`;

/** A line of light while something is fetched for the first time. */
export const Loading = ({ what = 'Loading' }) => html`<p class="loading" role="status">${what}…</p>`;

/**
 * A table with caption and scopes; on a phone each row is a card. `columns`: `{ key, label, cell(row), number,
 * head, wide }`; `head` marks the cell that names the row, `wide` takes a card's whole width.
 */
export function Table({ caption, columns, rows, rowKey = (row) => row.id, empty, hideCaption = false, busy = false }) {
  if (rows.length === 0 && empty) return empty;
  return html`<div class="table" tabindex="0" role="group" aria-label=${caption}><table aria-busy=${busy}>
    <caption class=${hideCaption ? 'hidden' : ''}>${caption}</caption>
    <thead><tr>${columns.map((column) => html`<th key=${column.key} scope="col" class=${column.number ? 'number' : ''}>${column.label}</th>`)}</tr></thead>
    <tbody>${rows.map((row) => html`<tr key=${rowKey(row)}>${columns.map((column) => {
      const tag = column.head ? 'th' : 'td';
      const classes = [column.number && 'number', column.wide && 'wide'].filter(Boolean).join(' ');
      return html`<${tag} key=${column.key} scope=${column.head ? 'row' : undefined} class=${classes} data-label=${column.label}>${column.cell(row)}</${tag}>`;
    })}</tr>`)}</tbody>
  </table></div>`;
}

/** Gives the focus back to what had it; where that is gone, to the page, so that it is never nowhere. */
function refocus(before) {
  const lost = !document.activeElement || document.activeElement === document.body;
  if (lost) (before?.isConnected ? before : document.getElementById('main'))?.focus({ preventScroll: true });
}

/**
 * A modal dialog. `onClose` is called by Escape, by the backdrop and by its own button, and may leave it as it is;
 * focus returns to where it was. Render it only while it is open.
 */
export function Dialog({ title, onClose, children, actions, wide = false }) {
  const dialog = useRef(null);
  const held = useRef(null);
  const name = useId();
  useLayoutEffect(() => {
    const before = document.activeElement;
    const element = dialog.current;
    element.showModal();
    return () => { element.close(); if (before?.isConnected) before.focus(); requestAnimationFrame(() => refocus(before)); };
  }, []);
  // A browser lets a page refuse a few times, then it closes all the same: what is still drawn is opened again.
  const closed = () => {
    const at = held.current;
    if (!dialog.current || dialog.current.open) return;
    dialog.current.showModal();
    if (at?.isConnected) at.focus();
    onClose();
  };
  return html`<dialog ref=${dialog} class=${wide ? 'wide' : ''} aria-labelledby=${name} onClose=${closed}
      onCancel=${(event) => { event.preventDefault(); onClose(); }} onFocusCapture=${(event) => { held.current = event.target; }}
      onMouseDown=${(event) => { if (event.target === dialog.current) onClose(); }}>
    <div class="dialog">
      <header><h2 id=${name}>${title}</h2><button type="button" class="quiet" aria-label="Close" onClick=${onClose}>✕</button></header>
      <div class="body">${children}</div>
      ${actions && html`<footer>${actions}</footer>`}
    </div>
  </dialog>`;
}

/** What is said of an order whose answer did not come. */
const UNSURE = {
  title: 'Whether this worked is not known',
  advice: 'It may have been done all the same: look at what stands behind this before you try again.',
};

/**
 * Asks before something is done. Buttons stay enabled meanwhile: one that is disabled loses the focus. `run` does it (its promise is waited for, its error shown); `onDone(value)` is
 * called afterwards. `tone` is `bad` for what cannot be taken back.
 */
export function Confirm({ title, action, tone = 'primary', run, onDone, onClose, children, disabled = false }) {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState(null);
  const working = useRef(false);
  const go = async () => {
    if (working.current || disabled) return;
    working.current = true;
    setBusy(true);
    setError(null);
    try {
      onDone(await run());
    } catch (problem) {
      setError(problem);
      setBusy(false);
    }
    working.current = false;
  };
  // What is under way cannot be called back: the dialog stays until it is known what became of it.
  const close = () => { if (!working.current) onClose(); };
  const actions = html`<button type="button" onClick=${close} aria-disabled=${busy}>Keep as it is</button>
    <button type="button" class=${tone} onClick=${go} aria-disabled=${busy || disabled}>${busy ? 'Working…' : action}</button>`;
  const said = error?.status === 0 ? UNSURE : {};
  return html`<${Dialog} title=${title} onClose=${close} actions=${actions}>${children}<${Problem} error=${error} ...${said} /></${Dialog}>`;
}

const toasts = { list: [], listeners: new Set(), next: 1 };
const tell = () => toasts.listeners.forEach((listener) => listener([...toasts.list]));
const drop = (id) => { toasts.list = toasts.list.filter((one) => one.id !== id); tell(); };

/** Says what happened, for a while. `content` is text or elements. */
export function toast(content, tone = 'good') {
  const one = { id: toasts.next++, content, tone };
  toasts.list = [...toasts.list.slice(-2), one];
  tell();
  setTimeout(() => drop(one.id), 8_000);
}

/** Where toasts appear; stands once in the shell. */
export function Toasts() {
  const [list, setList] = useState([]);
  useEffect(() => { toasts.listeners.add(setList); return () => toasts.listeners.delete(setList); }, []);
  return html`<div class="toasts" role="status" aria-live="polite">${list.map((one) => html`<div key=${one.id} class="toast ${one.tone}">
    <div>${one.content}</div><button type="button" class="quiet" aria-label="Dismiss" onClick=${() => drop(one.id)}>✕</button></div>`)}</div>`;
}

/** A button that copies a text; `what` says to a screen reader which. */
export function Copy({ text, label = 'Copy', what }) {
  const [copied, setCopied] = useState(false);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      setCopied(true);
      setTimeout(() => setCopied(false), 2_000);
    } catch {
      toast('Copying is not allowed here: select the text instead.', 'warn');
    }
  };
  return html`<button type="button" class="small" onClick=${copy}>${copied ? 'Copied' : label}${what && html`<span class="hidden"> ${what}</span>`}</button>`;
}

/** Text to take along, with a button that copies it. */
export const Code = ({ text, label, lines = true }) => html`<div class="code"><pre tabindex="0" class=${lines ? '' : 'oneline'}><code>${text}</code></pre><${Copy} text=${text} label=${label} /></div>`;

/** Characters that are not seen or turn others round, as in a name that is made to look like another one. */
const UNSEEN = /([\u0000-\u001F\u007F-\u009F\u00AD\u061C\u200B\u200E\u200F\u202A-\u202E\u2060\u2066-\u2069\uFEFF])/;

const point = (character) => `U+${character.codePointAt(0).toString(16).toUpperCase().padStart(4, '0')}`;

/** A name of somebody's own making: a short one stays whole, a long one breaks anywhere, and nothing in it hides. */
export const Id = ({ value }) => html`<code class=${value.length > 26 ? 'long' : 'nowrap'}>${value.split(UNSEEN).map((part, at) => (at % 2
  ? html`<span key=${at} class="unseen">${point(part)}</span>` : part))}</code>`;

/** A labelled input; `children` is the control, which gets the id by `control(id)`. */
export function Field({ label, hint, control }) {
  const id = useId();
  return html`<div class="field"><label for=${id}>${label}</label>${control(id, hint ? `${id}-hint` : undefined)}
    ${hint && html`<p class="hint" id=${`${id}-hint`}>${hint}</p>`}</div>`;
}

/** The pages of a list that is read by cursors: where one is and the way back. Another `of` begins anew. */
export function usePages(of, size) {
  const [state, setState] = useState({ of, cursors: [null] });
  const cursors = state.of === of ? state.cursors : [null];
  const go = useCallback((change) => setState({ of, cursors: change(cursors) }), [of, cursors]);
  return { size, cursor: cursors[cursors.length - 1], at: cursors.length - 1, go };
}

/**
 * Which rows are shown of how many, and the pages beside. Without `shown` a page is on its way: the button that
 * was pressed stays meanwhile, and the focus with it. So it is drawn beside the rows, not only where there are some.
 */
export function Pager({ pages, shown, next, total, what }) {
  const { at, size, go } = pages;
  const several = useRef(false);
  if (shown !== undefined) several.current = at > 0 || Boolean(next);
  if (!several.current) return null;
  const button = (label, allowed, change) => html`<button type="button" aria-disabled=${!allowed} onClick=${() => { if (allowed) go(change); }}>${label}</button>`;
  const rows = shown ? `${number(at * size + 1)} to ${number(at * size + shown)}${total ? ` of ${number(total)}` : ''}` : '';
  return html`<nav class="pager" aria-label=${`Pages of ${what}`}><span class="muted num" role="status">${rows}</span>
    ${button('Back to the start', at > 0, () => [null])}
    ${button('Previous', at > 0, (cursors) => cursors.slice(0, -1))}
    ${button('Next', Boolean(next), (cursors) => [...cursors, next])}
  </nav>`;
}

/** Whether a stream is live, in a word. */
export function Live({ state }) {
  const said = { live: 'live', connecting: 'connecting', lost: 'reconnecting', ended: 'ended' }[state] ?? state;
  return html`<span class="live ${state}" role="status"><span class="dot" aria-hidden="true"></span>${said}</span>`;
}

/** Said while a stream is lost: what is shown is from before. `at` is when it was last heard of. */
export const Lost = ({ state, at }) => state === 'lost' && html`<div class="notice warn" role="status"><p><strong>Reconnecting…</strong> The server does not answer.
  What is shown here ${at ? html`is from <${Time} at=${at} full /> and may` : 'may'} have changed since. This page goes on by itself.</p></div>`;

/** A number that is looked at: label above, value, and a note below. */
export function Stat({ label, value, note, tone }) {
  return html`<div class="stat ${tone ?? ''}"><dt>${label}</dt><dd>${value}${note && html`<span class="note">${note}</span>`}</dd></div>`;
}
