// "Did Alice get it?": what a recipient was sent, over all batches, newest first.

import { html, useEffect, useRef, useState } from '../lib.js';
import { useApi } from '../api.js';
import { Badge, Empty, Field, Loading, Problem, Table, Time } from '../parts.js';
import { count, duration } from '../format.js';
import { Link, navigate } from '../router.js';

const KINDS = ['user', 'group', 'room'];
const SPANS = [['', 'as long as anything is kept'], ['1h', 'the last hour'], ['24h', 'the last day'], ['7d', 'the last 7 days']];
/** More are not asked for: newest come first. */
const LIMIT = 100;

/** The kind and id of `user:alice`; what names no kind is a user. */
function split(to) {
  const at = to.indexOf(':');
  const kind = to.slice(0, at);
  return at > 0 && KINDS.includes(kind) ? [kind, to.slice(at + 1)] : ['user', to];
}

function Said({ row }) {
  if (row.error) {
    const { code, message, vendor_code: vendorCode, vendor_message: words } = row.error;
    return html`<div><code>${code}</code> ${message}${words && html`<div class="muted">the vendor’s words: ${vendorCode ? `${vendorCode} ` : ''}${words}</div>`}</div>`;
  }
  return html`<div>${row.may_be_duplicate && html`<${Badge} tone="warn">may be a duplicate<//> `}${row.losses.length > 0 && html`<span class="muted">lost: ${row.losses.join(', ')}</span>`}</div>`;
}

const columns = [
  { key: 'id', label: 'Message', head: true, cell: (row) => html`<div><code>${row.id}</code><div><${Link} to=${`/batches/${row.batch_id}`}>its batch<span class="hidden"> ${row.batch_id}</span><//></div></div>` },
  { key: 'status', label: 'Status', cell: (row) => html`<${Badge} word=${row.status} />` },
  { key: 'at', label: 'Last tried', cell: (row) => html`<${Time} at=${row.attempts.at(-1)?.at} full />` },
  { key: 'provider', label: 'Provider', cell: (row) => row.provider ?? '–' },
  { key: 'took', label: 'Took', number: true, cell: (row) => duration(row.attempts.at(-1)?.duration_ms) },
  { key: 'vendor', label: 'Vendor’s id', cell: (row) => (row.vendor_message_id ? html`<code>${row.vendor_message_id}</code>` : html`<span class="muted">none told</span>`) },
  { key: 'said', label: 'What was said', wide: true, cell: (row) => html`<${Said} row=${row} />` },
];

export default function Find({ query }) {
  const asked = query.to ?? '';
  const [kind, setKind] = useState(split(asked)[0]);
  const [id, setId] = useState(split(asked)[1]);
  const [since, setSince] = useState(query.since ?? '');
  const field = useRef(null);
  useEffect(() => {
    setKind(split(asked)[0]);
    setId(split(asked)[1]);
    setSince(query.since ?? '');
  }, [asked, query.since]);
  useEffect(() => { if (!asked) field.current?.focus(); }, []);
  const found = useApi(asked && '/v1/messages', { query: { to: asked, since: query.since, limit: LIMIT }, every: 5_000 });
  const submit = (event) => {
    event.preventDefault();
    if (id === '') return;
    // A whole recipient that was pasted says its own kind.
    const to = KINDS.some((one) => id.startsWith(`${one}:`)) ? id : `${kind}:${id}`;
    navigate('/find', { to, since });
    found.reload();
  };
  const rows = found.value?.messages ?? [];
  return html`<div class="stack">
    <div class="head"><h1>Find by recipient</h1></div>
    <form class="filters" role="search" onSubmit=${submit}>
      <${Field} label="Kind" control=${(name) => html`<select id=${name} value=${kind} onChange=${(event) => setKind(event.target.value)}>${KINDS.map((one) => html`<option key=${one} value=${one}>${one}</option>`)}</select>`} />
      <${Field} label="Recipient" control=${(name) => html`<input id=${name} ref=${field} value=${id} autocomplete="off" autocapitalize="off" spellcheck="false" placeholder="alice" onInput=${(event) => setId(event.target.value)} />`} />
      <${Field} label="Since" control=${(name) => html`<select id=${name} value=${since} onChange=${(event) => setSince(event.target.value)}>${SPANS.map(([value, label]) => html`<option key=${value} value=${value}>${label}</option>`)}</select>`} />
      <div class="actions"><button type="submit" class="primary">Find</button></div>
    </form>
    <${Problem} error=${found.error} title="This cannot be looked up" retry=${found.reload} />
    ${asked && found.value === null && found.error === null && html`<${Loading} what="Looking" />`}
    ${!asked && html`<${Empty} title="Did Alice get it?">Name a recipient: every message to them is shown, whatever batch it was in, with what the vendor said.<//>`}
    ${found.value !== null && rows.length === 0 && html`<${Empty} title=${`No message to ${asked}`}>None is kept for this span of time. Ids are compared letter by letter, and batches are kept for as long as <code>ledger.retention</code> says.<//>`}
    ${rows.length > 0 && html`<p role="status">${count(rows.length, 'message')} to <code>${asked}</code>${rows.length === LIMIT ? ', the newest' : ''}</p>
      <${Table} caption=${`Messages to ${asked}`} hideCaption columns=${columns} rows=${rows} rowKey=${(row) => `${row.batch_id}/${row.id}`} />`}
  </div>`;
}
