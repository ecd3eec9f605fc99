// Somebody else's page cannot order anything with the cookie of who is signed in, nor read, nor frame the console.

import { createServer } from 'node:http';
import { once } from 'node:events';
import { api, arrived, check } from '../browser.mjs';

const BATCH = JSON.stringify({ from: 'system', content: { type: 'text', text: 'forged' }, messages: [{ to: 'user:alice' }] });

export default async function (stage, browser) {
  const { port } = new URL(stage.url);
  // The same machine, another port: same site for a cookie, so SameSite alone would let it pass.
  const evil = createServer((_, answer) => {
    answer.setHeader('content-type', 'text/html');
    answer.end('<!doctype html><title>elsewhere</title><body>elsewhere');
  }).listen(0, '127.0.0.1');
  await once(evil, 'listening');
  const elsewhere = `http://127.0.0.1:${evil.address().port}`;
  try {
    browser.expect(/./);
    const page = await browser.page({ as: 'ops' });
    await page.goto('/console/providers');
    await page.getByRole('article', { name: 'wk', exact: true }).waitFor();
    await page.goto(elsewhere);

    const orders = [
      ['POST', '/v1/batches', BATCH, {}],
      ['POST', '/v1/send', BATCH, {}],
      ['POST', '/v1/batches', BATCH, { 'Interline-Console': '1', 'Content-Type': 'application/json' }],
      ['POST', '/v1/providers/wk/pause', undefined, {}],
      ['POST', '/v1/migrations/wk-to-oim/start', undefined, {}],
      ['POST', '/v1/config/reload', undefined, {}],
      ['DELETE', '/v1/session', undefined, {}],
    ];
    for (const [method, path, body, headers] of orders) {
      const answered = await page.evaluate(async ([url, init]) => {
        try {
          return (await fetch(url, init)).status;
        } catch {
          return 'not readable';
        }
      }, [stage.url + path, { method, body, headers, credentials: 'include', mode: 'cors' }]);
      check(answered === 'not readable', `${method} ${path} from elsewhere was answered ${answered}`);
      // Without CORS the request is sent and only its answer kept back: what counts is that nothing happened.
      await page.evaluate(async ([url, init]) => {
        try { await fetch(url, init); } catch { /* refused by the browser already */ }
      }, [stage.url + path, { method: method === 'DELETE' ? 'POST' : method, body, credentials: 'include', mode: 'no-cors' }]);
    }
    // A plain form, as in a page from before fetch.
    for (const path of ['/v1/providers/wk/pause', '/v1/batches']) {
      await page.goto(elsewhere);
      const answered = page.waitForResponse((answer) => answer.url().endsWith(path));
      await page.evaluate((url) => {
        const form = document.createElement('form');
        Object.assign(form, { method: 'post', action: url, enctype: 'text/plain' });
        document.body.append(form);
        form.submit();
      }, stage.url + path);
      const status = (await answered).status();
      await page.waitForURL(stage.url + path);
      check(status === 401 || status === 403, `a form from elsewhere to ${path} was answered ${status}`);
    }
    // Even the right header does not do without the right origin, whoever writes the request.
    const cookie = (await page.context().cookies(stage.url)).map((one) => `${one.name}=${one.value}`).join('; ');
    check(cookie !== '', 'there is no session to forge with');
    for (const headers of [
      { origin: elsewhere, 'interline-console': '1' },
      { origin: 'null', 'interline-console': '1' },
      { origin: stage.url },
      { 'sec-fetch-site': 'same-site', 'interline-console': '1' },
      { 'sec-fetch-site': 'cross-site', 'interline-console': '1' },
    ]) {
      const answer = await page.context().request.post(`${stage.url}/v1/providers/wk/pause`, { headers });
      check(answer.status() === 403, `${JSON.stringify(headers)} was answered ${answer.status()}`);
    }

    const providers = await api(stage, 'ops', 'GET', '/v1/providers');
    check(providers.providers.every((provider) => provider.state !== 'paused'), 'a provider was paused from elsewhere');
    check((await api(stage, 'ops', 'GET', '/v1/batches')).batches.length === 0, 'a batch was taken from elsewhere');
    check((await arrived(stage, 'wukongim')) === 0, 'a message was sent from elsewhere');

    // Framing: the console refuses to be shown inside of another page.
    await page.goto(elsewhere);
    await page.evaluate((url) => {
      const frame = document.createElement('iframe');
      frame.src = url;
      document.body.append(frame);
      return new Promise((done) => frame.addEventListener('load', done));
    }, `${stage.url}/console/`);
    const framed = page.frames().find((frame) => frame.url().startsWith(`http://127.0.0.1:${port}`));
    check(framed === undefined || (await framed.locator('#app').count()) === 0, 'the console can be framed');
  } finally {
    evil.close();
  }
}
