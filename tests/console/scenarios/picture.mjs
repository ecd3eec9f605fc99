// The picture of the README: the overview with traffic at all vendors, some of which goes wrong. How long the traffic
// goes on before is said by the stage: a curve wants all of its five minutes, a test does with less.

import { api, eventually, fault, picture } from '../browser.mjs';
import { batch, settled } from '../seed.mjs';

export default async function (stage, browser) {
  await api(stage, 'ops', 'POST', '/v1/migrations/wk-to-oim/start');
  await api(stage, 'ops', 'POST', '/v1/migrations/wk-to-oim/set', { percent: 25 });
  await fault(stage, 'netease', { kind: 'partial', probability: 0.12 });
  await fault(stage, 'imkit', { kind: 'partial', probability: 0.08 });
  await fault(stage, 'wukongim', { kind: 'close_after_read', probability: 0.002 });
  for (const vendor of ['wukongim', 'openim', 'netease']) await fault(stage, vendor, { kind: 'slow', value: 120, probability: 0.1 });
  const page = await browser.page({ as: 'ops' });
  await page.setViewportSize({ width: 1280, height: 860 });
  await page.goto('/console/');
  await page.getByRole('heading', { level: 1 }).waitFor();
  const campaigns = ['autumn', 'orders', 'newcomers', 'shipping'];
  const until = Date.now() + 1000 * stage.seconds;
  let number = 0;
  do {
    // Waves, so that the curves have a shape.
    const size = Math.round(75 + 45 * Math.sin(number / 9) + 20 * Math.sin(number / 2.3));
    await settled(stage, batch(campaigns[number % campaigns.length], 4 * size));
    number += 1;
  } while (Date.now() < until);
  const body = batch('winter', 4000);
  const { id } = await api(stage, 'ops', 'POST', '/v1/batches', body);
  await page.getByText(id).or(page.locator(`a[href$="${id}"]`)).first().waitFor();
  await eventually('the batch is under way', async () => {
    const { counts } = await api(stage, 'ops', 'GET', `/v1/batches/${id}`);
    return counts.accepted > 500 || counts.queued === 0;
  });
  await picture(stage, page, 'readme', false);
}
