// A batch is followed live to its end without loading anything again; why messages failed is told by cause, in the
// vendor's words, and what failed is sent again as a new batch.

import { accessible, api, arrived, check, eventually, fault, mend, picture } from '../browser.mjs';

export default async function (stage, browser) {
  await api(stage, 'ops', 'POST', '/v1/providers/wk/pause');
  await fault(stage, 'netease', { kind: 'code', value: 403 });
  const users = Array.from({ length: 60 }, (_, at) => ({ id: `u${at}`, to: `user:u${at}` }));
  const rooms = Array.from({ length: 3 }, (_, at) => ({ id: `r${at}`, to: 'room:17' }));
  const body = { from: 'system', content: { type: 'text', text: 'hi' }, messages: [...users, ...rooms], labels: { campaign: 'spring' } };
  const { id } = await api(stage, 'shop', 'POST', '/v1/batches', body);

  const page = await browser.page({ as: 'shop' });
  await page.goto('/console/batches');
  await page.getByRole('link', { name: id }).click();
  await page.getByRole('heading', { level: 1, name: id }).waitFor();
  await page.getByText('live', { exact: true }).waitFor();
  const progress = page.getByRole('region', { name: 'Progress' });
  const number = (label, value) => progress.locator('.stat', { hasText: label }).locator('dd', { hasText: new RegExp(`^${value}`) });
  await number('Rejected', 3).waitFor();
  await picture(stage, page, 'batch-live');
  await mend(stage, 'netease');
  await page.evaluate(() => { window.sameDocument = true; });

  await api(stage, 'ops', 'POST', '/v1/providers/wk/resume');
  await page.getByText('settled', { exact: true }).first().waitFor();
  await number('Accepted', 60).waitFor();
  check(await page.evaluate(() => window.sameDocument === true), 'the page was loaded again');

  const causes = page.getByRole('table', { name: 'Failures by cause' });
  const cause = causes.getByRole('row').nth(1);
  await cause.getByText('3', { exact: true }).waitFor();
  await cause.getByText('403').waitFor();
  await page.getByRole('combobox', { name: 'Status' }).selectOption('rejected');
  await page.getByRole('table', { name: 'Results' }).getByRole('row').nth(3).waitFor();
  check((await page.getByRole('table', { name: 'Results' }).getByRole('row').count()) === 4, 'the filter shows others too');
  await page.getByRole('button', { name: 'r0', exact: true }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByText('room:17').first().waitFor();
  await accessible(page, 'the details of a result');
  await picture(stage, page, 'batch-result', false);
  await page.keyboard.press('Escape');
  await dialog.waitFor({ state: 'detached' });
  await accessible(page, 'a batch that has failed in part');
  await picture(stage, page, 'batch-settled');

  const exported = await page.context().request.get(await page.getByRole('link', { name: 'Export CSV' }).getAttribute('href'));
  check(exported.ok() && (await exported.text()).split('\n').filter((line) => line !== '').length === 4, 'the export is another');

  await page.getByRole('button', { name: 'Redrive…' }).click();
  await dialog.getByText('A new batch is made of 3 messages').waitFor();
  await accessible(page, 'the question before a redrive');
  await picture(stage, page, 'batch-redrive', false);
  await dialog.getByRole('button', { name: 'Send 3 messages again' }).click();
  await page.getByRole('link', { name: 'open the new batch' }).click();
  await page.getByText('Redriven from').waitFor();
  await page.getByText('settled', { exact: true }).first().waitFor();
  await number('Accepted', 3).waitFor();
  await eventually('the rooms have it', async () => (await arrived(stage, 'netease')) === 3);
}
