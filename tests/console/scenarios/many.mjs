// Lists longer than a page: forward and back, with which rows these are of how many.

import { accessible, api, check, fault, picture } from '../browser.mjs';
import { settled } from '../seed.mjs';

/** Turns the page by a button, which keeps the focus; then these rows are shown. */
async function turn(page, pager, name, rows) {
  await pager.getByRole('button', { name }).click();
  await pager.getByText(rows).waitFor();
  const focused = await page.evaluate(() => document.activeElement.textContent);
  check(focused === name, `after ${name} of ${rows} the focus is at ${focused.slice(0, 40)}`);
}

export default async function (stage, browser) {
  const text = { from: 'system', content: { type: 'text', text: 'hi' } };
  await fault(stage, 'netease', { kind: 'code', value: 403 });
  const messages = Array.from({ length: 130 }, (_, at) => ({ id: `m${String(at).padStart(3, '0')}`, to: at < 70 ? `user:u${at}` : `room:${at}` }));
  const large = await settled(stage, { ...text, messages });
  for (let round = 0; round < 11; round += 1) {
    await Promise.all(Array.from({ length: 10 }, () => api(stage, 'ops', 'POST', '/v1/batches', { ...text, messages: [{ to: 'user:a' }] })));
  }
  const page = await browser.page({ as: 'ops' });
  await page.goto(`/console/batches/${large}`);
  const pager = page.getByRole('navigation', { name: 'Pages of results' });
  const row = (id) => page.getByRole('table', { name: 'Results' }).getByRole('button', { name: id, exact: true });
  const first = await page.getByRole('table', { name: 'Results' }).getByRole('button').first().textContent();
  await pager.getByText('1 to 25 of 130').waitFor();
  await turn(page, pager, 'Next', '26 to 50 of 130');
  await turn(page, pager, 'Next', '51 to 75 of 130');
  await accessible(page, 'the third page of results');
  await picture(stage, page, 'many-results');
  await turn(page, pager, 'Previous', '26 to 50 of 130');
  await turn(page, pager, 'Back to the start', '1 to 25 of 130');
  await row(first).waitFor();
  // At an end its button stays where the focus is, and does nothing.
  await page.keyboard.press('Enter');
  const focused = await page.evaluate(() => document.activeElement.textContent);
  check(focused === 'Back to the start', `the focus is at ${focused}`);

  // From a cause to its messages, in an address that can be handed on.
  await page.getByRole('table', { name: 'Failures by cause' }).getByRole('button', { name: 'rejected' }).click();
  await pager.getByText('1 to 25 of 60').waitFor();
  check(new URL(page.url()).searchParams.get('status') === 'rejected', `the address is ${page.url()}`);
  await page.reload();
  await pager.getByText('1 to 25 of 60').waitFor();

  await page.goto('/console/batches');
  const batches = page.getByRole('navigation', { name: 'Pages of batches' });
  await batches.getByText('1 to 50').waitFor();
  for (const rows of ['51 to 100', '101 to 111']) await turn(page, batches, 'Next', rows);
  await page.getByRole('link', { name: large }).waitFor();
  await accessible(page, 'the last page of batches');
  await picture(stage, page, 'many-batches');
}
