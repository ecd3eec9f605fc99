// A receiver that says it is gone is shown as disabled, is enabled again and told what waited, and told again.

import { createServer } from 'node:http';
import { once } from 'node:events';
import { accessible, api, check, eventually, picture } from '../browser.mjs';

export default async function (stage, browser) {
  let status = 410;
  const heard = [];
  const receiver = createServer((request, answer) => {
    request.resume();
    heard.push({ id: request.headers['webhook-id'], status });
    answer.writeHead(status).end();
  }).listen(0, '127.0.0.1');
  await once(receiver, 'listening');
  const url = `http://127.0.0.1:${receiver.address().port}/hook`;
  const told = () => heard.filter((one) => one.status === 204).length;
  try {
    const page = await browser.page({ as: 'ops' });
    await page.goto('/console/callbacks');
    await page.getByText('Nobody is told of batches yet').waitFor();
    const body = { from: 'system', content: { type: 'text', text: 'hi' }, messages: [{ to: 'user:a' }], callback: { url: `${url}?token=hush` } };
    await api(stage, 'ops', 'POST', '/v1/batches', body);

    // Nobody has to load the page again to see it.
    const card = page.getByRole('article', { name: new RegExp(`^${url.replaceAll('.', '\\.')}`) });
    await card.getByText('disabled', { exact: true }).waitFor();
    check(!(await page.locator('main').innerText()).includes('hush'), 'what follows the question mark is shown');
    await accessible(page, 'a disabled receiver');
    await picture(stage, page, 'callbacks-disabled');
    check(await card.getByRole('button', { name: 'Replay…' }).isDisabled(), 'a disabled receiver can be replayed');

    status = 204;
    await card.getByRole('button', { name: 'Enable…' }).click();
    const dialog = page.getByRole('dialog');
    await picture(stage, page, 'callbacks-enable', false);
    await dialog.getByRole('button', { name: 'Enable', exact: true }).click();
    await card.getByText('active', { exact: true }).waitFor();
    await api(stage, 'ops', 'POST', '/v1/batches', body);
    await eventually('the receiver is told', async () => told() >= 1);
    await card.getByText('Delivered').locator('..').getByText(/^[1-9]/).waitFor();

    const before = told();
    await card.getByRole('button', { name: 'Replay…' }).click();
    await dialog.getByLabel('Since').waitFor();
    await accessible(page, 'the question of what to replay');
    await picture(stage, page, 'callbacks-replay', false);
    await dialog.getByRole('button', { name: 'Replay', exact: true }).click();
    // Something else may be told first; what is told again has the id that it had.
    const again = () => { const ids = heard.filter((one) => one.status === 204).map((one) => one.id); return new Set(ids).size < ids.length; };
    await eventually('the receiver is told again under the same id', async () => told() > before && again());
    await picture(stage, page, 'callbacks-active');
  } finally {
    receiver.closeAllConnections();
    receiver.close();
  }
}
