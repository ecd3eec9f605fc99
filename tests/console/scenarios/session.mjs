// A session begins with a key and nothing else, ends by hand, and dies with its key.

import { accessible, check, picture, reconfigure } from '../browser.mjs';

const field = (page) => page.getByLabel('Key of an app');

async function signIn(page, key) {
  await field(page).fill(key);
  await page.getByRole('button', { name: 'Sign in' }).click();
}

export default async function (stage, browser) {
  // A wrong key, and what is asked with a session that is gone, are refused: the browser notes each refusal.
  browser.expect(/status of 401 .*at .*\/v1\//);

  const page = await browser.page();
  await page.goto('/console/providers');
  await field(page).waitFor();
  await picture(stage, page, 'login');
  await signIn(page, 'il_nobody_0000000000000000000000000000000000000000000');
  await page.getByRole('alert').getByText('This key is not known here.').waitFor();
  await accessible(page, 'a wrong key');
  await picture(stage, page, 'login-wrong');

  await signIn(page, stage.keys.shop);
  await page.getByRole('heading', { name: 'Providers', exact: true }).waitFor();
  const cookies = await page.context().cookies();
  check(cookies.length === 1, `cookies: ${cookies.map((one) => one.name)}`);
  check(cookies[0].httpOnly && cookies[0].sameSite === 'Strict', 'the cookie is open to scripts or other sites');
  check(!cookies[0].value.includes(stage.keys.shop), 'the cookie holds the key');
  const kept = await page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie]));
  check(!kept.includes('il_'), `a key is kept in the browser: ${kept}`);
  await page.reload();
  await page.getByRole('heading', { name: 'Providers', exact: true }).waitFor();

  await page.getByRole('button', { name: 'Sign out' }).click();
  await field(page).waitFor();
  check((await page.context().request.get('/v1/providers')).status() === 401, 'a session that was ended still reads');
  await page.reload();
  await field(page).waitFor();

  // The key's app leaves the configuration: its sessions end by themselves, those of others go on.
  const doomed = await browser.page({ as: 'shop' });
  const other = await browser.page({ as: 'ops' });
  for (const one of [doomed, other]) {
    await one.goto('/console/providers');
    await one.getByRole('article', { name: 'wk', exact: true }).waitFor();
  }
  await reconfigure(stage, (config) => config.replace(/\[\[apps\]\]\nname = "shop"\nkey_sha256 = "[0-9a-f]+"\nmay = \[[^\]]*\]\n/, ''));
  await doomed.getByText('Your session has ended').waitFor();
  await field(doomed).waitFor();
  await picture(stage, doomed, 'login-ended');
  await other.reload();
  await other.getByRole('article', { name: 'wk', exact: true }).waitFor();
}
