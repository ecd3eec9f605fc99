// Callbacks: which receivers are told of batches, how they answer, and what can be done when they do not.

import { html, useId, useState } from '../lib.js';
import { post, useApi } from '../api.js';
import { Badge, Confirm, Empty, Field, Loading, Pager, Problem, Stat, Time, toast, usePages } from '../parts.js';
import { ZONE, count, number } from '../format.js';

const PAGE = 50;
const TONES = { active: 'good', failing: 'warn', disabled: 'bad' };

/** A moment as a field for date and time holds it: local, without seconds. */
function field(moment) {
  const local = new Date(moment.getTime() - moment.getTimezoneOffset() * 60_000);
  return local.toISOString().slice(0, 16);
}

/** Asks which span of time is told again. */
function Replay({ endpoint, onDone, onClose }) {
  const [since, setSince] = useState(() => field(new Date(Date.now() - 24 * 3_600_000)));
  const [until, setUntil] = useState('');
  const fits = since !== '' && (until === '' || since <= until);
  const run = () => post(`/v1/callbacks/${encodeURIComponent(endpoint.id)}/replay`, {
    since: new Date(since).toISOString(),
    ...(until === '' ? {} : { until: new Date(until).toISOString() }),
  });
  return html`<${Confirm} title="Tell it again?" action="Replay" run=${run} onDone=${onDone} onClose=${onClose} disabled=${!fits}>
    <p>What <code>${endpoint.url}</code> was told in this span of time, or was to be told, is sent again under the same ids.
      A receiver that keeps ids recognises what it has.</p>
    <div class="two">
      <${Field} label="Since" hint=${`In ${ZONE}.`} control=${(id, hint) => html`<input id=${id} type="datetime-local" required aria-describedby=${hint} value=${since} onInput=${(event) => setSince(event.target.value)} />`} />
      <${Field} label="Until" hint="Empty means now." control=${(id, hint) => html`<input id=${id} type="datetime-local" aria-describedby=${hint} value=${until} onInput=${(event) => setUntil(event.target.value)} />`} />
    </div>
    ${!fits && html`<p class="notice warn">The span ends before it begins.</p>`}
  </${Confirm}>`;
}

function Endpoint({ endpoint, steers, onEnable, onReplay }) {
  const id = useId();
  const { last } = endpoint;
  const disabled = endpoint.state === 'disabled';
  return html`<article class="card stack" aria-labelledby=${id}>
    <header>
      <span><h2 id=${id}><code>${endpoint.url}</code></h2> <span class="muted">of ${endpoint.app}</span></span>
      <${Badge} tone=${TONES[endpoint.state]}>${endpoint.state}</${Badge}>
    </header>
    ${disabled && html`<p class="notice bad">Told nothing more since <${Time} at=${endpoint.disabled_at} full />${endpoint.disabled_because === null ? '' : `: ${endpoint.disabled_because}`}. What waits goes with its batch when that is pruned; enable it before.</p>`}
    ${!disabled && endpoint.paused_until !== null && html`<p class="notice warn">Left alone until <${Time} at=${endpoint.paused_until} full />.</p>`}
    <dl class="stats tight">
      <${Stat} label="Delivered" value=${number(endpoint.delivered)} />
      <${Stat} label="Waiting" value=${number(endpoint.waiting)} />
      <${Stat} label="Given up" value=${number(endpoint.given_up)} tone=${endpoint.given_up > 0 ? 'bad' : ''} />
      <${Stat} label="Failures in a row" value=${number(endpoint.failures)} tone=${endpoint.failures > 0 ? 'warn' : ''} />
    </dl>
    <dl class="facts">
      <dt>Last answer</dt><dd>${last === null ? 'not asked yet' : html`${last.answer} <span class="muted"><${Time} at=${last.at} /></span>`}</dd>
      ${endpoint.failing_since !== null && html`<dt>Failing since</dt><dd><${Time} at=${endpoint.failing_since} full /></dd>`}
      <dt>Known since</dt><dd><${Time} at=${endpoint.since} full /></dd>
    </dl>
    ${steers && html`<div class="actions">
      ${disabled && html`<button type="button" class="primary" onClick=${onEnable}>Enable…</button>`}
      <button type="button" onClick=${onReplay} disabled=${disabled} title=${disabled ? 'Enable it first' : undefined}>Replay…</button>
    </div>`}
  </article>`;
}

export default function Callbacks({ session }) {
  const steers = session.may.includes('send') || session.may.includes('admin');
  const pages = usePages('', PAGE);
  const listed = useApi('/v1/callbacks', { every: 2_000, query: { cursor: pages.cursor, limit: PAGE } });
  const [asking, setAsking] = useState(null);
  const all = listed.value?.callbacks ?? [];
  const done = (said) => {
    toast(said);
    setAsking(null);
    listed.reload();
  };
  const { verb, endpoint } = asking ?? {};
  return html`<div class="stack">
    <div class="head"><h1>Callbacks</h1>${!steers && html`<span class="muted">Your key may look, and not steer.</span>`}</div>
    <${Problem} error=${listed.error} title="The callbacks cannot be read" retry=${listed.reload} />
    ${listed.value === null && listed.error === null && html`<${Loading} />`}
    ${listed.value !== null && all.length === 0 && html`<${Empty} title="Nobody is told of batches yet">
      A batch with <code>"callback": {"url": "https://…"}</code> is reported there when it settles, signed with a secret of its app.</${Empty}>`}
    ${all.map((one) => html`<${Endpoint} key=${one.id} endpoint=${one} steers=${steers} onEnable=${() => setAsking({ verb: 'enable', endpoint: one })} onReplay=${() => setAsking({ verb: 'replay', endpoint: one })} />`)}
    <${Pager} what="receivers" pages=${pages} shown=${listed.value?.callbacks.length} next=${listed.value?.next_cursor} />
    ${verb === 'enable' && html`<${Confirm} title="Enable it again?" action="Enable"
      run=${() => post(`/v1/callbacks/${encodeURIComponent(endpoint.id)}/enable`)} onDone=${() => done('The receiver is enabled.')} onClose=${() => setAsking(null)}>
      <p>${endpoint.waiting > 0 ? `${count(endpoint.waiting, 'event')} that ${endpoint.waiting === 1 ? 'waits goes' : 'wait go'} to ` : 'New events go to '}<code>${endpoint.url}</code> at once.
        If it only fails again, it is disabled again.</p></${Confirm}>`}
    ${verb === 'replay' && html`<${Replay} endpoint=${endpoint} onDone=${(answer) => done(`${count(answer.events, 'event')} told again.`)} onClose=${() => setAsking(null)} />`}
  </div>`;
}
