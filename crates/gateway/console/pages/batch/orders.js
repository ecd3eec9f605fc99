// What can be done with a batch, each asked first: exactly what will happen to how many messages.

import { html, useMemo, useState } from '../../lib.js';
import { post } from '../../api.js';
import { Link } from '../../router.js';
import { count, number } from '../../format.js';
import { Confirm, toast } from '../../parts.js';

const orders = (batch, name) => `/v1/batches/${encodeURIComponent(batch.id)}/${name}`;
const are = (value) => (value === 1 ? 'is' : 'are');

function Pause({ batch, onDone, onClose }) {
  const { queued, sending } = batch.counts;
  return html`<${Confirm} title="Pause this batch?" action="Pause" run=${() => post(orders(batch, 'pause'))} onClose=${onClose}
    onDone=${(after) => { toast(`Paused. ${count(after.counts.queued, 'message')} ${after.counts.queued === 1 ? 'waits' : 'wait'} until you resume.`); onDone(after); }}>
    <p><strong>${count(queued, 'message')}</strong> that ${queued === 1 ? 'waits stays' : 'wait stay'} where they are until the batch is resumed.</p>
    ${sending > 0 && html`<p>${count(sending, 'message')} ${are(sending)} under way and will end as the vendor answers.</p>`}
    <p class="muted">Deadlines go on: what expires while it is paused is not sent.</p><//>`;
}

function Resume({ batch, onDone, onClose }) {
  return html`<${Confirm} title="Resume this batch?" action="Resume" run=${() => post(orders(batch, 'resume'))} onClose=${onClose}
    onDone=${(after) => { toast('Resumed.'); onDone(after); }}>
    <p><strong>${count(batch.counts.queued, 'message')}</strong> will be sent from now on, as fast as the contracts of their providers allow.</p><//>`;
}

function Cancel({ batch, onDone, onClose }) {
  const { queued, sending, accepted } = batch.counts;
  const done = (after) => {
    // Withdrawing many takes a moment: what still waits in the answer never leaves.
    const withdrawn = after.counts.cancelled + after.counts.queued;
    toast(`Cancelled: ${count(withdrawn, 'message')} ${withdrawn === 1 ? 'is' : 'are'} withdrawn and will not be sent.`);
    onDone(after);
  };
  return html`<${Confirm} title="Cancel this batch?" action=${`Cancel ${count(queued, 'message')}`} tone="bad" run=${() => post(orders(batch, 'cancel'))} onDone=${done} onClose=${onClose}>
    <p><strong>${count(queued, 'message')}</strong> that ${queued === 1 ? 'waits' : 'wait'} will not be sent and ${queued === 1 ? 'becomes' : 'become'} <em>cancelled</em>.</p>
    ${sending > 0 && html`<p>${count(sending, 'message')} ${are(sending)} under way and cannot be held back.</p>`}
    ${accepted > 0 && html`<p>${count(accepted, 'message')} ${are(accepted)} accepted already. A vendor takes nothing back.</p>`}
    <p class="muted">A cancelled batch cannot be resumed. Its messages can be sent again as a new batch.</p><//>`;
}

const AGAIN = [
  ['rejected', 'the vendor, or Interline before it, said no'],
  ['unknown', 'may have arrived: whoever has it already may get it twice'],
  ['expired', 'were not sent in time'],
  ['cancelled', 'were withdrawn before they left'],
];

const random = () => Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');

function Redrive({ batch, onDone, onClose }) {
  const there = AGAIN.filter(([status]) => batch.counts[status] > 0);
  const [chosen, setChosen] = useState(() => {
    const safe = there.map(([status]) => status).filter((status) => status === 'rejected');
    return new Set(safe.length ? safe : there.filter(([status]) => status !== 'unknown').map(([status]) => status));
  });
  // Pressed twice, or after an answer was lost: it is one redrive.
  const key = useMemo(() => `console-${random()}`, [[...chosen].join()]);
  const all = [...chosen].reduce((sum, status) => sum + batch.counts[status], 0);
  const twice = chosen.has('unknown') ? batch.counts.unknown : 0;
  const toggle = (status) => setChosen((before) => { const after = new Set(before); if (!after.delete(status)) after.add(status); return after; });
  const run = () => post(orders(batch, 'redrive'), { status: [...chosen] }, { idempotencyKey: key });
  const done = (answer) => {
    toast(html`${count(answer.counts.total, 'message')} ${answer.counts.total === 1 ? 'is' : 'are'} sent again as <${Link} to=${`/batches/${answer.id}`}>a new batch<//>.`);
    onDone(null, answer);
  };
  return html`<${Confirm} title="Send messages again?" action=${`Send ${count(all, 'message')} again`} disabled=${all === 0} run=${run} onDone=${done} onClose=${onClose}>
    <fieldset><legend>Which</legend>${there.map(([status, meaning]) => html`<label key=${status} class="check"><input type="checkbox" checked=${chosen.has(status)} onChange=${() => toggle(status)} />
      <span><strong>${number(batch.counts[status])} ${status}</strong> <span class="muted">${meaning}</span></span></label>`)}</fieldset>
    <p>A new batch is made of <strong>${count(all, 'message')}</strong>, with the same recipients, contents and client ids. This batch and its results stay as they are.</p>
    ${twice > 0 && html`<div class="notice warn"><p><strong>${count(twice, 'message')} may be seen twice.</strong> Nobody knows whether the vendor took ${twice === 1 ? 'it' : 'them'}. Look at the vendor first if twice is worse than never.</p></div>`}<//>`;
}

const DIALOGS = { pause: Pause, resume: Resume, cancel: Cancel, redrive: Redrive };

/** The buttons that this batch allows. `onDone(batch | null, redriven)` is told what happened. */
export function Orders({ batch, session, onDone }) {
  const [open, setOpen] = useState(null);
  const may = session.may.includes('send') || session.may.includes('admin');
  if (!may) return null;
  const { state, counts } = batch;
  const under = ['scheduled', 'queued', 'sending'].includes(state);
  const lost = AGAIN.reduce((sum, [status]) => sum + counts[status], 0);
  const Shown = DIALOGS[open];
  const done = (after, redriven) => { setOpen(null); onDone(after, redriven); };
  return html`<div class="actions">
    ${under && html`<button type="button" onClick=${() => setOpen('pause')}>Pause</button>`}
    ${state === 'paused' && html`<button type="button" class="primary" onClick=${() => setOpen('resume')}>Resume</button>`}
    ${(under || state === 'paused') && html`<button type="button" class="bad" onClick=${() => setOpen('cancel')}>Cancel</button>`}
    ${lost > 0 && session.may.includes('send') && html`<button type="button" onClick=${() => setOpen('redrive')}>Redrive…</button>`}
    ${Shown && html`<${Shown} batch=${batch} onDone=${done} onClose=${() => setOpen(null)} />`}
  </div>`;
}
