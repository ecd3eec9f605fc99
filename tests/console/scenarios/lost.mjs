// A server that goes away and comes back: pages say that they reconnect and go on by themselves. A session that ends
// in between is begun anew on the page where one was. One that is slow is waited for, but not for ever.

import { connect, createServer } from 'node:net';
import { once } from 'node:events';
import { accessible, api, check, picture } from '../browser.mjs';

/** A door in front of the server that can be shut. */
async function door(url) {
  const { hostname, port } = new URL(url);
  const open = new Set();
  const server = createServer((inside) => {
    const outside = connect(Number(port), hostname);
    for (const socket of [inside, outside]) {
      open.add(socket);
      socket.on('error', () => {}).on('close', () => { open.delete(socket); inside.destroy(); outside.destroy(); });
    }
    inside.pipe(outside).pipe(inside);
  });
  const listen = async (at) => { server.listen(at, '127.0.0.1'); await once(server, 'listening'); return server.address().port; };
  const own = await listen(0);
  return {
    url: `http://127.0.0.1:${own}`,
    shut: async () => { const closed = once(server, 'close'); server.close(); open.forEach((socket) => socket.destroy()); await closed; },
    unlock: () => listen(own),
  };
}

export default async function (stage, browser) {
  const front = await door(stage.url);
  stage.url = front.url;
  try {
    await behind(front, stage, browser);
  } finally {
    await front.shut();
  }
}

/** What is read from a slow server is not asked for twice; an order without an answer is told as that. */
async function slow(stage, browser) {
  const page = await browser.page({ as: 'ops' });
  await page.clock.install();
  for (const [path, asks, shown] of [
    ['/find?to=user:nobody', '**/v1/messages?*', 'Nothing to user:nobody in that time'],
    ['/callbacks', '**/v1/callbacks?*', 'Nobody is told of batches yet'],
  ]) {
    const held = [];
    await page.route(asks, (route) => { held.push(route); return held.length === 1 ? route.abort() : undefined; });
    await page.goto(`/console${path}`);
    const again = page.waitForRequest(asks);
    await page.getByText('This page tries again by itself.').waitFor();
    await page.clock.runFor(2_000);
    await again;
    await page.clock.runFor(20_000);
    check(held.length === 2, `${path} has asked a slow server ${held.length - 1} times`);
    await held[1].continue();
    await page.getByText(shown).waitFor();
    await page.unroute(asks);
  }

  await page.route('**/v1/providers/oim/pause', () => {});
  await page.goto('/console/providers');
  await page.getByRole('button', { name: 'Pause oim' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByRole('button', { name: 'Pause it' }).click();
  await dialog.getByRole('button', { name: 'Working…' }).waitFor();
  await page.clock.runFor(90_000);
  await dialog.getByText('No answer has come within 90 seconds.').waitFor();
  await dialog.getByText('Whether this worked is not known').waitFor();
  await dialog.getByText('It may have been done all the same').waitFor();
  await accessible(page, 'an order without an answer');
  await picture(stage, page, 'lost-order', false);
  await page.keyboard.press('Escape');
  await dialog.waitFor({ state: 'detached' });
  await page.close();
}

async function behind(front, stage, browser) {
  browser.expect(/Failed to load resource/, /ERR_CONNECTION_REFUSED|ERR_INCOMPLETE_CHUNKED_ENCODING|ERR_EMPTY_RESPONSE|ERR_CONNECTION_RESET/);
  await api(stage, 'ops', 'POST', '/v1/providers/wk/pause');
  const { id } = await api(stage, 'ops', 'POST', '/v1/batches', { from: 'system', content: { type: 'text', text: 'hi' }, messages: [{ to: 'user:a' }] });
  await slow(stage, browser);
  const pages = [];
  const shown = [['/', 'wk is paused'], ['/providers', 'wk'], [`/batches/${id}`, 'user:a'], ['/find?to=user:a', '1 message to'], ['/batches', id]];
  for (const [path, text] of shown) {
    const page = await browser.page({ as: 'ops' });
    await page.goto(`/console${path}`);
    await page.getByText(text).first().waitFor();
    await page.evaluate(() => { window.sameDocument = true; });
    pages.push([path, page]);
  }
  await front.shut();
  for (const [path, page] of pages.slice(0, 3)) {
    await page.getByText('Reconnecting…').waitFor();
    await page.getByText('reconnecting', { exact: true }).waitFor();
    await accessible(page, `${path} without its server`);
  }
  await picture(stage, pages[0][1], 'lost-overview');
  await pages[4][1].getByText('This page tries again by itself.').waitFor();
  await picture(stage, pages[4][1], 'lost-batches');
  await front.unlock();
  for (const [path, page] of pages) {
    await page.getByText(/Reconnecting…|tries again by itself/).waitFor({ state: 'detached' });
    check(await page.evaluate(() => window.sameDocument === true), `${path} was loaded again`);
  }
  // It is live again, not only quiet.
  await api(stage, 'ops', 'POST', '/v1/providers/wk/resume');
  await pages[2][1].getByText('settled', { exact: true }).first().waitFor();

  // A session that ends in the middle: the same page after signing in again, with what was chosen on it.
  const [, page] = pages[4];
  await page.getByLabel('State').selectOption('settled');
  await page.waitForURL(/state=settled/);
  await page.context().request.delete('/v1/session', { headers: { 'interline-console': '1', origin: stage.url } });
  await page.getByText('Your session has ended').waitFor();
  await page.getByLabel('Key of an app').fill(stage.keys.ops);
  await page.keyboard.press('Enter');
  await page.getByRole('link', { name: id }).waitFor();
  check(page.url().endsWith('/console/batches?state=settled'), `after signing in again the page is ${page.url()}`);
  check((await page.getByLabel('State').inputValue()) === 'settled', 'what was chosen is forgotten');
}
