// One message's result: why it is where it is, and every attempt.

import { html } from '../../lib.js';
import { duration, words } from '../../format.js';
import { Badge, Copy, Dialog, Id, Table, Time } from '../../parts.js';

/** What a fate means for whoever must decide. */
const FATES = {
  not_sent: 'nothing reached the vendor',
  refused: 'the vendor said no',
  unknown: 'it may have arrived; nobody can tell',
};

/** Why, in a line: ours, then the vendor's own words. */
export function Why({ result }) {
  const { error, losses } = result;
  if (!error) return losses?.length ? html`<span class="muted">without ${losses.join(', ')}</span>` : html`<span class="muted none">–</span>`;
  return html`<div class="why"><code>${error.code}</code> ${error.message}
    ${(error.vendor_code || error.vendor_message) && html`<div class="vendor-words">${error.vendor_code && html`<code>${error.vendor_code}</code>`} ${error.vendor_message}</div>`}</div>`;
}

const ATTEMPTS = [
  { key: 'at', label: 'When', head: true, cell: (attempt) => html`<${Time} at=${attempt.at} full />` },
  { key: 'provider', label: 'Provider', cell: (attempt) => attempt.provider },
  { key: 'took', label: 'Took', number: true, cell: (attempt) => duration(attempt.duration_ms) },
  { key: 'result', label: 'Result', cell: (attempt) => html`<${Badge} word=${attempt.result} />` },
  { key: 'error', label: 'Why', wide: true, cell: (attempt) => html`<${Why} result=${{ error: attempt.error }} />` },
];

const FACTS = [
  ['vendor_message_id', 'Id at the vendor'], ['vendor_client_id', 'Client id'], ['vendor_seq', 'Sequence'], ['vendor_batch_id', 'Vendor’s batch'],
];

/** Everything of one result. */
export function Details({ result, onClose }) {
  return html`<${Dialog} title=${`Message ${result.id}`} onClose=${onClose} wide>
    <dl class="facts">
      <dt>To</dt><dd><${Id} value=${result.to} /> <${Copy} text=${result.to} what="the recipient" /></dd>
      <dt>Status</dt><dd class="badges"><${Badge} word=${result.status} />${result.may_be_duplicate && html` <${Badge} tone="warn">may be there twice<//>`}</dd>
      <dt>Provider</dt><dd>${result.provider ? `${result.provider} (${result.vendor})` : '–'}</dd>
      ${FACTS.filter(([key]) => result[key]).map(([key, label]) => html`<dt key=${`${key}-t`}>${label}</dt><dd key=${key}><${Id} value=${result[key]} /> <${Copy} text=${result[key]} what=${label} /></dd>`)}
      ${result.losses.length > 0 && html`<dt>Sent without</dt><dd>${result.losses.join(', ')}</dd>`}
      ${result.error && html`<dt>Why</dt><dd><${Why} result=${result} /></dd><dt>Fate</dt><dd>${words(result.error.fate)}: ${FATES[result.error.fate]}${result.error.retryable ? '; sending it again later may work' : ''}</dd>`}
      ${Object.keys(result.vendor_data ?? {}).length > 0 && html`<dt>Vendor’s data</dt><dd><code>${JSON.stringify(result.vendor_data)}</code></dd>`}
    </dl>
    <${Table} caption="Attempts" columns=${ATTEMPTS} rows=${result.attempts} rowKey=${(attempt) => attempt.at + attempt.provider} empty=${html`<p class="muted">No attempt so far: nothing has left.</p>`} />
  <//>`;
}
