// What the playground plans is what is sent: errors at their places, the plan of a good batch, a durable send to
// its end, and a direct one.

import { api, arrived, check, eventually, picture } from '../browser.mjs';

const editor = (page) => page.getByLabel('Batch as JSON');

async function plan(page) {
  await page.getByRole('button', { name: 'Plan', exact: true }).click();
  await page.getByRole('heading', { name: 'Calls to the vendors' }).waitFor();
}

/** Results that are asked for first and come last are not shown over newer ones. */
async function overtaken(stage, browser) {
  await api(stage, 'ops', 'POST', '/v1/providers/wk/pause');
  const page = await browser.page({ as: 'ops' });
  let held = null;
  await page.route('**/v1/batches/*/messages?*', async (route) => {
    if (held !== null) { await route.continue(); return; }
    const answer = await route.fetch();
    held = { body: await answer.text(), route };
  });
  await page.goto('/console/playground');
  await page.getByLabel('Example').selectOption('text');
  await page.getByRole('button', { name: 'Send…' }).click();
  await page.getByRole('button', { name: 'Send now' }).click();
  await eventually('the results are asked for while it waits', async () => held);
  check(held.body.includes('"queued"'), `the first answer is ${held.body}`);
  await api(stage, 'ops', 'POST', '/v1/providers/wk/resume');
  const row = page.getByRole('region', { name: 'Results' }).getByRole('table', { name: 'Results' }).getByRole('row').nth(1);
  await row.getByText('accepted').waitFor();
  const late = page.waitForEvent('requestfinished', (request) => request.url().includes('/messages?'));
  await held.route.fulfill({ body: held.body, contentType: 'application/json' });
  await late;
  // Once what came late has been read and drawn, if it is.
  await page.evaluate(() => new Promise((done) => setTimeout(() => requestAnimationFrame(() => requestAnimationFrame(done)), 0)));
  check((await row.getByText('accepted').count()) === 1, 'an older answer is shown over a newer one');
  await page.close();
}

