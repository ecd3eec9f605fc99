// One batch: live to its end, why messages failed, every result, and what can be done about it.

import { html, useEffect, useRef, useState } from '../lib.js';
import { useApi, useStream, withQuery } from '../api.js';
import { Link, navigate } from '../router.js';
import { count, duration, number, percent, rate, words } from '../format.js';
import { Badge, Code, Copy, Empty, Id, Live, Loading, Lost, Pager, Problem, Stat, Table, Time, useNow, usePages } from '../parts.js';
import { Progress, STATUSES, settled } from '../progress.js';
import { Orders } from './batch/orders.js';
import { Details, Why } from './batch/result.js';

const PAGE = 25;

/** Settled messages per second over the last ten seconds. */
function usePace(counts) {
  const seen = useRef([]);
  const now = Date.now();
  if (counts) {
    const done = settled(counts);
    const last = seen.current[seen.current.length - 1];
    if (!last || last.done !== done) seen.current.push({ now, done });
    seen.current = seen.current.filter((one) => now - one.now < 10_000);
  }
  const [first, last] = [seen.current[0], seen.current[seen.current.length - 1]];
  return first && last && last.now > first.now ? ((last.done - first.done) * 1_000) / (last.now - first.now) : null;
}

function Numbers({ batch }) {
  const { counts } = batch;
  const pace = usePace(counts);
  useNow(1_000);
  const left = counts.queued + counts.sending;
  const running = batch.state === 'sending' || batch.state === 'queued';
  const took = batch.settled_at ? Date.parse(batch.settled_at) - Math.max(Date.parse(batch.created_at), batch.send_at ? Date.parse(batch.send_at) : 0) : null;
  return html`<section class="card stack" aria-label="Progress"><dl class="stats">
      <${Stat} label="Messages" value=${number(counts.total)} note=${`${percent(settled(counts), counts.total)} settled`} />
      <${Stat} label="Accepted" value=${number(counts.accepted)} note=${percent(counts.accepted, counts.total)} />
      <${Stat} label="Rejected" value=${number(counts.rejected)} tone=${counts.rejected ? 'bad' : ''} />
      <${Stat} label="Unknown" value=${number(counts.unknown)} tone=${counts.unknown ? 'warn' : ''} note=${counts.unknown ? 'not sent again by itself' : undefined} />
      <${Stat} label="Vendor calls" value=${number(counts.calls)} note=${counts.calls ? `${rate((counts.accepted + counts.rejected + counts.unknown) / counts.calls)} a call` : undefined} />
      ${running && pace ? html`<${Stat} label="Pace" value=${`${rate(pace)}/s`} note=${left ? `about ${duration((left / pace) * 1_000)} left` : undefined} />`
      : took !== null && html`<${Stat} label="Took" value=${duration(took)} />`}
    </dl><${Progress} counts=${counts} keys /></section>`;
}

