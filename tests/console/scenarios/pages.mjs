// Every page once, in the colours and on the screen that the stage names: it is drawn, accessible, fits the screen,
// and has a picture.

import { accessible, check, picture } from '../browser.mjs';
import { seed } from '../seed.mjs';

/** Where each page is, and what is done on it until it shows what it is for. */
const pages = (failed) => [
  // Nothing waits but what is for the provider that is paused, and that is nothing: what is for later is told apart.
  ['overview', '/', async (page) => {
    const stat = (label) => page.locator('.stats.card .stat', { hasText: label }).locator('dd');
    await stat('Scheduled').getByText(/^8/).waitFor();
    await stat('Waiting').getByText(/^0/).waitFor();
    check(await page.locator('.live .dot').evaluate((dot) => getComputedStyle(dot).animationName === 'none'), 'something moves');
    for (const plot of await page.getByRole('img', { name: /per second|vendor calls/ }).all()) {
      check(/ \d|idle|–/.test(await plot.getAttribute('aria-label')), 'a curve without words');
    }
  }],
  ['batches', '/batches', async (page) => page.getByRole('link', { name: /bat_/ }).first().waitFor()],
  ['batch', `/batches/${failed}`, async (page) => page.getByText('m1', { exact: true }).first().waitFor()],
  ['find', '/find?to=user:alice', async (page) => page.getByText('accepted').first().waitFor()],
  ['find-nobody', '/find?to=user:nobody', async (page) => page.getByText(/no message|nothing/i).first().waitFor()],
  ['playground', '/playground', async (page) => {
    await page.getByRole('button', { name: 'Plan', exact: true }).click();
    await page.locator('details.call').first().locator('summary').click();
  }],
  ['providers', '/providers', async (page) => page.getByText('largest call').waitFor()],
  ['migrations', '/migrations', async (page) => page.getByText('What both sides answered').waitFor()],
  ['callbacks', '/callbacks', async (page) => page.getByText('Nobody is told of batches yet').waitFor()],
  ['nowhere', '/nowhere', async () => {}],
];

export default async function (stage, browser) {
  const { scheme, size } = stage;
  const failed = await seed(stage);
  const wrong = [];
  const look = (page, name) => accessible(page, name).catch((error) => wrong.push(error.message));
  const page = await browser.page({ as: 'ops', size, scheme });
  for (const [name, path, ready] of pages(failed)) {
    await page.goto(`/console${path}`);
    await page.getByRole('heading', { level: 1 }).waitFor();
    await ready(page);
    await page.locator('.loading').first().waitFor({ state: 'detached' });
    await look(page, `${name}, ${size}, ${scheme}`);
    await picture(stage, page, `${name}-${size}-${scheme}`);
  }
  if (size === 'phone') {
    await page.getByRole('button', { name: 'Menu' }).click();
    await page.getByRole('link', { name: 'Providers' }).waitFor();
    await look(page, `menu, ${scheme}`);
    await picture(stage, page, `menu-${scheme}`, false);
  }
  const nobody = await browser.page({ size, scheme });
  await nobody.goto('/console/');
  await nobody.getByLabel('Key of an app').waitFor();
  await look(nobody, `login, ${size}, ${scheme}`);
  await picture(stage, nobody, `login-${size}-${scheme}`);
  check(wrong.length === 0, wrong.join('\n'));
}
