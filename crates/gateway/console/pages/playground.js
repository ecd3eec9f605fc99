// The playground: write or paste a batch, see what would happen, then send it. What is confirmed is what was
// planned a moment before.

import { html, useEffect, useId, useMemo, useRef, useState } from '../lib.js';
import { post } from '../api.js';
import { Confirm, Empty, Problem, toast } from '../parts.js';
import { count, number } from '../format.js';
import { Editor } from './playground/editor.js';
import { groups, text as exampleText } from './playground/examples.js';
import { Plan, providersOf } from './playground/plan.js';
import { joined } from './playground/lines.js';
import { lineOf, nearest, places, tidy } from './playground/pointer.js';
import { SentDirect, SentDurable } from './playground/sent.js';

/** What was written stays while the page is left for another one, and in this tab alone. */
const draft = { text: exampleText('several'), example: 'several', direct: false };

/** A key of its own for every send that is confirmed: a request that is repeated sends nothing twice. */
function fresh() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return `console-${Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')}`;
}

/** The errors of an answer, by place; a broken text has one. */
function Errors({ errors, total, onJump, read }) {
  if (errors.length === 0) return null;
  return html`<div class="problem" role="alert">
    <p><strong>${count(total, 'error')}</strong> ${total === 1 ? 'has' : 'have'} to be mended first</p>
    <ul class="errors">${errors.slice(0, 100).map((one, at) => {
      const place = one.place ?? nearest(read.places, one.path);
      return html`<li key=${at}>
        ${place === null
          ? html`<code>${one.path || 'batch'}</code>`
          : html`<button type="button" class="link" onClick=${() => onJump(place)}><code>${one.path || 'batch'}</code> line ${one.line}</button>`}
        ${' '}${one.detail}</li>`;
    })}</ul>
    ${total > 100 && html`<p>and ${number(total - 100)} more</p>`}
  </div>`;
}

/** What is said before something leaves. */
function Sending({ plan, direct }) {
  const to = providersOf(plan);
  const lossy = plan.messages.filter((message) => message.losses.length > 0).length;
  return html`<p><strong>${count(plan.totals.messages, 'message')}</strong> ${plan.totals.messages === 1 ? 'goes' : 'go'} to
      ${' '}<strong>${to.join(', ')}</strong> in ${count(plan.totals.calls, 'call')}.
      ${plan.totals.seconds_at_contract >= 1 ? ` At the providers’ rates that takes about ${Math.ceil(plan.totals.seconds_at_contract)} s.` : ''}</p>
    ${lossy > 0 && html`<p>${count(lossy, 'message')} will be sent without what the provider cannot express.</p>`}
    ${plan.errors.length > 0 && html`<p>${count(plan.errors.length, 'error')}: what is refused is reported and not sent.</p>`}
    <p>${direct
      ? 'It is sent at once, and the results are shown when all is settled, after 15 seconds at the latest.'
      : 'It is stored first and sent then, and goes on if this page is closed.'}</p>
    <p class="muted">People will see these messages. What has left cannot be taken back.</p>`;
}

