// A provider is probed, paused and resumed; what waits for it goes on then. A key without the scope sees no buttons.

import { api, arrived, check, eventually, picture } from '../browser.mjs';

export default async function (stage, browser) {
  const page = await browser.page({ as: 'ops' });
  await page.goto('/console/providers');
  const card = page.getByRole('article', { name: 'wk', exact: true });
  await card.getByText('ready', { exact: true }).waitFor();
  await card.getByRole('button', { name: 'Probe wk' }).click();
  await card.getByText('The server answers and speaks v2.').waitFor();
  await page.getByRole('table', { name: 'Abilities by vendor and dialect' }).getByRole('rowheader', { name: 'location' }).waitFor();

  await card.getByRole('button', { name: 'Pause wk' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByText('No more calls are made to wk.').waitFor();
  await picture(stage, page, 'provider-pause', false);
  await dialog.getByRole('button', { name: 'Keep as it is' }).click();
  await dialog.waitFor({ state: 'detached' });
  await card.getByText('ready', { exact: true }).waitFor();

  await card.getByRole('button', { name: 'Pause wk' }).click();
  await dialog.getByRole('button', { name: 'Pause it' }).click();
  await card.getByText('paused', { exact: true }).waitFor();
  const body = { from: 'system', content: { type: 'text', text: 'hold on' }, messages: [{ to: 'user:a' }, { to: 'user:b' }] };
  const { id } = await api(stage, 'ops', 'POST', '/v1/batches', body);
  const held = await api(stage, 'ops', 'GET', `/v1/batches/${id}`);
  check(held.counts.queued === 2, `of two messages ${held.counts.queued} wait`);
  await card.getByText('Waiting').locator('..').getByText(/^2/).waitFor();
  check((await arrived(stage, 'wukongim')) === 0, 'a paused provider was called');
  await picture(stage, page, 'provider-paused');

  await card.getByRole('button', { name: 'Resume wk' }).click();
  await dialog.getByText('2 messages that wait are sent.').waitFor();
  await dialog.getByRole('button', { name: 'Resume it' }).click();
  await card.getByText('ready', { exact: true }).waitFor();
  await eventually('what waited has arrived', async () => (await arrived(stage, 'wukongim')) === 2);

  const guest = await browser.page({ as: 'guest' });
  await guest.goto('/console/providers');
  await guest.getByRole('article', { name: 'wk', exact: true }).getByText('ready', { exact: true }).waitFor();
  await guest.getByText('Your key may look, and not steer.').waitFor();
  check((await guest.getByRole('button', { name: /Pause|Probe/ }).count()) === 0, 'a guest is shown orders');
}
