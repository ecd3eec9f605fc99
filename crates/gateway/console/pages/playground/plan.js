// A plan as people read it: totals, who goes where and why, each call as it would be written, and curl.

import { html, useState } from '../../lib.js';
import { Badge, Code, Id, Stat, Table } from '../../parts.js';
import { count, number, rate, words } from '../../format.js';

/** How many rows are drawn at first; a plan may hold thousands. */
const FIRST = 50;

/** The providers of a plan, in the order in which they first appear. */
export const providersOf = (plan) => [...new Set(plan.calls.map((call) => call.provider))];

/** Text between single quotes of a shell. */
const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

/** The whole batch as one command; the key comes from the environment. */
export function curlOf(text, direct) {
  const path = direct ? '/v1/send' : '/v1/batches';
  return `curl -X POST ${quoted(location.origin + path)} \\\n  -H "Authorization: Bearer $INTERLINE_KEY" \\\n  -H 'Content-Type: application/json' \\\n  --data-raw ${quoted(text)}`;
}

/** Seconds as a person would say them. */
function seconds(value) {
  if (value === 0) return 'at once';
  if (value < 120) return `${rate(value)} s`;
  return value < 7200 ? `${rate(value / 60)} min` : `${rate(value / 3600)} h`;
}

function More({ all, shown, onMore, what }) {
  if (all <= shown) return null;
  return html`<p><button type="button" onClick=${onMore}>Show all ${number(all)} ${what}</button></p>`;
}

function NotTaken({ list }) {
  if (list.length === 0) return html`<span class="muted">nothing else to choose</span>`;
  return html`<details><summary>${count(list.length, 'other')} not taken</summary>
    <ul class="reasons">${list.map((one, at) => html`<li key=${at}><strong>${one.route}</strong> → ${one.provider}: ${one.why}</li>`)}</ul>
  </details>`;
}

function Messages({ messages }) {
  const [all, setAll] = useState(false);
  const columns = [
    { key: 'id', label: 'Message', head: true, cell: (row) => html`<div><code>${row.id}</code><div class="muted to"><${Id} value=${row.to} /></div></div>` },
    {
      key: 'provider',
      label: 'Goes to',
      cell: (row) => row.provider === null
        ? html`<${Badge} tone="bad">nowhere</${Badge}>`
        : html`<span><strong>${row.provider}</strong> <span class="muted">${row.dialect ?? 'dialect not known yet'}</span></span>`,
    },
    {
      key: 'why',
      label: 'Why',
      wide: true,
      cell: (row) => html`<div>${row.why}</div>${row.provider !== null && html`<${NotTaken} list=${row.not_taken} />`}`,
    },
    {
      key: 'losses',
      label: 'Lost on the way',
      cell: (row) => row.losses.length === 0
        ? html`<span class="muted">nothing</span>`
        : html`<span class="badges">${row.losses.map((loss) => html`<${Badge} key=${loss} tone="warn" title="The provider cannot express it">${loss}</${Badge}>`)}</span>`,
    },
  ];
  return html`<section aria-labelledby="plan-messages">
    <h3 id="plan-messages">Messages</h3>
    <${Table} caption="Where each message goes" hideCaption columns=${columns} rows=${all ? messages : messages.slice(0, FIRST)} />
    <${More} all=${messages.length} shown=${all ? messages.length : FIRST} onMore=${() => setAll(true)} what="messages" />
  </section>`;
}

const shown = (body) => (typeof body === 'string' ? body : JSON.stringify(body, null, 2));

function Request({ request }) {
  const headers = Object.entries(request.headers).map(([name, value]) => `${name}: ${value}`);
  const text = [`${request.method} ${request.url}`, ...headers, '', shown(request.body)].join('\n');
  return html`<${Code} text=${text} label="Copy request" />`;
}

function Call({ call, at }) {
  return html`<details class="call">
    <summary>
      <strong>${call.provider}</strong> <span class="muted">${words(call.quota_class)}</span>
      <span class="count">${count(call.messages.length, 'message')}</span>
    </summary>
    <p class="muted">${call.messages.slice(0, 12).join(', ')}${call.messages.length > 12 ? ` and ${number(call.messages.length - 12)} more` : ''}</p>
    <h4>Request ${at + 1} <span class="muted">tokens, nonces and signatures are masked</span></h4>
    <${Request} request=${call.request} />
    <h4>As curl</h4>
    <${Code} text=${call.curl} label="Copy curl" />
  </details>`;
}

function Calls({ calls }) {
  const [all, setAll] = useState(false);
  return html`<section aria-labelledby="plan-calls">
    <h3 id="plan-calls">Calls to the vendors</h3>
    ${(all ? calls : calls.slice(0, FIRST)).map((call, at) => html`<${Call} key=${at} call=${call} at=${at} />`)}
    <${More} all=${calls.length} shown=${all ? calls.length : FIRST} onMore=${() => setAll(true)} what="calls" />
  </section>`;
}

/** The plan of a batch. `text` is what was planned. */
export function Plan({ plan, text, direct }) {
  const { messages, calls, seconds_at_contract: time } = plan.totals;
  const lossy = plan.messages.filter((message) => message.losses.length > 0).length;
  return html`
    <dl class="stats">
      <${Stat} label="Messages" value=${number(messages)} note=${plan.errors.length > 0 ? `${count(plan.errors.length, 'error')}` : null} tone=${plan.errors.length > 0 ? 'bad' : ''} />
      <${Stat} label="Calls" value=${number(calls)} note=${providersOf(plan).join(', ') || null} />
      <${Stat} label="At contract" value=${calls === 0 ? '–' : seconds(time)} note="how long the calls take at the providers’ rates" />
      <${Stat} label="With losses" value=${number(lossy)} tone=${lossy > 0 ? 'warn' : ''} note=${lossy > 0 ? 'something cannot be expressed' : null} />
    </dl>
    <${Messages} messages=${plan.messages} />
    ${calls > 0 && html`<${Calls} calls=${plan.calls} />`}
    <section aria-labelledby="plan-curl">
      <h3 id="plan-curl">The whole batch as curl</h3>
      <${Code} text=${curlOf(text, direct)} label="Copy curl" />
    </section>`;
}
