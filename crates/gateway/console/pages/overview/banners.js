// What needs somebody's eye, at the top: who is paused, who is down and who stands in, what does not move.

import { html } from '../../lib.js';
import { Link } from '../../router.js';
import { count, words } from '../../format.js';
import { Time } from '../../parts.js';

/** How long a lane may have something to send and send nothing, in milliseconds. */
const STUCK = 60_000;

const STATES = { paused: 'paused', draining: 'draining', waiting: 'not known to answer' };

/** Breakers that let nothing through but one call that tries. */
const DOWN = ['open', 'half_open'];

/** What is worse comes first; who stands in is told beside who is down. */
const RANKS = { breaker: 0, fallback: 0, stuck: 0 };

const page = (name) => html`<${Link} to="/providers">${name}<//>`;

const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1);

/** Who stands in for a provider, by the routes. */
const standsIn = (routes, name) => routes.filter((route) => (route.provider === name || route.split?.[name]) && route.fallback?.length);

/** Whether calls have been made in this lane lately. */
const moved = (samples, name, now) => samples.some((sample) => sample.at_ms > now - STUCK && sample.lanes[name]?.classes);

function ofLane(lane, lanes, routes, samples, now) {
  const found = [];
  const other = (name) => lanes.find((one) => one.provider === name);
  const takes = (name) => other(name)?.state === 'ready' && !DOWN.includes(other(name).breaker);
  const able = (route) => route.fallback.some(takes);
  const kept = (name) => { const one = other(name); return one?.state === 'ready' ? 'does not answer either' : `is ${STATES[one?.state] ?? 'not there'} itself`; };
  const add = (key, tone, content) => found.push({ key: `${lane.provider}-${key}`, rank: RANKS[key] ?? 1, tone, content });
  const waits = lane.queued > 0 ? ` ${count(lane.queued, 'message')} ${lane.queued === 1 ? 'waits' : 'wait'}.` : '';
  if (lane.state === 'paused') add('paused', 'warn', html`<strong>${page(lane.provider)} is paused.</strong> Nothing is sent there until it is resumed.${waits}`);
  if (lane.state === 'draining') add('draining', 'warn', html`<strong>${page(lane.provider)} is draining.</strong> Nothing new goes there, and what waits moves to another provider.${waits}`);
  if (lane.state === 'waiting') add('dialect', 'warn', html`<strong>${page(lane.provider)} does not answer as a ${lane.vendor} server.</strong> What it speaks is not known, so its messages wait.${waits}`);
  if (DOWN.includes(lane.breaker)) {
    const routed = standsIn(routes, lane.provider);
    add('breaker', 'bad', html`<strong>The breaker of ${page(lane.provider)} is ${words(lane.breaker)}.</strong> ${lane.trouble ? `${sentence(lane.trouble)}. ` : ''}${lane.breaker_until && html`The next call is tried <${Time} at=${lane.breaker_until} />.`}${waits}`);
    if (routed.length) add('fallback', 'warn', html`<strong>${routed.some(able) ? 'Running on fallback.' : 'No fallback is left.'}</strong> ${routed.map((route) => (able(route)
      ? `Route ${route.name}: ${route.fallback.filter(takes).join(', then ')} instead of ${lane.provider}.`
      : `Route ${route.name} has ${route.fallback.map((name) => `${name}, which ${kept(name)}`).join(', and ')}: its messages wait.`)).join(' ')}`);
  }
  for (const frozen of lane.classes.filter((one) => one.frozen_until)) add(`frozen-${frozen.name}`, 'warn', html`<strong>${page(lane.provider)} made us wait in ${frozen.name}:</strong> no calls until <${Time} at=${frozen.frozen_until} full />. Nothing fails by it.`);
  const frozen = lane.classes.some((one) => one.frozen_until);
  const quiet = !frozen && lane.state === 'ready' && lane.breaker === 'closed' && lane.waiting > 0 && lane.in_flight === 0;
  const old = lane.oldest_at && now - Date.parse(lane.oldest_at) > STUCK;
  if (quiet && old && samples.length * 2_000 >= STUCK && !moved(samples, lane.provider, now)) {
    add('stuck', 'bad', html`<strong>${page(lane.provider)} has something to send and sends nothing.</strong>${waits} ${lane.trouble ? `${sentence(lane.trouble)}.` : 'The log of the server says more.'}`);
  }
  return found;
}

export function Banners({ lanes, routes, samples, now }) {
  const found = lanes.flatMap((lane) => ofLane(lane, lanes, routes, samples, now)).sort((one, other) => one.rank - other.rank);
  // Read out when something begins or ends; the seconds in the banners themselves are not.
  const heard = found.map((one) => one.key.replace('-', ' ')).join(', ');
  return html`<p class="hidden" role="status">${heard && `Needs attention: ${heard}`}</p><div class="stack banners">${found.map((one) => html`<div key=${one.key} class="notice ${one.tone}"><p>${one.content}</p></div>`)}</div>`;
}
