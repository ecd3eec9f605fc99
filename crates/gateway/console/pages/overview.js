// What goes on: how much leaves, what became of it, and how every lane stands against its contract. Everything
// comes from one stream, `GET /v1/events`.

import { html, useState } from '../lib.js';
import { useApi, useEvents } from '../api.js';
import { Link } from '../router.js';
import { count, duration, number, percent, rate } from '../format.js';
import { Badge, Empty, Live, Loading, Lost, Stat, Table, Time, useNow } from '../parts.js';
import { Plot } from '../plot.js';
import { Progress } from '../progress.js';
import { Banners } from './overview/banners.js';
import { Lane } from './overview/lane.js';

const KEPT = 150;
const OUTCOMES = [
  { name: 'accepted', colour: '--plot-accepted', swatch: 'accepted' },
  { name: 'rejected', colour: '--plot-rejected', swatch: 'rejected' },
  { name: 'unknown', colour: '--plot-unknown', swatch: 'unknown' },
  { name: 'expired or cancelled', of: ['expired', 'cancelled'], colour: '--plot-other', swatch: 'other' },
];
const CURVES = ['--plot-line', '--plot-line-2', '--plot-line-3', '--plot-line-4', '--plot-contract', '--plot-other'];

const total = (sample, of) => Object.values(sample.lanes).reduce((sum, lane) => sum + of.reduce((own, status) => own + (lane.outcomes?.[status] ?? 0), 0), 0);

function Outcomes({ samples, seconds }) {
  const times = samples.map((sample) => sample.at_ms);
  const series = OUTCOMES.map((one) => ({ ...one, say: rate, values: samples.map((sample) => total(sample, one.of ?? [one.name]) / seconds) }));
  return html`<section class="card" aria-labelledby="outcomes"><header><h2 id="outcomes">Messages settled per second</h2><span class="muted">last ${duration(KEPT * seconds * 1_000)}</span></header>
    <${Plot} label="Messages settled per second" times=${times} series=${series} stack least=${5} unit="/s" span=${KEPT * seconds} /></section>`;
}

function Latency({ samples, lanes, seconds }) {
  const times = samples.map((sample) => sample.at_ms);
  const busy = lanes.filter((lane) => samples.some((sample) => sample.lanes[lane.provider]?.p95_ms !== undefined));
  const series = busy.slice(0, CURVES.length).map((lane, place) => ({
    name: lane.provider, colour: CURVES[place], say: (value) => (value === null ? 'idle' : duration(value)),
    values: samples.map((sample) => sample.lanes[lane.provider]?.p95_ms ?? null), gaps: true,
  }));
  return html`<section class="card" aria-labelledby="latency"><header><h2 id="latency">Time of vendor calls</h2><span class="muted">95 of 100 calls were faster, last ${duration(KEPT * seconds * 1_000)}</span></header>
    ${series.length ? html`<${Plot} label="Time of vendor calls, 95th percentile" times=${times} series=${series} unit="ms" least=${100} span=${KEPT * seconds} />`
    : html`<p class="muted quietplot">No call in the last minutes.</p>`}</section>`;
}

function Recent({ batches, session }) {
  const columns = [
    { key: 'id', label: 'Batch', head: true, cell: (batch) => html`<${Link} to=${`/batches/${batch.id}`}><code>${batch.id}</code><//>` },
    { key: 'state', label: 'State', cell: (batch) => html`<${Badge} word=${batch.state} />` },
    { key: 'progress', label: 'Progress', wide: true, cell: (batch) => html`<${Progress} counts=${batch.counts} />` },
    { key: 'total', label: 'Messages', number: true, cell: (batch) => number(batch.counts.total) },
    { key: 'app', label: 'App', cell: (batch) => batch.app },
    { key: 'created', label: 'Handed over', cell: (batch) => html`<${Time} at=${batch.created_at} />` },
  ];
  const empty = html`<${Empty} title="No batches yet"><p>${session.may.includes('send') ? html`Write one in the <${Link} to="/playground">playground<//>, or send` : 'Send'} one: <code>interline send FILE</code>.</p><//>`;
  return html`<section aria-labelledby="recent"><div class="head"><h2 id="recent">Newest batches</h2><${Link} to="/batches">All batches<//></div>
    <${Table} caption="Newest batches" hideCaption columns=${columns} rows=${batches} empty=${empty} /></section>`;
}

