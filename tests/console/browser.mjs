// A browser for the console's tests: pages that remember every complaint of the browser, signing in,
// axe, screenshots, and waiting for conditions. Nothing in here sleeps for a fixed time.

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { AxeBuilder } from '@axe-core/playwright';
import { chromium } from 'playwright-core';

const PATIENCE = 15_000;

const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--disable-dev-shm-usage',
];

/** What a person may have: a wide screen, a phone. */
export const SIZES = {
  wide: { width: 1280, height: 900 },
  phone: { width: 360, height: 740 },
};

/** The browser of one run, and what all its pages complained about. */
export class Browser {
  constructor(browser, stage) {
    this.browser = browser;
    this.stage = stage;
    this.complaints = [];
    this.expected = [];
  }

  static async start(stage) {
    const browser = await chromium.launch({
      executablePath: process.env.INTERLINE_CHROMIUM || '/usr/bin/chromium',
      args: FLAGS,
    });
    return new Browser(browser, stage);
  }

  /** A page of a person of their own; `as` names the app that is signed in. */
  async page({ as = null, size = 'wide', scheme = 'light', motion = 'reduce' } = {}) {
    const context = await this.browser.newContext({
      viewport: SIZES[size],
      colorScheme: scheme,
      reducedMotion: motion,
      baseURL: this.stage.url,
      locale: 'en-GB',
      timezoneId: 'UTC',
      isMobile: size === 'phone',
      hasTouch: size === 'phone',
      permissions: ['clipboard-read', 'clipboard-write'],
    });
    context.setDefaultTimeout(PATIENCE);
    await context.addInitScript(() => {
      window.__violations = [];
      document.addEventListener('securitypolicyviolation', (event) => {
        window.__violations.push(`${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`);
      });
    });
    if (as !== null) await signIn(context, this.stage.keys[as]);
    const page = await context.newPage();
    this.#listen(page);
    return page;
  }

  #listen(page) {
    const complain = (text) => {
      if (!this.expected.some((pattern) => pattern.test(text))) this.complaints.push(text);
    };
    page.on('console', (message) => {
      if (message.type() !== 'error' && message.type() !== 'warning') return;
      complain(`${message.type()}: ${message.text()} at ${message.location().url}`);
    });
    page.on('dialog', (dialog) => { complain(`a dialog of the browser: ${dialog.message()}`); dialog.dismiss().catch(() => {}); });
    page.on('pageerror', (error) => complain(`thrown: ${error.stack ?? error}`));
    page.on('request', (request) => {
      const url = new URL(request.url());
      const own = url.origin === this.stage.url || url.protocol === 'data:' || url.protocol === 'blob:';
      if (!own) complain(`asked somebody else: ${request.url()}`);
    });
  }

  /** Some complaints belong to what a scenario does on purpose, such as a wrong key. */
  expect(...patterns) {
    this.expected.push(...patterns);
  }

  async end() {
    for (const context of this.browser.contexts()) {
      for (const page of context.pages()) {
        const violations = await page.evaluate(() => window.__violations ?? []).catch(() => []);
        this.complaints.push(...violations.map((line) => `content security policy: ${line}`));
      }
    }
    await this.browser.close();
    check(this.complaints.length === 0, `the browser complained:\n${this.complaints.join('\n')}`);
  }
}

/** Exchanges a key for a session's cookie, as the login page does. */
export async function signIn(context, key) {
  const answer = await context.request.post('/v1/session', { data: { key } });
  check(answer.ok(), `no session: ${answer.status()} ${await answer.text()}`);
}

/** Ends the run with a sentence unless something holds. */
export function check(holds, sentence) {
  if (!holds) throw new Error(sentence);
}

/** Asks the server as an app does, beside the browser. */
export async function api(stage, as, method, path, body) {
  const answer = await fetch(stage.url + path, {
    method,
    headers: { authorization: `Bearer ${stage.keys[as]}`, 'content-type': 'application/json' },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const text = await answer.text();
  check(answer.ok, `${method} ${path}: ${answer.status} ${text}`);
  return text === '' ? null : JSON.parse(text);
}

/** Tells a twin what is to go wrong. */
export async function fault(stage, vendor, body) {
  const answer = await fetch(new URL('/_twin/faults', stage.twins[vendor]), {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  check(answer.ok, `no fault: ${await answer.text()}`);
}

/** Changes the configuration and puts it in force; `change` gets its text. */
export async function reconfigure(stage, change) {
  const before = readFileSync(stage.config, 'utf8');
  const after = change(before);
  check(after !== before, 'the configuration stays as it was');
  writeFileSync(stage.config, after);
  await api(stage, 'ops', 'POST', '/v1/config/reload');
}

/** Lets a twin work again. */
export async function mend(stage, vendor) {
  const answer = await fetch(new URL('/_twin/faults', stage.twins[vendor]), { method: 'DELETE' });
  check(answer.ok, `the faults stay: ${await answer.text()}`);
}

/** How many messages a twin has received. */
export async function arrived(stage, vendor) {
  const answer = await fetch(new URL('/_twin/received?summary=1', stage.twins[vendor]));
  return (await answer.json()).total;
}

/** Waits until `look` gives something. */
export async function eventually(what, look) {
  const until = Date.now() + PATIENCE;
  for (;;) {
    const found = await look();
    if (found) return found;
    check(Date.now() < until, `waited in vain: ${what}`);
    await new Promise((next) => setTimeout(next, 20));
  }
}

/** No violation of accessibility on what is shown, and nothing wider than the screen. */
export async function accessible(page, name) {
  const found = await new AxeBuilder({ page }).setLegacyMode(true).analyze();
  const told = found.violations.map((violation) => {
    const where = violation.nodes.slice(0, 3).map((node) => `    ${node.html}\n    ${node.failureSummary}`);
    return `  ${violation.id}: ${violation.help}\n${where.join('\n')}`;
  });
  check(told.length === 0, `${name} is not accessible:\n${told.join('\n')}`);
  const [shown, screen] = await page.evaluate(() => [
    document.documentElement.scrollWidth,
    document.documentElement.clientWidth,
  ]);
  check(shown <= screen, `${name} is ${shown} px wide on a screen of ${screen} px`);
}

/** Leaves a picture for people to look at. */
export async function picture(stage, page, name, whole = true) {
  mkdirSync(stage.pictures, { recursive: true });
  // From the top, or what sticks to the window's edge stands in the middle of the picture.
  if (whole) await page.evaluate(() => window.scrollTo(0, 0));
  await page.screenshot({ path: join(stage.pictures, `${name}.png`), fullPage: whole });
}
