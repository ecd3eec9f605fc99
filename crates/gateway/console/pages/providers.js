// Providers: whether each account takes messages, how full it is, what its contract allows; probe, pause and
// resume. Below, what every dialect of every vendor can do.

import { html, useState } from '../lib.js';
import { post, useApi, useStream } from '../api.js';
import { Badge, Confirm, Empty, Live, Loading, Lost, Problem, Stat, Table, Time, toast } from '../parts.js';
import { count, duration, number, words } from '../format.js';

/** `100 a second`, `600 a minute`. */
function quota(limit, what) {
  if (limit === null) return null;
  const units = { 1000: 'second', 60000: 'minute', 3600000: 'hour' };
  const unit = units[limit.per_ms];
  return `${count(limit.count, what)} ${unit === undefined ? `per ${duration(limit.per_ms)}` : `a ${unit}`}`;
}

const limits = [
  { key: 'name', label: 'Quota class', head: true, cell: (row) => words(row.name) },
  {
    key: 'rate',
    label: 'Contract',
    cell: (row) => [quota(row.calls, 'call'), quota(row.messages, 'message')].filter((one) => one !== null).join(', ')
      || html`<span class="muted">no rate is set</span>`,
  },
  { key: 'size', label: 'Messages a call', number: true, cell: (row) => number(row.messages_per_call) },
  {
    key: 'frozen',
    label: 'Frozen',
    cell: (row) => row.frozen_until === null ? html`<span class="muted">no</span>` : html`<${Badge} tone="warn">frozen</${Badge}> <span class="nowrap">ends <${Time} at=${row.frozen_until} /></span>`,
  },
];

/** What waits for a provider: stored or in its lane. */
const waiting = (provider) => provider.queued ?? provider.waiting;

const SAID = {
  ready: 'It takes messages.',
  paused: 'No calls are made; what is for it waits.',
  waiting: 'Its dialect is not known yet; what is for it waits.',
  draining: 'Nothing new goes there; what waits moves to another provider.',
};

/** What a probe found. */
function Probed({ found }) {
  if (found === undefined) return null;
  const good = found.reachable && found.dialect !== null;
  return html`<p class=${`notice ${good ? 'good' : 'warn'}`} role="status">${found.reachable
    ? (found.dialect === null ? 'The server answers, but speaks no dialect that is known here.' : html`The server answers and speaks <strong>${found.dialect}</strong>.`)
    : 'The server does not answer.'}</p>`;
}

function Provider({ provider, admin, onAsk, onProbe, probing, probed }) {
  const paused = provider.state === 'paused';
  const room = provider.in_flight_limit;
  return html`<article class="card stack" aria-labelledby=${`provider-${provider.name}`}>
    <header>
      <span><h2 id=${`provider-${provider.name}`}>${provider.name}</h2> <span class="muted">${provider.vendor}</span></span>
      <span class="badges"><${Badge} word=${provider.state} title=${SAID[provider.state]} />
        <${Badge} word=${provider.breaker}>breaker ${words(provider.breaker)}</${Badge}></span>
    </header>
    ${provider.state !== 'ready' && html`<p class="notice warn">${SAID[provider.state]}</p>`}
    ${provider.trouble !== null && html`<p class=${`notice ${provider.breaker === 'closed' ? '' : 'warn'}`}><strong>Last trouble:</strong> ${provider.trouble}</p>`}
    ${provider.breaker_until !== null && html`<p class="notice warn">Asked again <${Time} at=${provider.breaker_until} />.</p>`}
    <dl class="stats tight">
      <${Stat} label="Waiting" value=${number(waiting(provider))} note=${provider.oldest_at ? html`oldest <${Time} at=${provider.oldest_at} />` : provider.scheduled > 0 ? `+ ${number(provider.scheduled)} scheduled` : null} tone=${paused && waiting(provider) > 0 ? 'warn' : ''} />
      <${Stat} label="In flight" value=${number(provider.in_flight)} note=${`of ${number(room)}`} />
      <${Stat} label="Dialect" value=${provider.dialect ?? 'not known'} note=${provider.dialect_setting === provider.dialect ? 'as configured' : `configured: ${provider.dialect_setting}`} />
    </dl>
    <dl class="facts">
      <dt>Server</dt><dd><code>${provider.base_url}</code></dd>
      ${provider.accepted_means && html`<dt>Accepted means</dt><dd>${provider.accepted_means}</dd>`}
      <dt>Timeout</dt><dd>${duration(provider.timeout_ms)}</dd>
    </dl>
    <${Table} caption=${`Limits of ${provider.name}`} hideCaption columns=${limits} rows=${provider.classes} rowKey=${(row) => row.name} />
    <${Probed} found=${probed} />
    ${admin && html`<div class="actions">
      <button type="button" onClick=${onProbe} aria-disabled=${probing} aria-label=${`Probe ${provider.name}`}>${probing ? 'Asking…' : 'Probe'}</button>
      <button type="button" onClick=${() => onAsk({ verb: paused ? 'resume' : 'pause', provider })} aria-label=${`${paused ? 'Resume' : 'Pause'} ${provider.name}`}>${paused ? 'Resume…' : 'Pause…'}</button>
    </div>`}
  </article>`;
}

