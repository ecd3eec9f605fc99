// A migration is started in shadow, finds what would be lost, is set to a percentage and rolled back.

import { api, check, eventually, picture } from '../browser.mjs';

export default async function (stage, browser) {
  const page = await browser.page({ as: 'ops' });
  await page.goto('/console/migrations');
  const card = page.getByRole('article', { name: 'wk-to-oim' });
  await card.getByText('never started').waitFor();
  const dialog = page.getByRole('dialog');

  await card.getByRole('button', { name: 'Start…' }).click();
  await dialog.getByText('Nothing moves.').waitFor();
  await picture(stage, page, 'migration-start', false);
  await dialog.getByRole('button', { name: 'Start shadow' }).click();
  await card.getByRole('heading', { name: 'Shown to oim in shadow' }).waitFor();

  const body = {
    from: { id: 'system', name: 'Shop' },
    content: { type: 'text', text: 'hi' },
    options: { push: { title: 'Hello' } },
    messages: [
      ...Array.from({ length: 20 }, (_, at) => ({ to: `user:u${at}` })),
      { to: 'user:odd', content: { type: 'raw', vendor: 'wukongim', body: { type: 1, content: 'x' } } },
    ],
  };
  await api(stage, 'ops', 'POST', '/v1/batches', body);
  await card.getByRole('table', { name: 'What oim would refuse' }).getByText('unsupported').waitFor();
  await card.getByRole('table', { name: 'What would be lost' }).getByText('push.title').waitFor();
  await card.getByText('Messages', { exact: true }).first().locator('..').getByText('21', { exact: true }).waitFor();
  await picture(stage, page, 'migration-shadow');

  await card.getByLabel('Percent', { exact: true }).fill('40');
  await card.getByRole('button', { name: 'Set…' }).click();
  await dialog.getByText('of the recipients of the route rest').waitFor();
  await dialog.getByRole('button', { name: 'Set 40 %' }).click();
  await card.getByText('ramp 40 %').first().waitFor();
  await api(stage, 'ops', 'POST', '/v1/batches', { ...body, options: {}, messages: body.messages.slice(0, 20) });
  await eventually('some went to the new provider', async () => {
    const report = await api(stage, 'ops', 'GET', '/v1/migrations/wk-to-oim/report');
    return report.sides.to.accepted > 0 && report.sides.from.accepted > 0;
  });
  const sides = card.getByRole('table', { name: 'What both sides answered' });
  await sides.getByRole('row', { name: /^oim [1-9]/ }).waitFor();
  await picture(stage, page, 'migration-ramp');

  await card.getByRole('button', { name: 'Roll back…' }).click();
  await dialog.getByText('goes to wk again, at once').waitFor();
  await dialog.getByRole('button', { name: 'Roll back' }).click();
  await card.getByText('rolled back').first().waitFor();
  await card.getByRole('button', { name: 'Start…' }).waitFor();
  const now = await api(stage, 'ops', 'GET', '/v1/migrations/wk-to-oim');
  check(now.phase === 'rolled_back', `the phase is ${now.phase}`);
  await card.getByRole('table', { name: 'What was done' }).getByRole('row').nth(3).waitFor();
  await picture(stage, page, 'migration-rolled-back');
}
