// Migrations: where each stands, what its gates say, what is found and seen, and the orders that its phase allows,
// each with what follows from it before it is given.

import { html, useId, useState } from '../lib.js';
import { post, useApi } from '../api.js';
import { Badge, Confirm, Empty, Field, Loading, Problem, Stat, Table, Time, toast } from '../parts.js';
import { count, number, words } from '../format.js';
import { Link } from '../router.js';
import { Report } from './migrations/report.js';

const PATH = ['off', 'shadow', 'ramp', 'done'];

/** The way of a migration, with the place where it stands. */
function Phases({ phase, percent }) {
  const way = phase === 'both' ? ['off', 'both', 'done'] : phase === 'rolled_back' ? ['off', 'rolled_back'] : PATH;
  const at = way.indexOf(phase);
  return html`<ol class="phases" aria-label="Phases">${way.map((name, place) => {
    const kind = place === at ? `now${name === 'rolled_back' ? ' back' : ''}` : place < at ? 'past' : '';
    return html`<li key=${name} class=${kind} aria-current=${place === at ? 'step' : undefined}>${words(name)}${name === 'ramp' && place === at ? ` ${percent} %` : ''}</li>`;
  })}</ol>`;
}

/** Which orders a phase takes. */
function orders({ phase, percent }) {
  const under = ['shadow', 'ramp', 'both'].includes(phase);
  return {
    start: phase === 'off' || phase === 'rolled_back',
    set: under,
    both: (under && phase !== 'both') || phase === 'off' || phase === 'rolled_back',
    finish: (phase === 'ramp' && percent === 100) || phase === 'both',
    rollback: phase !== 'off' && phase !== 'rolled_back',
  };
}

/** Title, request and consequence of an order. */
function described(order, one, percent) {
  const { from, to, route } = one;
  const path = (verb) => `/v1/migrations/${encodeURIComponent(one.name)}/${verb}`;
  const begun = ['shadow', 'ramp', 'both'].includes(one.phase);
  return {
    start: {
      title: `Start ${one.name} in shadow?`,
      action: 'Start shadow',
      run: () => post(path('start'), {}),
      said: html`<p>Nothing moves. Every message that the route <strong>${route}</strong> gives to <strong>${from}</strong> is also encoded and checked for <strong>${to}</strong>, and nothing is sent there.</p>
        <p>The report then tells what ${to} would refuse and lose.</p>`,
    },
    set: {
      title: percent < one.percent ? `Bring recipients back, to ${percent} %?` : `Move ${percent} % of the recipients?`,
      action: `Set ${percent} %`,
      tone: 'primary',
      run: () => post(path('set'), { percent }),
      said: html`<p><strong>${percent} %</strong> of the recipients of the route <strong>${route}</strong> get their messages from <strong>${to}</strong>, everybody else stays at <strong>${from}</strong>. Now it is ${one.phase === 'ramp' ? `${one.percent} %` : words(one.phase)}.</p>
        <p>A recipient stays on one side as long as the percentage grows. Gates that trip roll it back by themselves.</p>`,
    },
    both: {
      title: 'Deliver to both?',
      action: 'Deliver to both',
      tone: 'bad',
      run: () => (begun ? post(path('set'), { phase: 'both' }) : post(path('start'), { phase: 'both' })),
      said: html`<p>Each message of the route <strong>${route}</strong> is sent by <strong>${from}</strong> and by <strong>${to}</strong>. Who uses both apps sees it twice.</p>`,
    },
    finish: {
      title: `Finish ${one.name}?`,
      action: 'Finish',
      run: () => post(path('finish')),
      said: html`<p>All messages that went to <strong>${from}</strong> on the route <strong>${route}</strong> go to <strong>${to}</strong> from now on${one.cohort === null ? '' : ', also those of recipients who are not in the cohort'}.</p>
        <p>It can still be rolled back afterwards.</p>`,
    },
    rollback: {
      title: `Roll ${one.name} back?`,
      action: 'Roll back',
      tone: 'bad',
      run: () => post(path('rollback')),
      said: html`<p>Everything on the route <strong>${route}</strong> goes to <strong>${from}</strong> again, at once. What waits for ${to} is routed anew; calls that are under way there end.</p>
        <p>What ${to} has delivered stays delivered.</p>`,
    },
  }[order];
}

const limit = (value, unit) => (value === null || value === undefined ? 'no limit' : `at most ${number(value)}${unit}`);
const over = (value, gate) => gate !== null && gate !== undefined && value !== null && value > gate;

