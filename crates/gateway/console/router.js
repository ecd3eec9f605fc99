// Paths under /console/ and who shows them. Links are plain anchors; a click on one changes the page without
// loading anything anew, everything else (new tab, download, other hosts) is the browser's.

import { html, useEffect, useState } from './lib.js';
import { withQuery } from './api.js';

export const ROOT = '/console';

/** The address of a page: `href('/batches', { state: 'sending' })`. */
export const href = (path, query) => withQuery(ROOT + path, query);

const here = () => ({
  path: decodePath(location.pathname),
  query: Object.fromEntries(new URLSearchParams(location.search)),
});

function decodePath(path) {
  const below = path.startsWith(ROOT) ? path.slice(ROOT.length) : path;
  return below.replace(/\/+$/, '') || '/';
}

const listeners = new Set();
const changed = () => listeners.forEach((listener) => listener(here()));
window.addEventListener('popstate', changed);

/** Goes to a page; with `replace` the one before is forgotten. */
export function navigate(path, query, { replace = false } = {}) {
  const to = href(path, query);
  if (to === location.pathname + location.search) return;
  history[replace ? 'replaceState' : 'pushState'](null, '', to);
  changed();
}

/** Where we are, `{ path, query }`. */
export function useLocation() {
  const [place, setPlace] = useState(here);
  useEffect(() => { listeners.add(setPlace); return () => listeners.delete(setPlace); }, []);
  return place;
}

/** Takes clicks on links to pages; stands once in the shell. */
export function takeClicks(event) {
  const anchor = event.target.closest?.('a[href]');
  const plain = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;
  if (!anchor || !plain || event.defaultPrevented || anchor.target || anchor.hasAttribute('download')) return;
  const to = new URL(anchor.href);
  if (to.origin !== location.origin || !(to.pathname === ROOT || to.pathname.startsWith(`${ROOT}/`))) return;
  event.preventDefault();
  if (to.pathname + to.search === location.pathname + location.search) return;
  history.pushState(null, '', to.pathname + to.search);
  changed();
}

/** A link to a page. */
export const Link = ({ to, query, children, ...rest }) => html`<a href=${href(to, query)} ...${rest}>${children}</a>`;

/** Matches `/batches/:id` against a path: its parameters, or null. */
export function match(pattern, path) {
  const [wanted, given] = [pattern.split('/'), path.split('/')];
  if (wanted.length !== given.length) return null;
  const params = {};
  for (const [place, part] of wanted.entries()) {
    if (!part.startsWith(':')) {
      if (part !== given[place]) return null;
    } else {
      try { params[part.slice(1)] = decodeURIComponent(given[place]); } catch { return null; }
    }
  }
  return params;
}
