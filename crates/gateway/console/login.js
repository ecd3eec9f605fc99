// Signing in: a key of an app for a session. The key goes to the server once and is kept nowhere here.

import { html, useEffect, useRef, useState } from './lib.js';
import { post } from './api.js';
import { Field, Problem } from './parts.js';

export function Login({ ended, onSession }) {
  const [error, setError] = useState(null);
  const [busy, setBusy] = useState(false);
  const input = useRef(null);
  useEffect(() => { document.title = 'Sign in · Interline'; input.current?.focus(); }, []);
  const submit = async (event) => {
    event.preventDefault();
    const key = input.current.value.trim();
    if (busy) return;
    if (!key) { input.current.focus(); return; }
    setBusy(true);
    setError(null);
    try {
      const session = await post('/v1/session', { key });
      input.current.value = '';
      onSession({ auth: 'keys', ...session });
    } catch (problem) {
      setError(problem);
      setBusy(false);
      input.current.select();
    }
  };
  return html`<main id="main" class="alone"><div class="card login">
    <p class="brand"><img src="/console/icon.svg" alt="" width="28" height="28" />Interline</p>
    <h1>Sign in</h1>
    ${ended && html`<p class="notice warn" role="status">Your session has ended. Sign in again to go on.</p>`}
    <form onSubmit=${submit}>
      <${Field} label="Key of an app" hint="It reads il_… and is exchanged for a session cookie; it is not stored in this browser."
        control=${(id, hint) => html`<input id=${id} ref=${input} type="password" name="key" autocomplete="current-password" spellcheck="false" aria-describedby=${hint} required />`} />
      <button type="submit" class="primary" aria-disabled=${busy}>${busy ? 'Signing in…' : 'Sign in'}</button>
    </form>
    <${Problem} title="Not signed in" error=${error && (error.code === 'unauthorized' ? { code: error.code, detail: 'This key is not known here.', errors: [] } : error)} />
    <p class="muted">No key yet? <code>interline keys new APP</code> prints one, and the lines for config.toml. <code>may = ["send", "read"]</code> sees its own batches, <code>admin</code> those of all.</p>
  </div></main>`;
}
