// Everything by keyboard: sign in, go to the playground, plan a batch, send it, read what became of it.

import { check } from '../browser.mjs';

/** Presses Tab until what has the focus fits; focus must be seen on the way. */
async function tabTo(page, what, fits) {
  for (let presses = 0; presses < 60; presses += 1) {
    await page.keyboard.press('Tab');
    const at = await page.evaluate(() => {
      const element = document.activeElement;
      const style = getComputedStyle(element);
      const frame = element.closest('.editor');
      const outline = [style, frame && getComputedStyle(frame)].some((one) => one && one.outlineStyle !== 'none' && parseFloat(one.outlineWidth) > 0);
      return { tag: element.tagName, name: (element.getAttribute('aria-label') ?? element.textContent).trim(), id: element.id, outline };
    });
    if (at.tag === 'BODY') continue;
    check(at.outline, `focus is not seen on ${at.tag} ${at.name.slice(0, 40)}`);
    if (fits(at)) return;
  }
  throw new Error(`Tab does not lead to ${what}`);
}

export default async function (stage, browser) {
  const page = await browser.page();
  await page.goto('/console/');
  await page.getByLabel('Key of an app').waitFor();
  const focused = await page.evaluate(() => document.activeElement?.tagName);
  check(focused === 'INPUT', `the login begins at ${focused}`);
  await page.keyboard.type(stage.keys.ops);
  await page.keyboard.press('Enter');
  await page.getByRole('navigation', { name: 'Pages' }).waitFor();

  // The first stop of every page leads past the navigation.
  await page.reload();
  await page.getByRole('navigation', { name: 'Pages' }).waitFor();
  await page.keyboard.press('Tab');
  check((await page.evaluate(() => document.activeElement.textContent)) === 'Skip to content', 'no way past the navigation');
  await tabTo(page, 'the playground', (at) => at.tag === 'A' && at.name === 'Playground');
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'Playground' }).waitFor();
  check((await page.evaluate(() => document.activeElement.id)) === 'main', 'a new page does not take the focus');

  await tabTo(page, 'the editor', (at) => at.tag === 'TEXTAREA');
  await page.keyboard.press('Control+A');
  await page.keyboard.insertText('{"from": "system", "content": {"type": "text", "text": "by hand"}, "messages": [{"to": "user:alice"}]}');
  await page.keyboard.press('Control+Enter');
  await page.getByRole('heading', { name: 'Calls to the vendors' }).waitFor();
  await tabTo(page, 'sending', (at) => at.tag === 'BUTTON' && at.name === 'Send…');
  await page.keyboard.press('Enter');
  await page.getByRole('dialog').waitFor();
  // Escape leads back to where the dialog was asked for.
  await page.keyboard.press('Escape');
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  check((await page.evaluate(() => document.activeElement.textContent)) === 'Send…', 'the focus is lost with the dialog');
  await page.keyboard.press('Enter');
  await page.getByRole('dialog').waitFor();
  await tabTo(page, 'the confirmation', (at) => at.tag === 'BUTTON' && at.name === 'Send now');
  await page.keyboard.press('Enter');
  await page.getByText('1 of 1 message').waitFor();
  await page.getByText('1 accepted').waitFor();
  await page.waitForFunction(() => document.activeElement.matches('section[aria-labelledby$="sent"]'));
}
