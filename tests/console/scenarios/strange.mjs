// What others write is text and nothing else, on every page: HTML, right to left, emoji, and names without end.

import { createServer } from 'node:http';
import { once } from 'node:events';
import { accessible, api, check, eventually, picture, reconfigure } from '../browser.mjs';
import { settled } from '../seed.mjs';

const HTML = '<img src=x onerror=alert(1)>';
const IDS = [HTML, 'مريم العربية', '👩‍👩‍👧‍👦🎉', 'x'.repeat(200), '"\'`${alert(1)}', '\u202Eevil'];

/** Pages whose tables become cards on a phone. */
const LONG = ['batch', 'batches', 'find-long', 'overview'];

/** No markup of theirs has become ours. */
async function unharmed(page, where) {
  const found = await page.evaluate(() => document.querySelectorAll('main img, main script, dialog img, .toasts img').length);
  check(found === 0, `${where}: ${found} elements are somebody else's`);
}

export default async function (stage, browser) {
  // A vendor of our own making, that says it in its own words.
  const vendor = createServer((request, answer) => {
    request.resume();
    answer.writeHead(400, { 'content-type': 'application/json' }).end(JSON.stringify({ status: 400, msg: HTML }));
  }).listen(0, '127.0.0.1');
  await once(vendor, 'listening');
  try {
    const provider = `[providers.odd]\nvendor = "wukongim"\nbase_url = "http://127.0.0.1:${vendor.address().port}"\ndialect = "v2"\n\n`;
    const route = '[[routes]]\nname = "odd"\nwhen = { id = "odd-*" }\nprovider = "odd"\n\n';
    await reconfigure(stage, (config) => config.replace('[[routes]]', `${provider}${route}[[routes]]`));
    const messages = IDS.flatMap((id, at) => [{ id: `${at}${id}`.slice(0, 64), to: `user:${id}` }, { to: `user:odd-${id}` }]);
    const body = { from: 'system', content: { type: 'text', text: HTML }, messages, labels: { [HTML.slice(1, 9)]: HTML.slice(0, 28) }, trace_id: undefined, validation: 'permissive' };
    const failed = await settled(stage, body);
    const { counts } = await api(stage, 'ops', 'GET', `/v1/batches/${failed}`);
    check(counts.accepted > 0 && counts.rejected >= IDS.length, `the vendors took ${JSON.stringify(counts)}`);

    browser.expect(/status of 404 .*\/v1\/batches\//, /status of 400 .*\/v1\//);
    const wrong = [];
    for (const [size, scheme] of [['wide', 'light'], ['phone', 'dark']]) {
      const page = await browser.page({ as: 'ops', size, scheme });
      for (const [name, path, shown] of [
        ['batch', `/batches/${failed}`, HTML],
        ['batches', '/batches', failed],
        ['overview', '/', failed],
        ['find', `/find?to=${encodeURIComponent(`user:odd-${HTML}`)}`, HTML],
        ['find-long', `/find?to=user:${'x'.repeat(200)}`, 'accepted'],
        ['find-broken', `/find?to=${encodeURIComponent(HTML)}`, 'The search did not work'],
        ['providers', '/providers', 'odd'],
        ['batch-nowhere', `/batches/${encodeURIComponent(HTML)}`, 'This batch cannot be shown'],
        ['filtered', `/batches?label=${encodeURIComponent(HTML)}`, 'No batch fits these filters'],
        ['nowhere', `/${encodeURIComponent(HTML)}`, 'There is no such page'],
      ]) {
        await page.goto(`/console${path}`);
        await page.getByText(shown).first().waitFor();
        await unharmed(page, name);
        if (size === 'wide' || LONG.includes(name)) await accessible(page, `${name} with strange names, ${size}`).catch((error) => wrong.push(error.message));
        await picture(stage, page, `strange-${name}-${size}`);
      }
    }
    check(wrong.length === 0, wrong.join('\n'));

    const page = await browser.page({ as: 'ops' });
    await page.goto(`/console/batches/${failed}?status=rejected`);
    await page.getByRole('table', { name: 'Results' }).getByRole('button').first().click();
    await page.getByRole('dialog').getByText(HTML).first().waitFor();
    await unharmed(page, 'the details of a result');
    await picture(stage, page, 'strange-result', false);
    await page.keyboard.press('Escape');

    // A name that turns what follows it round cannot look like another one.
    await page.goto(`/console/batches/${failed}`);
    await page.getByRole('link', { name: 'user:U+202Eevil' }).waitFor();

    // What is copied is what is meant, to the last character.
    await page.getByRole('button', { name: 'Copy the batch’s id' }).click();
    await eventually('the id is copied', async () => (await page.evaluate(() => navigator.clipboard.readText())) === failed);

    await page.goto('/console/playground');
    await page.getByLabel('Batch as JSON').fill(JSON.stringify({ from: 'system', content: { type: 'text', text: HTML }, messages: [{ to: `user:${HTML}` }, { to: HTML }] }));
    await page.getByRole('button', { name: 'Plan', exact: true }).click();
    await page.getByText('is not a recipient').waitFor();
    await unharmed(page, 'the errors of a batch');
  } finally {
    vendor.closeAllConnections();
    vendor.close();
  }
}
