// Everything by keyboard: sign in, go to the playground, plan a batch, send it, read what became of it; send again what
// failed and cancel what waits. The focus is seen all the way and never lost.

import { api, check, fault, mend } from '../browser.mjs';
import { settled } from '../seed.mjs';

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

const focused = (page) => page.evaluate(() => document.activeElement.textContent.trim());

/** Cancels and redrives. */
async function steer(stage, page) {
  await fault(stage, 'netease', { kind: 'code', value: 403 });
  const failed = await settled(stage, { from: 'system', content: { type: 'text', text: 'hi' }, messages: [{ to: 'room:1' }] });
  await mend(stage, 'netease');
  // Before the page is there: one that is there already may ask past a route that is new.
  let orders = 0;
  let go = null;
  const held = new Promise((release) => { go = release; });
  await page.route('**/redrive', async (route) => { orders += 1; await held; await route.continue(); });
  await page.goto(`/console/batches/${failed}`);
  await page.getByRole('button', { name: 'Redrive…' }).waitFor();
  await tabTo(page, 'redrive', (at) => at.tag === 'BUTTON' && at.name === 'Redrive…');
  await page.keyboard.press('Enter');
  const dialog = page.getByRole('dialog');
  await dialog.waitFor();
  await page.keyboard.press('Escape');
  await dialog.waitFor({ state: 'detached' });
  check((await focused(page)) === 'Redrive…', `Escape leads to ${await focused(page)}`);
  await page.keyboard.press('Enter');
  await tabTo(page, 'the confirmation', (at) => at.tag === 'BUTTON' && at.name === 'Send 1 message again');

  // While it is under way the button keeps the focus, and neither a second Enter nor Escape does anything. A browser
  // closes a dialog by itself at the third Escape or so: it is there again.
  await page.keyboard.press('Enter');
  await dialog.getByRole('button', { name: 'Working…' }).waitFor();
  check((await focused(page)) === 'Working…', `the focus is at ${await focused(page)} meanwhile`);
  await page.keyboard.press('Enter');
  for (const which of ['first', 'second', 'third', 'fourth']) {
    await page.keyboard.press('Escape');
    await page.waitForFunction(() => document.querySelector('dialog')?.open && document.activeElement.textContent === 'Working…')
      .catch(async () => { throw new Error(`the ${which} Escape leads to ${await focused(page)} meanwhile`); });
  }
  go();
  await dialog.waitFor({ state: 'detached' });
  check(orders === 1, `ordered ${orders} times`);
  await page.waitForFunction(() => document.activeElement.textContent.trim() === 'Redrive…');

  await api(stage, 'ops', 'POST', '/v1/providers/wk/pause');
  const { id } = await api(stage, 'ops', 'POST', '/v1/batches', { from: 'system', content: { type: 'text', text: 'hi' }, messages: [{ to: 'user:a' }] });
  await page.goto(`/console/batches/${id}`);
  await page.getByRole('button', { name: 'Cancel', exact: true }).waitFor();
  await tabTo(page, 'cancelling', (at) => at.tag === 'BUTTON' && at.name === 'Cancel');
  await page.keyboard.press('Enter');
  await dialog.waitFor();
  await tabTo(page, 'its confirmation', (at) => at.tag === 'BUTTON' && at.name === 'Cancel 1 message');
  await page.keyboard.press('Enter');
  await dialog.waitFor({ state: 'detached' });
  await page.getByText('cancelled', { exact: true }).first().waitFor();
  // The button that asked is gone with what could be cancelled: the focus is on the page, not nowhere.
  await page.waitForFunction(() => document.activeElement !== document.body);
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

  await steer(stage, page);
}
