// A server that goes away and comes back: pages say that they reconnect and go on by themselves. A session that ends
// in between is begun anew on the page where one was.

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

async function behind(front, stage, browser) {
  browser.expect(/Failed to load resource/, /ERR_CONNECTION_REFUSED|ERR_INCOMPLETE_CHUNKED_ENCODING|ERR_EMPTY_RESPONSE|ERR_CONNECTION_RESET/);
  await api(stage, 'ops', 'POST', '/v1/providers/wk/pause');
  const { id } = await api(stage, 'ops', 'POST', '/v1/batches', { from: 'system', content: { type: 'text', text: 'hi' }, messages: [{ to: 'user:a' }] });
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