/** What the new provider answered of late, against what is allowed. */
function Gates({ gates, window, phase }) {
  const judged = window.answers >= (gates.min_messages ?? 0) && ['ramp', 'both'].includes(phase);
  const tone = (value, gate) => (over(value, gate) ? 'bad' : '');
  return html`<div>
    <h3>Gates</h3>
    <dl class="stats tight">
      <${Stat} label="Rejected" value=${`${window.rejected_percent.toFixed(1)} %`} note=${limit(gates.rejected_percent, ' %')} tone=${tone(window.rejected_percent, gates.rejected_percent)} />
      <${Stat} label="Unknown" value=${`${window.unknown_percent.toFixed(1)} %`} note=${gates.unknown_percent === null ? 'no limit' : `at most ${gates.unknown_percent} %`} tone=${tone(window.unknown_percent, gates.unknown_percent)} />
      <${Stat} label="95 % within" value=${window.p95_ms === null ? '–' : `${number(window.p95_ms)} ms`} note=${limit(gates.p95_ms, ' ms')} tone=${tone(window.p95_ms, gates.p95_ms)} />
      <${Stat} label="Answers" value=${number(window.answers)} note=${judged ? `in the last ${window.seconds} s` : `judged from ${number(gates.min_messages ?? 0)}`} />
    </dl>
  </div>`;
}

function Orders({ one, onAsk }) {
  const may = orders(one);
  const [percent, setPercent] = useState('');
  const next = percent === '' ? null : Number(percent);
  const fits = next !== null && Number.isInteger(next) && next >= 0 && next <= 100;
  const ask = (order, value) => onAsk({ order, one, percent: value });
  return html`<div class="actions orders">
    ${may.start && html`<button type="button" class="primary" onClick=${() => ask('start')}>Start…</button>`}
    ${may.set && html`<form class="set" onSubmit=${(event) => { event.preventDefault(); if (fits) ask('set', next); }}>
      <${Field} label="Percent" control=${(id) => html`<input id=${id} type="number" inputmode="numeric" min="0" max="100" step="1" required value=${percent}
        placeholder=${String(one.percent)} onInput=${(event) => setPercent(event.target.value)} />`} />
      <button type="submit" class="primary" disabled=${!fits}>Set…</button>
    </form>`}
    ${may.finish && html`<button type="button" class="primary" onClick=${() => ask('finish')}>Finish…</button>`}
    ${may.both && html`<button type="button" onClick=${() => ask('both')}>Deliver to both…</button>`}
    ${may.rollback && html`<button type="button" class="bad" onClick=${() => ask('rollback')}>Roll back…</button>`}
  </div>`;
}

function Migration({ one, admin, onAsk }) {
  const id = useId();
  const report = useApi(`/v1/migrations/${encodeURIComponent(one.name)}/report`, { every: 2_000 });
  const shown = report.value;
  return html`<article class="card stack" aria-labelledby=${id}>
    <header>
      <span><h2 id=${id}>${one.name}</h2> <span class="muted">${one.from} → ${one.to}</span></span>
      <${Badge} word=${one.phase}>${words(one.phase)}${one.phase === 'ramp' ? ` ${one.percent} %` : ''}</${Badge}>
    </header>
    <${Phases} phase=${one.phase} percent=${one.percent} />
    ${one.phase === 'ramp' && html`<progress max="100" value=${one.percent} aria-label=${`Percent of the recipients at ${one.to}`}></progress>`}
    <dl class="facts">
      <dt>Route</dt><dd>${one.route}</dd>
      <dt>Since</dt><dd>${one.since === null ? 'never started' : html`<${Time} at=${one.since} />`}</dd>
      <dt>Who may move</dt><dd>${one.cohort === null ? 'everybody' : `${count(one.cohort.recipients, 'recipient')} of ${one.cohort.file}`}</dd>
    </dl>
    ${admin && html`<${Orders} one=${one} onAsk=${onAsk} />`}
    <${Problem} error=${report.error} title="The report cannot be read" />
    ${shown !== null && html`<${Gates} gates=${shown.gates} window=${shown.window} phase=${one.phase} /><${Report} report=${shown} />`}
  </article>`;
}

export default function Migrations({ session }) {
  const listed = useApi('/v1/migrations', { every: 2_000 });
  const [asking, setAsking] = useState(null);
  const admin = session.may.includes('admin');
  const done = (value) => {
    toast(`${value.name} is ${value.phase === 'ramp' ? `at ${value.percent} %` : `in ${words(value.phase)}`}.`);
    setAsking(null);
    listed.reload();
  };
  const all = listed.value?.migrations ?? [];
  const asked = asking === null ? null : described(asking.order, asking.one, asking.percent);
  return html`<div class="stack">
    <div class="head"><h1>Migrations</h1>${!admin && html`<span class="muted">Your key may look, and not steer.</span>`}</div>
    <${Problem} error=${listed.error} title="The migrations cannot be read" />
    ${listed.value === null && listed.error === null && html`<${Loading} />`}
    ${listed.value !== null && all.length === 0 && html`<${Empty} title="No migration is configured">
      Add a <code>[migrations.NAME]</code> table to config.toml: it moves a route from one provider to another, step by step.
      <p><${Link} to="/providers">Look at the providers<//></p></${Empty}>`}
    ${all.map((one) => html`<${Migration} key=${one.name} one=${one} admin=${admin} onAsk=${setAsking} />`)}
    ${asked !== null && html`<${Confirm} title=${asked.title} action=${asked.action} tone=${asked.tone} run=${asked.run} onDone=${done} onClose=${() => setAsking(null)}>${asked.said}</${Confirm}>`}
  </div>`;
}