function Sums({ samples, lanes, seconds }) {
  const last = samples.slice(-5);
  const sum = (of, among) => among.reduce((all, sample) => all + total(sample, of), 0);
  const all = ['accepted', 'rejected', 'unknown', 'expired', 'cancelled'];
  const settled = sum(all, samples);
  const accepted = sum(['accepted'], samples);
  const unknown = sum(['unknown'], samples);
  const rejected = sum(['rejected'], samples);
  const scheduled = lanes.reduce((sumed, lane) => sumed + lane.scheduled, 0);
  const queued = lanes.reduce((sumed, lane) => sumed + lane.queued, 0);
  const flight = lanes.reduce((sumed, lane) => sumed + lane.in_flight, 0);
  const oldest = lanes.map((lane) => lane.oldest_at).filter(Boolean).sort()[0];
  return html`<dl class="stats card">
    <${Stat} label="Messages per second" value=${last.length ? rate(sum(all, last) / (last.length * seconds)) : '–'} note="over 10 s" />
    <${Stat} label="Accepted" value=${settled ? percent(accepted, settled) : '–'} note=${settled ? `of ${number(settled)} in 5 min` : 'nothing in 5 min'} />
    <${Stat} label="Rejected" value=${number(rejected)} note="in 5 min" tone=${rejected ? 'bad' : ''} />
    <${Stat} label="Unknown" value=${number(unknown)} note="in 5 min" tone=${unknown ? 'warn' : ''} />
    <${Stat} label="Waiting" value=${number(queued)} note=${oldest ? html`oldest <${Time} at=${oldest} />` : 'nothing waits'} />
    <${Stat} label="Scheduled" value=${number(scheduled)} note=${html`<${Link} to="/batches" query=${{ state: 'scheduled' }}>for later<//>`} />
    <${Stat} label="Calls in flight" value=${number(flight)} note=${`over ${count(lanes.length, 'lane')}`} />
  </dl>`;
}

export default function Overview({ session }) {
  const [samples, setSamples] = useState([]);
  const [every, setEvery] = useState(2_000);
  const [now, setNow] = useState(null);
  const { value: routes } = useApi('/v1/routes');
  const clock = useNow(5_000);
  const state = useEvents('/v1/events', {
    history: (value) => { setEvery(value.every_ms); setSamples(value.samples); },
    sample: (value) => setSamples((before) => [...before.slice(1 - KEPT), value]),
    overview: (value) => setNow({ ...value, lanes: value.lanes.map((lane) => ({ ...lane, provider: lane.name })) }),
  });
  const head = html`<div class="head"><h1>Overview</h1><${Live} state=${state} /></div>`;
  if (!now) return html`${head}<${Loading} what="Waiting for the first numbers" />`;
  const seconds = every / 1_000;
  return html`${head}<div class="stack"><${Lost} state=${state} at=${now.at} />
    <${Banners} lanes=${now.lanes} routes=${routes?.routes ?? []} samples=${samples} now=${clock} />
    <${Sums} samples=${samples} lanes=${now.lanes} seconds=${seconds} />
    <div class="two"><${Outcomes} samples=${samples} seconds=${seconds} /><${Latency} samples=${samples} lanes=${now.lanes} seconds=${seconds} /></div>
    <section aria-labelledby="lanes"><div class="head"><h2 id="lanes">Lanes</h2><${Link} to="/providers">Providers<//></div>
      ${now.lanes.length ? html`<div class="grid">${now.lanes.map((lane) => html`<${Lane} key=${lane.provider} lane=${lane} samples=${samples} seconds=${seconds} span=${KEPT * seconds} />`)}</div>`
      : html`<${Empty} title="No providers">Add a <code>[providers.NAME]</code> to config.toml; it is read again by itself.<//>`}</section>
    <${Recent} batches=${now.batches} session=${session} />
  </div>`;
}