function Facts({ batch }) {
  const labels = Object.entries(batch.labels ?? {});
  return html`<section class="card" aria-labelledby="facts"><header><h2 id="facts">About</h2></header><dl class="facts">
    <dt>App</dt><dd>${batch.app}</dd>
    <dt>Handed over</dt><dd><${Time} at=${batch.created_at} full /></dd>
    ${batch.send_at && html`<dt>To be sent</dt><dd><${Time} at=${batch.send_at} full /></dd>`}
    <dt>Settled</dt><dd>${batch.settled_at ? html`<${Time} at=${batch.settled_at} full />` : 'not yet'}</dd>
    ${labels.length > 0 && html`<dt>Labels</dt><dd class="labels">${labels.map(([name, value]) => html`<${Link} key=${name} class="label" to="/batches" query=${{ label: `${name}=${value}` }}>${name}=${value}<//>`)}</dd>`}
    ${batch.trace_id && html`<dt>Trace</dt><dd><code>${batch.trace_id}</code></dd>`}
    ${batch.redriven_from && html`<dt>Redriven from</dt><dd><${Link} to=${`/batches/${batch.redriven_from}`}><code>${batch.redriven_from}</code><//></dd>`}
  </dl></section>`;
}

function Causes({ id, lost, onShow }) {
  const [seen, setSeen] = useState(lost);
  // Reading them costs more than a count: not with every number that changes.
  useEffect(() => { const timer = setTimeout(() => setSeen(lost), 2_000); return () => clearTimeout(timer); }, [lost]);
  const { value, error, reload } = useApi(seen > 0 ? `/v1/batches/${encodeURIComponent(id)}/causes` : null);
  const first = useRef(true);
  useEffect(() => { if (first.current) first.current = false; else if (seen > 0) reload(); }, [seen]);
  if (!lost) return null;
  const columns = [
    { key: 'count', label: 'Messages', number: true, cell: (cause) => html`<strong>${number(cause.count)}</strong>` },
    { key: 'status', label: 'Status', cell: (cause) => html`<button type="button" class="link" onClick=${() => onShow(cause.status)} title="Show these results"><${Badge} word=${cause.status} /></button>` },
    { key: 'code', label: 'Why', head: true, cell: (cause) => html`<div class="why"><code>${cause.code}</code> <span class="plain">${cause.message}</span>${cause.hint && html`<div class="hint">What to do: ${cause.hint}.</div>`}</div>` },
    { key: 'vendor', label: 'In the vendor’s words', wide: true, cell: (cause) => (cause.vendor_code || cause.vendor_message ? html`<span class="vendor-words">${cause.vendor_code && html`<code>${cause.vendor_code}</code>`} ${cause.vendor_message}</span>` : html`<span class="muted none">–</span>`) },
    { key: 'provider', label: 'Provider', cell: (cause) => cause.provider ?? html`<span class="muted none">none</span>` },
    { key: 'fate', label: 'Fate', cell: (cause) => html`<span class="nowrap">${words(cause.fate)}</span>` },
    { key: 'messages', label: 'Such as', cell: (cause) => html`<span class="ids">${cause.messages.slice(0, 3).map((one) => html`<${Id} key=${one} value=${one} /> `)}${cause.count > 3 ? '…' : ''}</span>` },
  ];
  return html`<section aria-labelledby="causes"><div class="head"><h2 id="causes">Why messages were not accepted</h2></div>
    ${error && html`<${Problem} title="The causes cannot be read" error=${error} retry=${reload} />`}
    ${!value && !error && html`<${Loading} />`}
    ${value && html`<${Table} caption="Failures by cause" hideCaption columns=${columns} rows=${value.causes} rowKey=${(cause) => [cause.status, cause.provider, cause.code, cause.vendor_code, cause.vendor_message].join('|')} empty=${html`<p class="muted">No cause is written down.</p>`} />`}
    ${value?.others > 0 && html`<p class="muted">${count(value.others, 'message')} more without a cause that is told apart.</p>`}</section>`;
}

function Results({ batch, status, onStatus }) {
  const pages = usePages(`${batch.id} ${status}`, PAGE);
  const { cursor } = pages;
  const [shown, setShown] = useState(null);
  const path = `/v1/batches/${encodeURIComponent(batch.id)}/messages`;
  const { value, error, loading, reload } = useApi(path, { query: { status, cursor, limit: PAGE } });
  const done = settled(batch.counts) + batch.counts.sending;
  const told = useRef({ at: 0, done });
  // Follows what changes, not faster than it can be read, nor than it is answered.
  useEffect(() => {
    if (loading || told.current.done === done) return undefined;
    const timer = setTimeout(() => { told.current = { at: Date.now(), done }; reload(); }, Math.max(0, told.current.at + 1_500 - Date.now()));
    return () => clearTimeout(timer);
  }, [done, loading]);
  const columns = [
    { key: 'id', label: 'Message', head: true, cell: (result) => html`<button type="button" class="link" onClick=${() => setShown(result)}><${Id} value=${result.id} /></button>` },
    { key: 'to', label: 'To', cell: (result) => html`<${Link} to="/find" query=${{ to: result.to }} title="Everything this recipient was sent"><${Id} value=${result.to} /><//>` },
    { key: 'status', label: 'Status', cell: (result) => html`<span class="badges"><${Badge} word=${result.status} />${result.may_be_duplicate && html`<${Badge} tone="warn">may be twice<//>`}</span>` },
    { key: 'provider', label: 'Provider', cell: (result) => result.provider ?? html`<span class="muted none">–</span>` },
    { key: 'vendor', label: 'Id at the vendor', cell: (result) => (result.vendor_message_id ? html`<${Id} value=${result.vendor_message_id} />` : html`<span class="muted none">–</span>`) },
    { key: 'why', label: 'Why', wide: true, cell: (result) => html`<${Why} result=${result} />` },
    { key: 'attempts', label: 'Attempts', number: true, cell: (result) => number(result.attempts.length) },
  ];
  const exported = (format) => withQuery(path, { format, status });
  const options = STATUSES.filter((one) => batch.counts[one] > 0 || one === status);
  const empty = html`<${Empty} title=${status ? `No message is ${words(status)}` : 'No messages yet'} />`;
  return html`<section aria-labelledby="results"><div class="head"><h2 id="results">Results</h2>
      <div class="actions"><label class="inline">Status <select value=${status ?? ''} onChange=${(event) => onStatus(event.target.value || undefined)}><option value="">all ${number(batch.counts.total)}</option>
        ${options.map((one) => html`<option key=${one} value=${one} selected=${one === status}>${words(one)} ${number(batch.counts[one])}</option>`)}</select></label>
      <a class="button" href=${exported('csv')} download>Export CSV</a><a class="button" href=${exported('ndjson')} download>NDJSON</a></div></div>
    ${error && html`<${Problem} title="The results cannot be read" error=${error} retry=${reload} />`}
    ${!value && !error && html`<${Loading} />`}
    ${value && html`<${Table} caption="Results" hideCaption columns=${columns} rows=${value.messages} empty=${empty} busy=${loading} />`}
    <${Pager} what="results" pages=${pages} shown=${value?.messages.length} next=${value?.next_cursor} total=${status ? batch.counts[status] : batch.counts.total} />
    ${shown && html`<${Details} result=${shown} onClose=${() => setShown(null)} />`}</section>`;
}

