// The page of the API, for everybody: accessible and no wider than the screen, in the colours and on the screen that the stage names.

import { accessible, check, picture } from '../browser.mjs';

export default async function (stage, browser) {
  const { scheme, size } = stage;
  const page = await browser.page({ size, scheme });
  await page.goto('/docs');
  await page.getByRole('heading', { level: 1 }).waitFor();
  // Some of each kind: they are made by the same lines, and there are very many.
  await page.evaluate(() => [...document.querySelectorAll('details')].slice(0, 12).forEach((one) => { one.open = true; }));
  await accessible(page, `the API's page, ${size}, ${scheme}`);
  await page.reload();
  await picture(stage, page, `docs-${size}-${scheme}`, false);
  const link = page.locator('section a[href^="#"]').last();
  const to = (await link.getAttribute('href')).slice(1);
  await link.click();
  check(await page.evaluate((id) => document.getElementById(id) !== null, to), `${to} is not on the page`);
  await picture(stage, page, `docs-schema-${size}-${scheme}`, false);
}
