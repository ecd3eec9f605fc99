// The batches that the caller may see, newest first, by state, app and label.

import { html, useEffect, useRef } from '../lib.js';
import { useApi } from '../api.js';
import { Link, navigate } from '../router.js';
import { number } from '../format.js';
import { Badge, Empty, Field, Loading, Pager, Problem, Table, Time, usePages } from '../parts.js';
import { Progress } from '../progress.js';

const STATES = ['receiving', 'scheduled', 'queued', 'sending', 'paused', 'settled', 'cancelled'];
const PAGE = 50;

function Filters({ query, session }) {
  const form = useRef(null);
  const apply = (event) => {
    event?.preventDefault();
    navigate('/batches', Object.fromEntries(new FormData(form.current)));
  };
  // Going back or to a link without filters writes them as they are.
  useEffect(() => {
    for (const name of ['state', 'app', 'label']) if (form.current.elements[name]) form.current.elements[name].value = query[name] ?? '';
  }, [query.state, query.app, query.label]);
  const filtered = query.state || query.app || query.label;
  return html`<form class="filters" ref=${form} onSubmit=${apply} role="search" aria-label="Batches">
    <${Field} label="State" control=${(id) => html`<select id=${id} name="state" onChange=${apply}><option value="">any</option>${STATES.map((state) => html`<option key=${state} value=${state}>${state}</option>`)}</select>`} />
    ${session.may.includes('admin') && html`<${Field} label="App" control=${(id) => html`<input id=${id} name="app" placeholder="any" autocomplete="off" spellcheck="false" />`} />`}
    <${Field} label="Label" control=${(id) => html`<input id=${id} name="label" placeholder="campaign=autumn" autocomplete="off" spellcheck="false" />`} />
    <div class="actions"><button type="submit">Filter</button>${filtered && html`<${Link} to="/batches" class="button">Clear<//>`}</div>
  </form>`;
}

const COLUMNS = [
  { key: 'id', label: 'Batch', head: true, cell: (batch) => html`<div><${Link} to=${`/batches/${batch.id}`}><code>${batch.id}</code><//><${Labels} batch=${batch} /></div>` },
  { key: 'state', label: 'State', cell: (batch) => html`<${Badge} word=${batch.state} />` },
  { key: 'progress', label: 'Progress', wide: true, cell: (batch) => html`<${Progress} counts=${batch.counts} />` },
  { key: 'total', label: 'Messages', number: true, cell: (batch) => number(batch.counts.total) },
  { key: 'failed', label: 'Not accepted', number: true, cell: (batch) => { const lost = batch.counts.rejected + batch.counts.unknown + batch.counts.expired + batch.counts.cancelled; return lost ? number(lost) : html`<span class="muted">0</span>`; } },
  { key: 'app', label: 'App', cell: (batch) => batch.app },
  { key: 'created', label: 'Handed over', cell: (batch) => html`<span class="nowrap"><${Time} at=${batch.created_at} /></span>` },
];

function Labels({ batch }) {
  const labels = Object.entries(batch.labels ?? {});
  if (!labels.length && !batch.redriven_from) return null;
  return html`<div class="labels">${labels.map(([name, value]) => html`<${Link} key=${name} class="label" to="/batches" query=${{ label: `${name}=${value}` }}>${name}=${value}<//>`)}
    ${batch.redriven_from && html`<span class="label">redriven</span>`}</div>`;
}

export default function Batches({ query, session }) {
  const asked = { state: query.state, app: query.app, label: query.label };
  const pages = usePages(JSON.stringify(asked), PAGE);
  const { cursor } = pages;
  const { value, error, loading, reload } = useApi('/v1/batches', { query: { ...asked, cursor, limit: PAGE }, every: cursor ? undefined : 3_000 });
  const filtered = Object.values(asked).some(Boolean);
  const empty = filtered
    ? html`<${Empty} title="No batch fits these filters"><p><${Link} to="/batches">Show all batches<//></p><//>`
    : html`<${Empty} title="No batches yet"><p>${session.may.includes('send') ? html`Write one in the <${Link} to="/playground">playground<//>, or send` : 'Send'} a file: <code>interline send FILE</code>.</p><p>Settled batches are kept for <code>ledger.retention</code>.</p><//>`;
  return html`<div class="head"><h1>Batches</h1>${session.may.includes('send') && html`<${Link} class="button" to="/playground">New batch<//>`}</div>
    <${Filters} query=${query} session=${session} />
    ${error && html`<${Problem} title="The batches cannot be read" error=${error} retry=${reload} />`}
    ${!value && !error && html`<${Loading} />`}
    ${value && html`<${Table} caption="Batches" hideCaption columns=${COLUMNS} rows=${value.batches} empty=${empty} busy=${loading} />`}
    <${Pager} what="batches" pages=${pages} shown=${value?.batches.length} next=${value?.next_cursor} />`;
}
