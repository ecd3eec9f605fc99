// What became of a batch that was sent from here: live while it is under way, then its results.

import { html, useRef, useState } from '../../lib.js';
import { Link } from '../../router.js';
import { get, useStream } from '../../api.js';
import { Badge, Id, Live, Num, Problem, Table } from '../../parts.js';
import { count, duration, number } from '../../format.js';

const STATUSES = ['accepted', 'rejected', 'unknown', 'cancelled', 'expired', 'sending', 'queued'];
/** How many results are shown here; the page of the batch has all. */
const SHOWN = 100;

const over = (batch) => batch.settled_at !== null && batch.settled_at !== undefined;

function Progress({ counts }) {
  const open = counts.queued + counts.sending;
  const done = counts.total - open;
  return html`<div class="progress-line">
    <progress max=${counts.total} value=${done} aria-label="Messages with an outcome"></progress>
    <span>${number(done)} of ${count(counts.total, 'message')}</span>
    <span class="badges">${STATUSES.filter((status) => counts[status] > 0).map((status) => html`<${Badge} key=${status} word=${status}>${number(counts[status])} ${status}</${Badge}>`)}</span>
  </div>`;
}

function error(row) {
  if (row.error === null) return row.losses.length > 0 ? html`<span class="muted">lost: ${row.losses.join(', ')}</span>` : '';
  const { code, message, vendor_code: vendorCode, vendor_message: vendorMessage } = row.error;
  return html`<code>${code}</code> ${message}${vendorMessage && html`<div class="muted">the vendor’s words: ${vendorCode !== null ? `${vendorCode} ` : ''}${vendorMessage}</div>`}`;
}

const columns = [
  { key: 'id', label: 'Message', head: true, cell: (row) => html`<div><code>${row.id}</code><div class="muted to"><${Id} value=${row.to} /></div></div>` },
  { key: 'status', label: 'Status', cell: (row) => html`<${Badge} word=${row.status} />` },
  { key: 'provider', label: 'Provider', cell: (row) => row.provider ?? '–' },
  { key: 'took', label: 'Took', number: true, cell: (row) => duration(row.attempts.at(-1)?.duration_ms) },
  { key: 'error', label: 'What was said', wide: true, cell: error },
];

function Results({ results, total, id }) {
  return html`<${Table} caption="Results" hideCaption columns=${columns} rows=${results} />
    ${total > results.length && html`<p><${Link} to=${`/batches/${id}`}>All ${number(total)} results<//></p>`}`;
}

/** A direct send: its answer holds everything. */
export function SentDirect({ answer }) {
  const shown = answer.results.slice(0, SHOWN);
  return html`<${Progress} counts=${answer.counts} />
    <p>In <${Num} value=${answer.counts.calls} /> ${answer.counts.calls === 1 ? 'call' : 'calls'} · <${Link} to=${`/batches/${answer.id}`}>Open batch <code>${answer.id}</code><//></p>
    <${Results} results=${shown} total=${answer.results.length} id=${answer.id} />`;
}

/** A stored batch, followed to its end. */
export function SentDurable({ answer }) {
  const [batch, setBatch] = useState({ ...answer, settled_at: null });
  const [page, setPage] = useState(null);
  const [error, setError] = useState(null);
  const asked = useRef(0);
  const heard = useRef(0);
  const changed = (value) => {
    setBatch(value);
    asked.current += 1;
    const turn = asked.current;
    // Answers may overtake each other: what is older than what is shown is not shown.
    const newest = (show) => (found) => { if (turn > heard.current) { heard.current = turn; show(found); } };
    get(`/v1/batches/${answer.id}/messages`, { limit: SHOWN }).then(
      newest((found) => { setPage(found.messages); setError(null); }),
      newest(setError),
    );
  };
  const stream = useStream(`/v1/batches/${answer.id}/events`, 'batch', changed, over);
  return html`<p><${Badge} word=${batch.state} /> <${Live} state=${stream} /> <${Link} to=${`/batches/${answer.id}`}>Open batch <code>${answer.id}</code><//></p>
    <${Progress} counts=${batch.counts} />
    <${Problem} error=${error} title="The results cannot be read" />
    ${page !== null && html`<${Results} results=${page} total=${batch.counts.total} id=${answer.id} />`}`;
}
