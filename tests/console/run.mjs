// Runs one scenario: `node run.mjs NAME`, with the stage as JSON in INTERLINE_STAGE. Ends with 0, or with
// a sentence on standard error and 1.

import { Browser } from './browser.mjs';

const [name] = process.argv.slice(2);
const stage = JSON.parse(process.env.INTERLINE_STAGE);
const { default: scenario } = await import(`./scenarios/${name}.mjs`);
const browser = await Browser.start(stage);
try {
  await scenario(stage, browser);
  await browser.end();
} catch (error) {
  const pages = browser.browser.contexts().flatMap((context) => context.pages());
  for (const [at, page] of pages.entries()) {
    const { picture } = await import('./browser.mjs');
    await picture(stage, page, `failed-${name}-${at}`, false).catch(() => {});
    const shown = await page.locator('body').innerText().catch(() => '');
    console.error(`--- ${page.url()}\n${shown.slice(0, 3000)}`);
  }
  console.error(browser.complaints.join('\n'));
  console.error(error.stack ?? String(error));
  process.exitCode = 1;
  await browser.browser.close();
}