/** What is worth looking at in a shell: the failures, if there are any. */
const worst = (counts) => ['rejected', 'unknown', 'expired', 'cancelled'].find((status) => counts[status] > 0) ?? 'accepted';

export default function Batch({ params, query, session }) {
  const path = `/v1/batches/${encodeURIComponent(params.id)}`;
  const first = useApi(path);
  const [live, setLive] = useState(null);
  const [heardAt, setHeardAt] = useState(null);
  // In the address, so that a link to what failed can be handed on.
  const status = STATUSES.includes(query.status) ? query.status : undefined;
  const setStatus = (wanted) => navigate(`/batches/${encodeURIComponent(params.id)}`, { status: wanted }, { replace: true });
  const [redriven, setRedriven] = useState(null);
  const results = useRef(null);
  const over = first.value && (first.value.settled_at !== null);
  // What was heard live may be older than what was read once it was over.
  const batch = over ? first.value : live ?? first.value;
  const state = useStream(first.value && !over ? `${path}/events` : null, 'batch', (value) => { setLive(value); setHeardAt(new Date().toISOString()); }, (value) => value.settled_at !== null);
  const show = (wanted) => { setStatus(wanted); results.current?.scrollIntoView({ block: 'start' }); };
  const crumbs = html`<nav class="crumbs" aria-label="Breadcrumb"><${Link} to="/batches">Batches<//></nav>`;
  if (first.error && !batch) return html`${crumbs}<h1>${params.id}</h1><${Problem} title="This batch cannot be shown" error=${first.error} retry=${first.reload} />`;
  if (!batch) return html`${crumbs}<h1>${params.id}</h1><${Loading} />`;
  const lost = batch.counts.rejected + batch.counts.unknown + batch.counts.expired + batch.counts.cancelled;
  const onDone = (after, made) => { if (after) setLive(after); if (made) setRedriven(made); first.reload(); };
  return html`${crumbs}
    <div class="head"><div class="title"><h1 class="mono">${batch.id}</h1><${Copy} text=${batch.id} what="the batch’s id" /><${Badge} word=${batch.state} />${!over && state !== 'ended' && html`<${Live} state=${state} />`}</div>
      <${Orders} batch=${batch} session=${session} onDone=${onDone} /></div>
    <div class="stack">
      ${!over && html`<${Lost} state=${state} at=${heardAt} />`}
      ${redriven && html`<div class="notice good" role="status"><p>${count(redriven.counts.total, 'message')} of this batch ${redriven.counts.total === 1 ? 'is' : 'are'} sent again: <${Link} to=${`/batches/${redriven.id}`}>open the new batch<//>.</p></div>`}
      ${batch.state === 'paused' && html`<div class="notice warn"><p><strong>Paused.</strong> ${count(batch.counts.queued, 'message')} ${batch.counts.queued === 1 ? 'waits' : 'wait'} until somebody resumes it.</p></div>`}
      ${batch.state === 'scheduled' && html`<div class="notice"><p><strong>Scheduled</strong> for <${Time} at=${batch.send_at} full />.</p></div>`}
      <${Numbers} batch=${batch} />
      <${Causes} id=${batch.id} lost=${lost} onShow=${show} />
      <div ref=${results}><${Results} batch=${batch} status=${status} onStatus=${setStatus} /></div>
      <div class="two"><${Facts} batch=${batch} />
        <section class="card" aria-labelledby="cli"><header><h2 id="cli">The same by command</h2></header><${Code} text=${`interline batch show ${batch.id}\ninterline batch messages ${batch.id} --status ${worst(batch.counts)}`} /></section></div>
    </div>`;
}
