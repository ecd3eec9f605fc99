// The shell: who is signed in, which page is shown, navigation, theme. Pages are loaded when they are first
// asked for.

import { html, render, useEffect, useErrorBoundary, useRef, useState } from './lib.js';
import { SIGNED_OUT, del, get } from './api.js';
import { PAGES } from './pages.js';
import { ZONE } from './format.js';
import { Link, match, takeClicks, useLocation } from './router.js';
import { Loading, Problem, Toasts, toast } from './parts.js';
import { Login } from './login.js';

const THEMES = ['auto', 'light', 'dark'];

function Theme() {
  const [theme, setTheme] = useState(document.documentElement.dataset.theme ?? 'auto');
  const choose = (chosen) => {
    if (chosen === 'auto') delete document.documentElement.dataset.theme; else document.documentElement.dataset.theme = chosen;
    try { localStorage.setItem('interline.theme', chosen); } catch { /* the choice lasts as long as the page */ }
    setTheme(chosen);
    window.dispatchEvent(new Event('interline:theme'));
  };
  const next = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
  return html`<button type="button" class="quiet" onClick=${() => choose(next)}>Theme: ${theme}</button>`;
}

function Header({ path, session, onSignOut }) {
  const [open, setOpen] = useState(false);
  useEffect(() => setOpen(false), [path]);
  const current = (page) => (page.path === '/' ? path === '/' : path === page.path || path.startsWith(`${page.path}/`));
  return html`<header class="top">
    <${Link} to="/" class="brand"><img src="/console/icon.svg" alt="" width="24" height="24" />Interline<//>
    <button type="button" class="menu" aria-expanded=${open} aria-controls="nav" onClick=${() => setOpen(!open)}>Menu</button>
    <nav id="nav" aria-label="Pages" class=${open ? 'open' : ''}><ul>${PAGES.filter((page) => page.nav && (!page.needs || session.may.includes(page.needs))).map((page) => html`<li key=${page.path}>
      <${Link} to=${page.path} aria-current=${current(page) ? 'page' : undefined}>${page.title}<//></li>`)}</ul>
      <div class="who"><span>Times in ${ZONE}</span><span title=${`may: ${session.may.join(', ')}`}>${session.auth === 'off' ? 'open on this machine' : session.app}</span>
        <${Theme} />
        ${session.auth !== 'off' && html`<button type="button" class="quiet" onClick=${onSignOut}>Sign out</button>`}</div>
    </nav>
  </header>`;
}

function Crash({ error }) {
  return html`<h1>This page broke</h1><${Problem} title="A mistake in the console" error=${{ code: 'console', detail: String(error?.message ?? error) }} retry=${() => location.reload()} />`;
}

function Guard({ children }) {
  const [error] = useErrorBoundary((caught) => console.error(caught));
  return error ? html`<${Crash} error=${error} />` : children;
}

function Page({ place, session }) {
  const [modules, setModules] = useState({});
  const main = useRef(null);
  const first = useRef(true);
  let page = null;
  let params = null;
  for (const candidate of PAGES) {
    params = match(candidate.path, place.path);
    if (params) { page = candidate; break; }
  }
  useEffect(() => {
    document.title = `${page?.title ?? 'Not found'} · Interline`;
    if (!page || modules[page.path]) return;
    page.load().then(
      (loaded) => setModules((before) => ({ ...before, [page.path]: { show: loaded.default } })),
      (error) => setModules((before) => ({ ...before, [page.path]: { error } })),
    );
  }, [page]);
  // A new page begins at its top, and a screen reader hears of it.
  useEffect(() => {
    if (first.current) { first.current = false; return; }
    window.scrollTo(0, 0);
    main.current?.focus({ preventScroll: true });
  }, [place.path]);
  const loaded = page && modules[page.path];
  const Show = loaded?.show;
  return html`<main id="main" tabindex="-1" ref=${main}>
    ${!page ? html`<h1>There is no such page</h1><p><${Link} to="/">Go to the overview<//></p>`
    : loaded?.error ? html`<${Crash} error=${loaded.error} />`
    : !Show ? html`<${Loading} />`
    : html`<${Guard} key=${place.path}><${Show} params=${params} query=${place.query} session=${session} /><//>`}
  </main>`;
}

function App() {
  const place = useLocation();
  const [session, setSession] = useState(null);
  const [error, setError] = useState(null);
  const ask = () => get('/v1/session').then(
    (who) => { setSession(who); setError(null); },
    (problem) => { problem.again = true; setError(problem); },
  );
  useEffect(() => {
    ask();
    const out = () => setSession((before) => (before?.auth === 'off' ? before : { auth: 'keys', app: null, may: [], ended: Boolean(before?.app) }));
    window.addEventListener(SIGNED_OUT, out);
    return () => window.removeEventListener(SIGNED_OUT, out);
  }, []);
  useEffect(() => {
    if (!error) return undefined;
    const timer = setInterval(ask, 3_000);
    return () => clearInterval(timer);
  }, [error]);
  const signOut = async () => {
    try { await del('/v1/session'); } catch (problem) { toast(`Signing out failed: ${problem.detail}`, 'bad'); return; }
    setSession({ auth: 'keys', app: null, may: [] });
  };
  if (!session) {
    return html`<main id="main" class="alone">${error ? html`<h1>Interline</h1><${Problem} error=${error} retry=${ask} />` : html`<${Loading} />`}</main>`;
  }
  if (!session.app) return html`<${Login} ended=${session.ended} onSession=${setSession} /><${Toasts} />`;
  return html`<div class="shell" onClick=${takeClicks}>
    <${Header} path=${place.path} session=${session} onSignOut=${signOut} />
    <${Page} place=${place} session=${session} />
  </div><${Toasts} />`;
}

const root = document.getElementById('app');
root.textContent = '';
render(html`<${App} />`, root);
