// What the playground offers to begin with: a batch for each type of content, and some for what a batch can
// do besides. Each is accepted as it stands by the configuration that is shipped.

import { tidy } from './pointer.js';

const media = 'https://example.com/media';

const one = (content, more = {}) => ({
  from: 'system',
  content,
  messages: [{ to: 'user:alice' }],
  ...more,
});

/** Examples by group: a name for people, and the batch. */
export const groups = [
  {
    label: 'Batches',
    examples: [
      {
        id: 'several',
        name: 'Users, a group and a room',
        batch: {
          from: { id: 'shop', name: 'Shop' },
          content: { type: 'text', text: 'Hi $name$, order $no$ has shipped', template: true },
          messages: [
            { id: 'm1', to: 'user:alice', vars: { name: 'Alice', no: '17' } },
            { id: 'm2', to: 'user:bob', vars: { name: 'Bob', no: '18' } },
            { id: 'm3', to: 'group:newcomers', content: { type: 'notice', text: 'Two orders have shipped' } },
            { id: 'm4', to: 'room:765788', content: { type: 'custom', kind: 'gift', data: { name: 'rose', n: 3 } } },
          ],
          labels: { campaign: 'autumn' },
        },
      },
      {
        id: 'push',
        name: 'With a push notification',
        batch: one(
          { type: 'text', text: 'Your table is ready' },
          { options: { push: { title: 'Your table is ready', body: 'We keep it for 15 minutes', sound: 'default' } } },
        ),
      },
      {
        id: 'later',
        name: 'Later, and not too late',
        batch: one(
          { type: 'text', text: 'Happy new year' },
          { send_at: '2099-01-01T00:00:00+08:00', expires_at: '2099-01-01T06:00:00+08:00' },
        ),
      },
    ],
  },
  {
    label: 'Content',
    examples: [
      { id: 'text', name: 'text', batch: one({ type: 'text', text: 'Hello' }) },
      { id: 'markdown', name: 'markdown', batch: one({ type: 'markdown', text: '**Hello**, see [your order](https://example.com/17)' }) },
      {
        id: 'image',
        name: 'image',
        batch: one({ type: 'image', url: `${media}/poster.jpg`, width: 1280, height: 720, size: 120034, name: 'poster.jpg', format: 'jpg' }),
      },
      {
        id: 'audio',
        name: 'audio',
        batch: one({ type: 'audio', url: `${media}/hello.aac`, duration_ms: 4200, size: 33100, format: 'aac' }),
      },
      {
        id: 'video',
        name: 'video',
        batch: one({
          type: 'video',
          url: `${media}/tour.mp4`,
          thumbnail_url: `${media}/tour.jpg`,
          duration_ms: 42000,
          width: 1280,
          height: 720,
          size: 5120034,
          format: 'mp4',
        }),
      },
      {
        id: 'file',
        name: 'file',
        batch: one({ type: 'file', url: `${media}/invoice-17.pdf`, name: 'invoice-17.pdf', size: 48210, format: 'pdf', mime: 'application/pdf' }),
      },
      {
        id: 'location',
        name: 'location',
        batch: one({ type: 'location', latitude: 38.7169, longitude: -9.1399, title: 'Pick-up point', address: 'Lisbon' }),
      },
      { id: 'notice', name: 'notice', batch: one({ type: 'notice', text: 'Alice has joined' }) },
      {
        id: 'quote',
        name: 'quote',
        batch: one({ type: 'quote', text: 'Yes, today', message: { id: '17', from: 'alice', text: 'Will it come today?' } }),
      },
      { id: 'command', name: 'command', batch: one({ type: 'command', name: 'refresh', data: { what: 'orders' } }) },
      { id: 'custom', name: 'custom', batch: one({ type: 'custom', kind: 'gift', data: { name: 'rose', n: 3 } }) },
      {
        id: 'raw',
        name: 'raw (one vendor’s own payload)',
        batch: {
          from: 'system',
          messages: [
            {
              to: 'room:765788',
              content: { type: 'raw', vendor: 'netease', body: { msgType: 0, attach: 'Hello' } },
            },
          ],
        },
      },
    ],
  },
];

/** The text of an example, as a person would write it. */
export function text(id) {
  const found = groups.flatMap((group) => group.examples).find((example) => example.id === id);
  return found === undefined ? '' : tidy(JSON.stringify(found.batch));
}