export default function Playground({ session }) {
  const [text, setText] = useState(draft.text);
  const [example, setExample] = useState(draft.example);
  const [direct, setDirect] = useState(draft.direct);
  const [planned, setPlanned] = useState(null);
  const [failure, setFailure] = useState(null);
  const [busy, setBusy] = useState(false);
  const [asking, setAsking] = useState(null);
  const [sent, setSent] = useState(null);
  const jump = useRef(null);
  const results = useRef(null);
  const ids = useId();
  useEffect(() => { Object.assign(draft, { text, example, direct }); }, [text, example, direct]);

  const read = useMemo(() => places(text), [text]);
  const said = read.broken !== null
    ? [{ path: '', detail: `this is no JSON: ${read.broken.detail}`, place: { start: read.broken.at, end: read.broken.at + 1 } }]
    : (failure !== null && failure.of === text ? failure.error.errors : planned !== null && planned.text === text ? planned.plan.errors : []);
  const errors = said.map((one) => {
    const place = one.place ?? nearest(read.places, one.path);
    return { ...one, line: place === null ? null : lineOf(text, place.start) };
  });
  const total = failure !== null && failure.of === text ? failure.error.total : errors.length;
  const marks = new Set(errors.map((one) => one.line).filter((line) => line !== null));
  const stale = planned !== null && planned.text !== text;

  // Buttons stay enabled meanwhile: one that is disabled loses the focus.
  const plan = async () => {
    if (busy) return null;
    if (read.broken !== null) {
      jump.current({ start: read.broken.at, end: read.broken.at + 1 });
      return null;
    }
    setBusy(true);
    try {
      const found = { text, plan: await post('/v1/plan', text) };
      setPlanned(found);
      setFailure(null);
      return found;
    } catch (error) {
      setFailure({ of: text, error });
      setPlanned(null);
      return null;
    } finally {
      setBusy(false);
    }
  };
  const ask = async () => {
    const found = await plan();
    if (found === null) return;
    const permissive = JSON.parse(text).validation === 'permissive';
    if (found.plan.calls.length > 0 && (found.plan.errors.length === 0 || permissive)) setAsking({ ...found, key: fresh() });
  };
  const send = () => post(direct ? '/v1/send' : '/v1/batches', asking.text, { idempotencyKey: asking.key });
  const done = (answer) => {
    setAsking(null);
    setSent({ answer, direct });
    toast(direct ? 'Sent: the results are below.' : 'Stored: it is being sent.');
    requestAnimationFrame(() => results.current?.focus());
  };
  const choose = (id) => {
    setExample(id);
    if (id !== '') setText(exampleText(id));
  };
  const write = (value) => {
    const lines = joined(value);
    if (lines) toast(`Lines of NDJSON: ${count(lines.messages, 'message')} put together as one batch.`);
    setText(lines ? lines.batch : value);
    setExample('');
  };

  if (!session.may.includes('send')) {
    return html`<div class="head"><h1>Playground</h1></div>
      <${Empty} title="Your key may look, and not send">Planning and sending need <code>send</code> in the <code>may</code> of the key’s app.<//>`;
  }
  return html`
    <div class="head"><h1>Playground</h1></div>
    <div class="playground">
      <form class="card stack" onSubmit=${(event) => { event.preventDefault(); plan(); }}>
        <div class="row">
          <div class="field"><label for=${`${ids}-example`}>Example</label>
            <select id=${`${ids}-example`} value=${example} onChange=${(event) => choose(event.target.value)}>
              <option value="">Your own</option>
              ${groups.map((group) => html`<optgroup key=${group.label} label=${group.label}>
                ${group.examples.map((one) => html`<option key=${one.id} value=${one.id}>${one.name}</option>`)}
              </optgroup>`)}
            </select>
          </div>
          <button type="button" disabled=${read.broken !== null} onClick=${() => write(tidy(text))}>Tidy up</button>
        </div>
        <div class="field">
          <label for=${`${ids}-batch`}>Batch as JSON</label>
          <${Editor} id=${`${ids}-batch`} describedBy=${`${ids}-hint`} value=${text} marks=${marks} invalid=${errors.length > 0}
            onInput=${write} onSubmit=${plan} handle=${jump} />
          <p class="hint" id=${`${ids}-hint`}>Ctrl + Enter plans it. A plan sends and stores nothing. Pasted NDJSON becomes one batch.</p>
        </div>
        <${Errors} errors=${errors} total=${total} read=${read} onJump=${(place) => jump.current(place)} />
        ${failure !== null && failure.of === text && failure.error.errors.length === 0 && html`<${Problem} error=${failure.error} title="It cannot be planned" />`}
        <fieldset class="choice"><legend>How it is sent</legend>
          <label><input type="radio" name=${`${ids}-way`} checked=${!direct} onChange=${() => setDirect(false)} />
            <span><strong>Durable</strong> <span class="muted">stored, then sent, also after a restart</span></span></label>
          <label><input type="radio" name=${`${ids}-way`} checked=${direct} onChange=${() => setDirect(true)} />
            <span><strong>Direct</strong> <span class="muted">sent at once, the answer holds the results</span></span></label>
        </fieldset>
        <div class="actions">
          <button type="submit" class="primary" aria-disabled=${busy}>${busy ? 'Planning…' : 'Plan'}</button>
          <button type="button" onClick=${ask} aria-disabled=${busy}>Send…</button>
        </div>
      </form>

      <div class="outcome">
        ${sent !== null && html`<section class="card stack" ref=${results} tabindex="-1" aria-labelledby=${`${ids}-sent`}>
          <h2 id=${`${ids}-sent`}>Results</h2>
          ${sent.direct ? html`<${SentDirect} answer=${sent.answer} />` : html`<${SentDurable} key=${sent.answer.id} answer=${sent.answer} />`}
        </section>`}
        <section class=${stale ? 'card stack stale' : 'card stack'} aria-labelledby=${`${ids}-plan`} aria-live="polite">
          <h2 id=${`${ids}-plan`}>Plan ${stale && html`<span class="badge warn">of what stood here before</span>`}</h2>
          ${planned === null
            ? html`<p class="muted">Plan the batch to see where each message goes and why, what is lost on the way, and the calls that the vendors get.</p>`
            : html`<${Plan} plan=${planned.plan} text=${planned.text} direct=${direct} />`}
        </section>
      </div>
    </div>
    ${asking !== null && html`<${Confirm} title=${`Send ${count(asking.plan.totals.messages, 'message')}?`} action="Send now"
      run=${send} onDone=${done} onClose=${() => setAsking(null)}><${Sending} plan=${asking.plan} direct=${direct} /></${Confirm}>`}`;
}