export default async function (stage, browser) {
  // A batch that cannot be read is answered with 400, and the browser notes that.
  browser.expect(/status of 400 .*\/v1\/plan/);
  const page = await browser.page({ as: 'ops' });
  await page.goto('/console/playground');

  // Text that is no JSON is told with its line before anything is asked.
  await editor(page).fill('{\n  "messages": [\n    {"to": }\n  ]\n}');
  await page.getByRole('button', { name: /line 3/ }).waitFor();

  // What the server refuses stands at its JSON pointer, and leads there.
  await editor(page).fill('{\n  "from": "system",\n  "content": {"type": "text", "text": 3},\n  "messages": []\n}');
  await page.getByRole('button', { name: 'Plan', exact: true }).click();
  await page.getByRole('button', { name: '/content/text line 3' }).waitFor();
  await editor(page).fill('{\n  "from": "system",\n  "content": {"type": "text", "text": "hi"},\n  "messages": [\n    {"to": "nobody"},\n    {"to": "user:a", "extensions": {"netease": {"abandonRatio": "x"}}}\n  ]\n}');
  await page.getByRole('button', { name: 'Plan', exact: true }).click();
  await page.getByRole('button', { name: '/messages/0/to line 5' }).click();
  const selected = await editor(page).evaluate((field) => field.value.slice(field.selectionStart, field.selectionEnd));
  check(selected === '"to": "nobody"', `selected is ${selected}`);
  await page.getByText('is not a recipient').waitFor();
  await picture(stage, page, 'playground-errors');

  // Lines of NDJSON become one batch, with every number as it was written.
  await editor(page).fill('{"from": "system", "content": {"type": "custom", "data": {"n": 12345678901234567890}}}\n{"to": "user:a"}\n\n{"to": "room:1", "id": "last"}\n');
  await page.getByText('Lines of NDJSON: 2 messages put together as one batch.').waitFor();
  const put = await editor(page).inputValue();
  check(put.includes('12345678901234567890') && JSON.parse(put).messages[1].id === 'last', `put together is ${put}`);
  await plan(page);
  await page.getByRole('table', { name: 'Where each message goes' }).getByText('room:1', { exact: true }).waitFor();

  // Every example of the picker can be planned.
  const examples = await page.getByLabel('Example').locator('option').evaluateAll((options) => options.map((one) => one.value));
  check(examples.length > 12, 'too few examples');
  for (const example of examples.filter((one) => one !== '')) {
    await page.getByLabel('Example').selectOption(example);
    const text = await editor(page).inputValue();
    const answered = page.waitForResponse((answer) => answer.url().endsWith('/v1/plan'));
    await page.getByRole('button', { name: 'Plan', exact: true }).click();
    const answer = await (await answered).json();
    check(answer.errors.length === 0, `${example}: ${JSON.stringify(answer.errors)}\n${text}`);
  }

  await page.getByLabel('Example').selectOption('several');
  await plan(page);
  const messages = page.getByRole('table', { name: 'Where each message goes' });
  await messages.getByText('the route rooms is the first that takes it').waitFor();
  await messages.getByText('others not taken').first().click();
  await messages.getByText(/it takes room, not user/).first().waitFor();
  await page.getByText('kind', { exact: true }).first().waitFor();
  await page.locator('details.call').first().locator('summary').click();
  const call = page.locator('details.call[open]');
  await call.getByRole('button', { name: 'Copy curl' }).click();
  await call.getByRole('button', { name: 'Copied' }).waitFor();
  const copied = await page.evaluate(() => navigator.clipboard.readText());
  check(copied.startsWith('curl -X POST'), `copied is ${copied}`);
  const shown = await page.locator('main').innerText();
  for (const secret of ['twin-app-secret', 'openIM123', 'twin-imkit-key']) check(!shown.includes(secret), `${secret} is shown`);
  await picture(stage, page, 'playground-plan');
  const before = await Promise.all(['wukongim', 'netease'].map((vendor) => arrived(stage, vendor)));
  check(before.every((count) => count === 0), 'a plan has sent something');

  // Sending asks first, and Escape keeps everything as it is.
  await page.getByRole('button', { name: 'Send…' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByText('4 messages', { exact: true }).waitFor();
  await picture(stage, page, 'playground-confirm', false);
  await page.keyboard.press('Escape');
  await dialog.waitFor({ state: 'detached' });
  check((await api(stage, 'ops', 'GET', '/v1/batches')).batches.length === 0, 'something was stored without confirmation');

  await page.getByRole('button', { name: 'Send…' }).click();
  await page.getByRole('button', { name: 'Send now' }).click();
  const results = page.getByRole('region', { name: 'Results' });
  await page.getByText('4 of 4 messages').waitFor();
  await page.getByText('4 accepted').waitFor();
  const table = results.getByRole('table', { name: 'Results' });
  await table.getByText('accepted').nth(3).waitFor();
  await results.getByText('room:765788').waitFor();
  await picture(stage, page, 'playground-sent');
  const stored = await api(stage, 'ops', 'GET', '/v1/batches');
  check(stored.batches.length === 1, 'one send, one batch');
  await eventually('all has arrived', async () => (await arrived(stage, 'netease')) === 1 && (await arrived(stage, 'wukongim')) === 3);

  await overtaken(stage, browser);

  await page.getByLabel('Direct').check();
  await page.getByLabel('Example').selectOption('text');
  await page.getByRole('button', { name: 'Send…' }).click();
  await page.getByRole('button', { name: 'Send now' }).click();
  await page.getByText('1 of 1 message').waitFor();
  await page.getByRole('link', { name: /Open batch/ }).click();
  await page.waitForURL(/\/console\/batches\/bat_/);
  await page.getByText('user:alice').first().waitFor();
}
