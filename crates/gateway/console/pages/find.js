// "Did Alice get it?": what a recipient was sent, over all batches.

import { html, useEffect, useRef, useState } from '../lib.js';
import { useApi } from '../api.js';
import { Link, navigate } from '../router.js';
import { count } from '../format.js';
import { Badge, Empty, Field, Id, Loading, Problem, Table, Time } from '../parts.js';
import { Details, Why } from './batch/result.js';

const KINDS = ['user', 'group', 'room'];
const SINCE = [['1h', 'the last hour'], ['24h', 'the last day'], ['7d', 'the last week'], ['', 'as far back as is kept']];
const MOST = 200;

function Form({ query }) {
  const form = useRef(null);
  const kind = KINDS.find((one) => query.to?.startsWith(`${one}:`)) ?? 'user';
  const id = query.to?.slice(query.to.indexOf(':') + 1) ?? '';
  useEffect(() => {
    const fields = form.current.elements;
    [fields.kind.value, fields.id.value, fields.since.value] = [kind, id, query.since ?? (query.to ? '' : '24h')];
  }, [query.to, query.since]);
  const submit = (event) => {
    event.preventDefault();
    const given = Object.fromEntries(new FormData(form.current));
    if (!given.id) { form.current.elements.id.focus(); return; }
    // Who writes the whole address may.
    const whole = KINDS.some((one) => given.id.startsWith(`${one}:`));
    navigate('/find', { to: whole ? given.id : `${given.kind}:${given.id}`, since: given.since });
  };
  return html`<form class="filters" ref=${form} onSubmit=${submit} role="search" aria-label="Messages by recipient">
    <${Field} label="Kind" control=${(name) => html`<select id=${name} name="kind">${KINDS.map((one) => html`<option key=${one}>${one}</option>`)}</select>`} />
    <${Field} label="Id" control=${(name) => html`<input id=${name} name="id" placeholder="alice" autocomplete="off" spellcheck="false" required />`} />
    <${Field} label="Sent in" control=${(name) => html`<select id=${name} name="since">${SINCE.map(([value, text]) => html`<option key=${value} value=${value}>${text}</option>`)}</select>`} />
    <div class="actions"><button type="submit" class="primary">Find</button></div>
  </form>`;
}

export default function Find({ query }) {
  const [shown, setShown] = useState(null);
  const { value, error, loading, reload } = useApi(query.to ? '/v1/messages' : null, { query: { to: query.to, since: query.since, limit: MOST } });
  const columns = [
    { key: 'when', label: 'Last attempt', head: true, cell: (result) => (result.attempts.length ? html`<span class="nowrap"><${Time} at=${result.attempts[result.attempts.length - 1].at} /></span>` : html`<span class="muted">none yet</span>`) },
    { key: 'status', label: 'Status', cell: (result) => html`<span class="badges"><${Badge} word=${result.status} />${result.may_be_duplicate && html`<${Badge} tone="warn">may be twice<//>`}</span>` },
    { key: 'provider', label: 'Provider', cell: (result) => result.provider ?? html`<span class="muted none">–</span>` },
    { key: 'why', label: 'Why', wide: true, cell: (result) => html`<${Why} result=${result} />` },
    { key: 'batch', label: 'Batch', cell: (result) => html`<${Link} to=${`/batches/${result.batch_id}`}><code class="nowrap">${result.batch_id}</code><//>` },
    { key: 'id', label: 'Message', cell: (result) => html`<button type="button" class="link" onClick=${() => setShown(result)}><${Id} value=${result.id} /></button>` },
  ];
  const found = value?.messages ?? [];
  const empty = html`<${Empty} title=${`Nothing to ${query.to} in that time`}><p>Ids are matched as they are written, capitals included. Messages are found as long as <code>ledger.retention</code> keeps their batch.</p><//>`;
  return html`<div class="head"><h1>Find by recipient</h1></div>
    <${Form} query=${query} />
    ${error && html`<${Problem} title="The search did not work" error=${error} retry=${reload} />`}
    ${!query.to && html`<${Empty} title="Did somebody get it?"><p>Give the id of a user, group or room: every message to them is listed over all batches, with what the vendor answered.</p><//>`}
    ${query.to && loading && !value && html`<${Loading} what="Searching" />`}
    ${value && html`<p class=${found.length ? 'muted' : 'hidden'} role="status">${count(found.length, 'message')} to <${Id} value=${query.to} />${found.length >= MOST ? ' and perhaps more: narrow the time' : ''}</p>
      <${Table} caption=${`Messages to ${query.to}`} hideCaption columns=${columns} rows=${found} rowKey=${(result) => `${result.batch_id}/${result.id}`} empty=${empty} />`}
    ${shown && html`<${Details} result=${shown} onClose=${() => setShown(null)} />`}`;
}