/** What a pause or its end means for this provider now. */
function Consequence({ verb, provider }) {
  if (verb === 'pause') {
    return html`<p>No more calls are made to <strong>${provider.name}</strong>. Messages for it wait, direct sends until their timeout;
      fallbacks do not take over. ${provider.in_flight > 0 ? `${count(provider.in_flight, 'call')} under way will end.` : ''}</p>
      <p>It stays paused until it is resumed, also over a restart.</p>`;
  }
  return html`<p>Calls to <strong>${provider.name}</strong> are made again, at the rate of its contract.
    ${waiting(provider) > 0 ? `${count(waiting(provider), 'message')} that ${waiting(provider) === 1 ? 'waits is' : 'wait are'} sent.` : 'Nothing waits for it.'}</p>`;
}

const yes = html`<span class="yes">✓<span class="hidden"> yes</span></span>`;
const no = html`<span class="no">–<span class="hidden"> no</span></span>`;

/** One row for each ability, one column for each dialect. */
function Capabilities({ vendors }) {
  const dialects = vendors.flatMap((vendor) => vendor.dialects);
  const all = (key) => [...new Set(dialects.flatMap((dialect) => dialect[key]))];
  const rows = [
    ...all('recipients').map((kind) => ({ id: `to ${kind}`, cell: (dialect) => (dialect.recipients.includes(kind) ? yes : no) })),
    ...all('contents').map((kind) => ({ id: words(kind), cell: (dialect) => (dialect.contents.includes(kind) ? yes : no) })),
    { id: 'largest call', cell: (dialect) => number(Math.max(...dialect.classes.map((one) => one.messages_per_call))) },
    { id: 'can be asked later', cell: (dialect) => (dialect.lookup ? yes : no) },
    {
      id: 'recognises repeats',
      cell: (dialect) => (dialect.dedupe?.within === undefined ? no : html`<span title=${dialect.dedupe.within.evidence}>for ${duration(dialect.dedupe.within.window_ms)}</span>`),
    },
  ];
  const columns = [
    { key: 'id', label: 'Ability', head: true, cell: (row) => row.id },
    ...dialects.map((dialect) => ({
      key: `${dialect.vendor} ${dialect.dialect}`,
      label: `${dialect.vendor}\n${dialect.dialect}`,
      cell: (row) => row.cell(dialect),
    })),
  ];
  return html`<section class="stack matrix" aria-labelledby="capabilities">
    <h2 id="capabilities">What each dialect can do</h2>
    <p class="muted">Content that a dialect lacks is sent as something it has, and the loss is listed; a message with <code>on_loss: "reject"</code> is refused instead.</p>
    <${Table} caption="Abilities by vendor and dialect" hideCaption columns=${columns} rows=${rows} />
  </section>`;
}

export default function Providers({ session }) {
  const listed = useApi('/v1/providers');
  const [lanes, setLanes] = useState(null);
  const stream = useStream('/v1/events', 'overview', (now) => setLanes(now.lanes));
  const known = useApi('/v1/vendors');
  const [asking, setAsking] = useState(null);
  const [probing, setProbing] = useState(null);
  const [probed, setProbed] = useState({});
  const admin = session.may.includes('admin');
  // The button stays enabled meanwhile: one that is disabled loses the focus.
  const probe = async (name) => {
    if (probing !== null) return;
    setProbing(name);
    try {
      const found = await post(`/v1/providers/${encodeURIComponent(name)}/probe`);
      setProbed((before) => ({ ...before, [name]: found }));
    } catch (error) {
      toast(`Cannot probe ${name}: ${error.detail}`, 'bad');
    } finally {
      setProbing(null);
    }
  };
  const done = () => {
    toast(`${asking.provider.name} is ${asking.verb === 'pause' ? 'paused' : 'resumed'}.`);
    setAsking(null);
  };
  const providers = lanes ?? listed.value?.providers ?? [];
  return html`<div class="stack">
    <div class="head"><div class="title"><h1>Providers</h1><${Live} state=${stream} /></div>${!admin && html`<span class="muted">Your key may look, and not steer.</span>`}</div>
    <${Lost} state=${stream} />
    <${Problem} error=${listed.error} title="The providers cannot be read" retry=${listed.reload} />
    ${providers.length === 0 && listed.value === null && listed.error === null && html`<${Loading} />`}
    ${listed.value !== null && providers.length === 0 && html`<${Empty} title="No provider is configured">Add a <code>[providers.NAME]</code> table to config.toml.</${Empty}>`}
    <div class="grid">${providers.map((provider) => html`<${Provider} key=${provider.name} provider=${provider} admin=${admin} onAsk=${setAsking}
      onProbe=${() => probe(provider.name)} probing=${probing === provider.name} probed=${probed[provider.name]} />`)}</div>
    <${Problem} error=${known.error} title="The abilities cannot be read" retry=${known.reload} />
    ${known.value !== null && html`<${Capabilities} vendors=${known.value.vendors} />`}
    ${asking !== null && html`<${Confirm} title=${`${asking.verb === 'pause' ? 'Pause' : 'Resume'} ${asking.provider.name}?`} action=${asking.verb === 'pause' ? 'Pause it' : 'Resume it'}
      run=${() => post(`/v1/providers/${encodeURIComponent(asking.provider.name)}/${asking.verb}`)} onDone=${done} onClose=${() => setAsking(null)}>
      <${Consequence} ...${asking} /></${Confirm}>`}
  </div>`;
}
