// What waits can be paused, resumed and cancelled, each after a question that says how many; nothing of it arrives.

import { api, arrived, check, picture } from '../browser.mjs';

export default async function (stage, browser) {
  await api(stage, 'ops', 'POST', '/v1/providers/wk/pause');
  const messages = Array.from({ length: 12 }, (_, at) => ({ to: `user:u${at}` }));
  const { id } = await api(stage, 'shop', 'POST', '/v1/batches', { from: 'system', content: { type: 'text', text: 'never' }, messages });
  const page = await browser.page({ as: 'shop' });
  await page.goto(`/console/batches/${id}`);
  const dialog = page.getByRole('dialog');

  await page.getByRole('button', { name: 'Pause', exact: true }).click();
  await dialog.getByText('12 messages').first().waitFor();
  await dialog.getByRole('button', { name: 'Pause', exact: true }).click();
  await page.getByText('Paused.', { exact: true }).waitFor();
  await page.getByRole('button', { name: 'Resume', exact: true }).click();
  await dialog.getByRole('button', { name: 'Resume', exact: true }).click();

  await page.getByRole('button', { name: 'Cancel', exact: true }).click();
  await picture(stage, page, 'batch-cancel', false);
  await dialog.getByRole('button', { name: 'Keep as it is' }).click();
  await dialog.waitFor({ state: 'detached' });
  check((await api(stage, 'shop', 'GET', `/v1/batches/${id}`)).state !== 'cancelled', 'cancelled without confirmation');

  await page.getByRole('button', { name: 'Cancel', exact: true }).click();
  await dialog.getByRole('button', { name: 'Cancel 12 messages' }).click();
  await page.getByText('cancelled', { exact: true }).first().waitFor();
  await page.getByText('Settled').first().waitFor();
  await api(stage, 'ops', 'POST', '/v1/providers/wk/resume');
  await page.getByRole('region', { name: 'Progress' }).getByText('100 % settled').waitFor();
  const { counts } = await api(stage, 'shop', 'GET', `/v1/batches/${id}`);
  check(counts.cancelled === 12, `cancelled are ${counts.cancelled}`);
  check((await arrived(stage, 'wukongim')) === 0, 'what was cancelled has arrived');

  // Somebody else's batch is not there, and a key that only reads sees no orders.
  const guest = await browser.page({ as: 'guest' });
  browser.expect(/status of 404 .*\/v1\/batches\/bat_/);
  await guest.goto(`/console/batches/${id}`);
  await guest.getByText('This batch cannot be shown').waitFor();
}
