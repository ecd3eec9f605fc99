// Something to look at: batches that went well and badly, at all vendors, and a migration under way.

import { api, eventually, fault } from './browser.mjs';

const people = ['alice', 'bob', 'chen', 'dana', 'emil', 'fatou', 'goran', 'hana', 'ivo', 'june'];

/** A batch for all four vendors. */
export function batch(campaign, size = 40) {
  const messages = Array.from({ length: size }, (_, at) => {
    const name = people[at % people.length];
    const to = [`user:${name}${at}`, `user:kit-${name}${at}`, `user:oim-${name}${at}`, `room:${7657 + (at % 5)}`][at % 4];
    return { id: `m${at}`, to, vars: { name } };
  });
  return { from: 'system', content: { type: 'text', text: 'Hi $name$, the sale has begun', template: true }, messages, labels: { campaign } };
}

/** Stores a batch and waits until it is settled; its id. */
export async function settled(stage, body, as = 'ops') {
  const { id } = await api(stage, as, 'POST', '/v1/batches', body);
  await eventually('the batch is settled', async () => (await api(stage, as, 'GET', `/v1/batches/${id}`)).state === 'settled');
  return id;
}

/** Seeds a server; the id of the batch in which something failed. */
export async function seed(stage) {
  await api(stage, 'ops', 'POST', '/v1/migrations/wk-to-oim/start');
  await settled(stage, batch('spring'));
  await fault(stage, 'imkit', { kind: 'partial' });
  await fault(stage, 'netease', { kind: 'close_after_read', count: 1 });
  const failed = await settled(stage, batch('summer', 120));
  await settled(stage, { from: 'system', content: { type: 'text', text: 'hello' }, messages: [{ to: 'user:alice' }, { to: 'user:bob' }] }, 'shop');
  await api(stage, 'ops', 'POST', '/v1/batches', { ...batch('winter', 8), send_at: '2099-01-01T00:00:00Z' });
  await api(stage, 'ops', 'POST', '/v1/providers/oim/pause');
  return failed;
}
