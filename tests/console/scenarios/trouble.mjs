// What needs somebody's eye stands at the top of the overview: a breaker that is open and who stands in, a vendor that
// makes us wait, a provider that is paused, that goes away, that does not answer, and a lane that does not move.

import { accessible, api, check, fault, mend, picture, reconfigure } from '../browser.mjs';

const SERVER = '[providers.away]\nvendor = "wukongim"\nbase_url = "http://127.0.0.1:9"\ndialect = "auto"\n\n';

const send = (stage, ...recipients) => api(stage, 'ops', 'POST', '/v1/batches', {
  from: 'system', content: { type: 'text', text: 'hi' }, messages: recipients.map((to) => ({ to })),
});

/** An overview of lanes that have had something to send for two minutes, as the server would tell of it. */
async function overview(stage, changes) {
  const { providers } = await api(stage, 'ops', 'GET', '/v1/providers');
  const now = Date.now();
  const lanes = Object.entries(changes).map(([name, change]) => ({
    ...providers.find((one) => one.name === name), state: 'ready', breaker: 'closed', trouble: null, waiting: 3, queued: 3, scheduled: 0, in_flight: 0,
    oldest_at: new Date(now - 120_000).toISOString(), outcomes: {}, ...change,
  }));
  const samples = Array.from({ length: 60 }, (_, at) => ({ at_ms: now - 2_000 * (60 - at), lanes: { wk: { queued: 3 } } }));
  const event = (name, value) => `event: ${name}\ndata: ${JSON.stringify(value)}\n\n`;
  return event('history', { every_ms: 2_000, samples }) + event('overview', { lanes, batches: [], at: new Date(now).toISOString() });
}

export default async function (stage, browser) {
  await reconfigure(stage, (config) => `${config.replace('[[routes]]', `${SERVER}[[routes]]`).replace('name = "rest"\nprovider = "wk"', 'name = "rest"\nprovider = "wk"\nfallback = ["oim"]')}`);
  const page = await browser.page({ as: 'ops' });
  const phone = await browser.page({ as: 'ops', size: 'phone', scheme: 'dark' });
  await page.goto('/console/');
  const banner = (text) => page.locator('.banners .notice', { hasText: text });
  await banner('away does not answer as a wukongim server.').waitFor();

  await fault(stage, 'wukongim', { kind: 'status', value: 503 });
  await send(stage, ...Array.from({ length: 12 }, (_, at) => `user:u${at}`));
  await banner(/The breaker of wk is (half )?open\./).waitFor();
  await banner('Running on fallback. Route rest: oim instead of wk.').waitFor();

  await fault(stage, 'netease', { kind: 'status', value: 429, retry_after: 120 });
  await send(stage, 'room:17');
  await banner('ne made us wait in room: no calls until').waitFor();

  await api(stage, 'ops', 'POST', '/v1/providers/oim/pause');
  await banner('oim is paused. Nothing is sent there until it is resumed.').waitFor();
  await banner('No fallback is left.').waitFor();

  await reconfigure(stage, (config) => config.replace('[providers.kit]\n', '[providers.kit]\ndrain_to = "wk"\n'));
  await banner('kit is draining. Nothing new goes there').waitFor();

  const heard = await page.getByRole('status').filter({ hasText: 'Needs attention' }).textContent();
  for (const one of ['wk breaker', 'wk fallback', 'oim paused', 'kit draining', 'away dialect', 'ne frozen-room']) {
    check(heard.includes(one), `a screen reader does not hear of ${one}: ${heard}`);
  }
  const first = await page.locator('.banners .notice').first().textContent();
  check(first.startsWith('The breaker of wk'), `the worst does not come first, but ${first}`);
  await accessible(page, 'an overview full of trouble');
  await picture(stage, page, 'trouble-overview');
  await page.goto('/console/providers');
  await page.getByRole('article', { name: 'kit' }).getByText('draining', { exact: true }).waitFor();
  await accessible(page, 'providers in trouble');
  await picture(stage, page, 'trouble-providers');
  await phone.goto('/console/');
  await phone.getByText('No fallback is left. Route rest has oim, which is paused itself: its messages wait.').waitFor();
  await accessible(phone, 'an overview full of trouble on a phone');
  await picture(stage, phone, 'trouble-phone');

  // All of it goes away by itself with its reason.
  await Promise.all([mend(stage, 'wukongim'), mend(stage, 'netease')]);
  await api(stage, 'ops', 'POST', '/v1/providers/oim/resume');
  await page.goto('/console/');
  await banner('away does not answer').waitFor();
  await banner('oim is paused').waitFor({ state: 'detached' });

  let told = await overview(stage, { wk: { breaker: 'open' }, oim: { breaker: 'half_open', in_flight: 1 } });
  await page.route('**/v1/events', (route) => route.fulfill({ contentType: 'text/event-stream', body: told }));
  await page.reload();
  // Who is being tried takes nothing else.
  await banner('No fallback is left. Route rest has oim, which does not answer either: its messages wait.').waitFor();
  told = await overview(stage, { wk: {} });
  await page.reload();
  await banner('wk has something to send and sends nothing. 3 messages wait.').waitFor();
  // That stream ends, as one does whose server has gone: the page says so and does not pretend to be live.
  await page.getByText('Reconnecting…').waitFor();
  await picture(stage, page, 'trouble-stuck');
}
