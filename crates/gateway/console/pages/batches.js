// All batches that one may see, newest first, by state, label and app; the first page follows what happens.

import { html, useEffect, useState } from '../lib.js';
import { useApi } from '../api.js';
import { Badge, Empty, Field, Loading, Num, Pager, Problem, Table, Time } from '../parts.js';
import { number, percent } from '../format.js';
import { Link, navigate } from '../router.js';

const STATES = ['receiving', 'scheduled', 'queued', 'sending', 'paused', 'settled', 'cancelled'];
const PAGE = 50;
const OUTCOMES = ['accepted', 'rejected', 'unknown', 'cancelled', 'expired', 'sending'];

/** What became of a batch's messages, as a bar and in words. */
function Progress({ counts }) {
  const said = OUTCOMES.filter((status) => counts[status] > 0).map((status) => `${number(counts[status])} ${status}`);
  if (counts.queued > 0) said.push(`${number(counts.queued)} queued`);
  return html`<div class="outcomes"><div class="bar" aria-hidden="true">${OUTCOMES.filter((status) => counts[status] > 0).map((status) => html`<span key=${status} class=${`${status} some`} style=${{ flexGrow: counts[status] }}></span>`)}${counts.queued > 0 && html`<span style=${{ flexGrow: counts.queued }}></span>`}</div>
    <div class="muted">${said.join(' · ') || 'no messages'}</div></div>`;
}

const labels = (row) => Object.entries(row.labels ?? {});

const columns = [
  { key: 'id', label: 'Batch', head: true, cell: (row) => html`<${Link} to=${`/batches/${row.id}`} title=${row.id}><code>${row.id.slice(0, 12)}…</code><span class="hidden"> ${row.id}</span><//>` },
  { key: 'state', label: 'State', cell: (row) => html`<${Badge} word=${row.state} />` },
  { key: 'total', label: 'Messages', number: true, cell: (row) => html`<${Num} value=${row.counts.total} />` },
  { key: 'outcomes', label: 'Outcomes', wide: true, cell: (row) => html`<${Progress} counts=${row.counts} />` },
  { key: 'accepted', label: 'Accepted', number: true, cell: (row) => percent(row.counts.accepted, row.counts.total) },
  { key: 'app', label: 'App', cell: (row) => row.app },
  { key: 'labels', label: 'Labels', cell: (row) => (labels(row).length === 0 ? html`<span class="muted">none</span>` : html`<span class="badges">${labels(row).map(([name, value]) => html`<${Link} key=${name} to="/batches" query=${{ label: `${name}=${value}` }} class="badge">${name}: ${value}<//>`)}</span>`) },
  { key: 'created', label: 'Created', cell: (row) => html`<${Time} at=${row.created_at} />` },
];

export default function Batches({ query, session }) {
  const [label, setLabel] = useState(query.label ?? '');
  const [app, setApp] = useState(query.app ?? '');
  useEffect(() => { setLabel(query.label ?? ''); setApp(query.app ?? ''); }, [query.label, query.app]);
  const { state, cursor } = query;
  const first = !cursor;
  const asked = useApi('/v1/batches', { query: { state, label: query.label, app: query.app, cursor, limit: PAGE }, every: first ? 2_000 : undefined });
  const go = (change) => navigate('/batches', { state, label: query.label, app: query.app, ...change });
  const rows = asked.value?.batches ?? [];
  const filtered = Boolean(state || query.label || query.app);
  return html`<div class="stack">
    <div class="head"><h1>Batches</h1></div>
    <form class="filters" role="search" onSubmit=${(event) => { event.preventDefault(); go({ label: label.trim(), app: app.trim() }); }}>
      <${Field} label="State" control=${(name) => html`<select id=${name} value=${state ?? ''} onChange=${(event) => go({ state: event.target.value })}><option value="">any</option>${STATES.map((one) => html`<option key=${one} value=${one}>${one}</option>`)}</select>`} />
      <${Field} label="Label" control=${(name) => html`<input id=${name} value=${label} placeholder="campaign=autumn" spellcheck="false" autocapitalize="off" onInput=${(event) => setLabel(event.target.value)} />`} />
      ${session.may.includes('admin') && html`<${Field} label="App" control=${(name) => html`<input id=${name} value=${app} placeholder="any" spellcheck="false" autocapitalize="off" onInput=${(event) => setApp(event.target.value)} />`} />`}
      <div class="actions"><button type="submit" class="primary">Filter</button>${filtered && html`<button type="button" onClick=${() => navigate('/batches')}>Clear</button>`}</div>
    </form>
    <${Problem} error=${asked.error} title="The batches cannot be read" retry=${asked.reload} />
    ${asked.value === null && asked.error === null && html`<${Loading} />`}
    ${asked.value !== null && rows.length === 0 && html`<${Empty} title=${filtered ? 'No such batch' : 'No batch yet'}>
      ${filtered ? 'None fits these filters.' : html`<${Link} to="/playground">Send one from the playground<//>, or by <code>POST /v1/batches</code>.`}<//>`}
    ${rows.length > 0 && html`<${Table} caption="Batches, newest first" hideCaption columns=${columns} rows=${rows} />`}
    <${Pager} first=${first} next=${asked.value?.next_cursor} onFirst=${() => go({})} onNext=${() => go({ cursor: asked.value.next_cursor })} what="batches" />
  </div>`;
}
