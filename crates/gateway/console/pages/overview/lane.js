// One lane: what waits, what is under way, and for each quota class in use its rate against the contract.

import { html } from '../../lib.js';
import { duration, number, rate, short } from '../../format.js';
import { Badge, Stat, Time } from '../../parts.js';
import { Plot } from '../../plot.js';

const perSecond = (limit) => (limit ? (limit.count * 1_000) / limit.per_ms : null);

/** A contract as the vendor states it. */
const stated = (limit, what) => `${number(limit.count)} ${what}/${limit.per_ms === 60_000 ? 'min' : limit.per_ms === 1_000 ? 's' : duration(limit.per_ms)}`;

/** The limit that is nearest, in its own unit: calls or messages. */
function binding(one, samples, provider, seconds) {
  const used = (unit) => samples.map((sample) => (sample.lanes[provider]?.classes?.[one.name]?.[unit] ?? 0) / seconds);
  const limits = ['calls', 'messages'].filter((unit) => one[unit]).map((unit) => {
    const values = used(unit);
    return { unit, values, contract: perSecond(one[unit]), text: stated(one[unit], unit), peak: Math.max(0, ...values) / perSecond(one[unit]) };
  });
  limits.sort((a, b) => b.peak - a.peak);
  return limits[0] ?? { unit: 'messages', values: used('messages'), contract: null, text: 'no rate in the contract' };
}

function QuotaClass({ one, provider, samples, seconds, span }) {
  const limit = binding(one, samples, provider, seconds);
  const recent = limit.values.slice(-5);
  const now = recent.length ? recent.reduce((sum, value) => sum + value, 0) / recent.length : 0;
  const times = samples.map((sample) => sample.at_ms);
  const series = [{ name: `${limit.unit}/s`, colour: '--plot-line', swatch: 'line', values: limit.values, say: rate }];
  if (limit.contract !== null) series.push({ name: 'contract', colour: '--plot-contract', swatch: 'contract', dash: true, values: times.map(() => limit.contract), say: short });
  const share = limit.contract ? now / limit.contract : null;
  return html`<div class="quota"><div class="quota-head"><h3>${one.name}</h3>
      <span class="num"><span class="swatch line" aria-hidden="true"></span> <strong>${rate(now)}</strong> ${limit.unit}/s <span class="muted">·${share !== null && html` ${Math.round(share * 100)} % of <span class="swatch contract" aria-hidden="true"></span>`} ${limit.text}</span></span>
      ${one.frozen_until && html`<${Badge} tone="warn">frozen<//>`}</div>
    <${Plot} label=${`${provider}, ${one.name}: ${limit.unit} per second against the contract`} times=${times} series=${series} height=${64} bare keys=${false} span=${span} least=${(limit.contract ?? 1) * 1.05} /></div>`;
}

export function Lane({ lane, samples, seconds, span }) {
  const busy = (one) => one.frozen_until || samples.some((sample) => sample.lanes[lane.provider]?.classes?.[one.name]);
  const [used, idle] = [lane.classes.filter(busy), lane.classes.filter((one) => !busy(one))];
  const last = [...samples].reverse().map((sample) => sample.lanes[lane.provider]?.p95_ms).find((value) => value !== undefined);
  const heading = `lane-${lane.provider}`;
  return html`<article class="card lane" aria-labelledby=${heading}>
    <header><h3 id=${heading}>${lane.provider}</h3><span class="badges"><span class="muted">${lane.vendor}${lane.dialect && lane.dialect !== 'v1' ? ` ${lane.dialect}` : ''}</span>
      <${Badge} word=${lane.state} />${lane.breaker !== 'closed' && html`<${Badge} word=${lane.breaker} title="circuit breaker">breaker ${lane.breaker.replace('_', ' ')}<//>`}</span></header>
    <dl class="stats tight">
      <${Stat} label="Waiting" value=${number(lane.queued)} note=${lane.scheduled > 0 ? `+ ${number(lane.scheduled)} scheduled` : undefined} />
      <${Stat} label="Oldest" value=${lane.oldest_at ? html`<${Time} at=${lane.oldest_at} />` : '–'} />
      <${Stat} label="In flight" value=${`${number(lane.in_flight)} / ${number(lane.in_flight_limit)}`} />
      <${Stat} label="p95" value=${last === undefined ? '–' : duration(last)} />
    </dl>
    ${lane.trouble && html`<p class="trouble ${lane.breaker === 'closed' ? 'muted' : ''}">Last trouble: ${lane.trouble}</p>`}
    ${used.map((one) => html`<${QuotaClass} key=${one.name} one=${one} provider=${lane.provider} samples=${samples} seconds=${seconds} span=${span} />`)}
    ${idle.length > 0 && html`<p class="muted idle">Idle: ${idle.map((one) => `${one.name}${one.calls ? ` (${stated(one.calls, 'calls')})` : one.messages ? ` (${stated(one.messages, 'messages')})` : ''}`).join(', ')}</p>`}
  </article>`;
}
