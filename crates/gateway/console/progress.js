// How far a batch is: one bar of parts, and the same in words.

import { html } from './lib.js';
import { number, percent, words } from './format.js';

/** In the order of the bar. */
export const STATUSES = ['accepted', 'rejected', 'unknown', 'expired', 'cancelled', 'sending', 'queued'];

/** `accepted 12, queued 3`. */
export const inWords = (counts) => STATUSES.filter((status) => counts[status] > 0).map((status) => `${words(status)} ${number(counts[status])}`).join(', ');

export const settled = (counts) => counts.total - counts.queued - counts.sending;

/** The bar; `keys` writes its parts below. */
export function Progress({ counts, keys = false }) {
  const parts = STATUSES.filter((status) => counts[status] > 0 && status !== 'queued');
  const shown = STATUSES.filter((status) => counts[status] > 0 || status === 'accepted');
  return html`<div class="progress">
    <div class="bar" role="img" aria-label=${`${percent(settled(counts), counts.total)} settled: ${inWords(counts) || 'no messages'}`}>
      ${parts.map((status) => html`<span key=${status} class="${status} some" style=${{ width: `${(100 * counts[status]) / counts.total}%` }}></span>`)}</div>
    ${keys && html`<ul class="keys">${shown.map((status) => html`<li key=${status}><span class="swatch ${status}" aria-hidden="true"></span>${words(status)} <strong class="num">${number(counts[status])}</strong></li>`)}</ul>`}
  </div>`;
}
