// Who may only look sees no button that would be refused; where nobody has to sign in nobody is asked to, and where
// the console is switched off there is none. A page that nobody sees asks for nothing.

import { accessible, api, check, picture, reconfigure } from '../browser.mjs';

const ORDERS = /^(Pause|Resume|Probe|Cancel|Redrive|Send|Plan|Start|Set|Finish|Deliver|Roll|Enable|Replay|New batch)/;

export default async function (stage, browser) {
  await api(stage, 'ops', 'POST', '/v1/migrations/wk-to-oim/start');
  const guest = await browser.page({ as: 'guest' });
  for (const [path, shown] of [
    ['/', 'Newest batches'], ['/batches', 'No batches yet'], ['/find', 'Did somebody get it?'], ['/playground', 'Your key may look, and not send'],
    ['/providers', 'Your key may look, and not steer.'], ['/migrations', 'Your key may look, and not steer.'], ['/callbacks', 'Nobody is told of batches yet'],
  ]) {
    await guest.goto(`/console${path}`);
    await guest.getByText(shown).first().waitFor();
    for (const role of ['button', 'link']) {
      const orders = await guest.locator('main').getByRole(role, { name: ORDERS }).allTextContents();
      check(orders.length === 0, `${path} offers ${orders}`);
    }
    check((await guest.getByRole('link', { name: 'playground', exact: false }).count()) === 0, `${path} leads to the playground`);
    await accessible(guest, `${path} of who may look`);
  }
  await picture(stage, guest, 'reader-callbacks');

  // What is read again and again is not while nobody looks, and at once when somebody does.
  const page = await browser.page({ as: 'ops' });
  await page.clock.install();
  await page.goto('/console/callbacks');
  await page.getByText('Nobody is told of batches yet').waitFor();
  const seen = (hidden) => page.evaluate((value) => {
    Object.defineProperty(document, 'hidden', { configurable: true, get: () => value });
    document.dispatchEvent(new Event('visibilitychange'));
  }, hidden);
  await seen(true);
  // Counted from here on: time goes by, and it may just have asked.
  let asked = 0;
  page.on('request', (request) => { if (request.url().includes('/v1/callbacks')) asked += 1; });
  await page.clock.runFor(60_000);
  check(asked === 0, `a page that nobody sees has asked ${asked} times`);
  const answered = page.waitForResponse('**/v1/callbacks**');
  await seen(false);
  await answered;

  await reconfigure(stage, (config) => config.replace('auth = "keys"', 'auth = "off"'));
  const anybody = await browser.page();
  await anybody.goto('/console/');
  await anybody.getByText('open on this machine').waitFor();
  check((await anybody.getByRole('button', { name: 'Sign out' }).count()) === 0, 'one can sign out of nothing');
  await anybody.goto('/console/providers');
  await anybody.getByRole('button', { name: 'Pause wk' }).waitFor();
  await picture(stage, anybody, 'auth-off');

  await reconfigure(stage, (config) => `${config}\n[console]\nenabled = false\n`);
  const nobody = anybody.context().request;
  for (const path of ['/console', '/console/', '/console/app.js', '/v1/session']) {
    const answer = await nobody.get(path);
    check(answer.status() === 404, `${path} is answered ${answer.status()}`);
  }
}
