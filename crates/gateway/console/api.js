// The public API as the console asks it: errors as one type with code and detail, hooks for reading, and
// streams of events that come back by themselves.

import { useCallback, useEffect, useRef, useState } from './lib.js';

/** An answer that is no success, or none at all (codes `unreachable` and `no_answer`, status 0). */
export class ApiError extends Error {
  constructor({ status = 0, code = 'unreachable', detail = '', errors = [], total = null, retryAfter = null }) {
    super(detail);
    Object.assign(this, { status, code, detail, errors, total: total ?? errors.length, retryAfter });
  }
}

/** How long to wait before the first, second, … attempt to reach the server again. */
const RETRY_MS = [500, 1_000, 2_000, 5_000, 10_000];

/** How long an answer is waited for. */
const ANSWER_MS = 90_000;

/** Fired on `window` once the session has ended. */
export const SIGNED_OUT = 'interline:signed-out';

/** Appends parameters that have a value. */
export function withQuery(path, query = {}) {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== null && value !== '');
  return given.length ? `${path}?${new URLSearchParams(given)}` : path;
}

async function readProblem(response) {
  const retry = Number(response.headers.get('retry-after'));
  const head = { status: response.status, retryAfter: Number.isFinite(retry) && retry > 0 ? retry : null };
  try {
    return new ApiError({ ...head, ...(await response.json()) });
  } catch {
    const detail = `The server answered ${response.status} ${response.statusText} without saying why.`;
    return new ApiError({ ...head, code: `http_${response.status}`, detail });
  }
}

/**
 * Asks the API. `body` is sent as JSON (a string as it stands), `idempotencyKey` and `headers` as headers.
 * Answers the JSON, or null where there is none; throws ApiError, also when no answer comes.
 */
export async function request(method, path, { body, query, headers = {}, idempotencyKey, signal } = {}) {
  const given = { accept: 'application/json', 'interline-console': '1', ...headers };
  if (body !== undefined) given['content-type'] ??= 'application/json';
  if (idempotencyKey) given['idempotency-key'] = idempotencyKey;
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(), ANSWER_MS);
  try {
    const response = await fetch(withQuery(path, query), {
      method,
      headers: given,
      body: body === undefined || typeof body === 'string' ? body : JSON.stringify(body),
      credentials: 'same-origin',
      cache: 'no-store',
      redirect: 'error',
      signal: signal ? AbortSignal.any([signal, late.signal]) : late.signal,
    });
    if (!response.ok) throw await readProblem(response);
    const text = await response.text();
    return text ? JSON.parse(text) : null;
  } catch (error) {
    if (error.status === 401 && path !== '/v1/session') window.dispatchEvent(new Event(SIGNED_OUT));
    if (error instanceof ApiError || error instanceof SyntaxError || signal?.aborted) throw error;
    if (late.signal.aborted) throw new ApiError({ code: 'no_answer', detail: `No answer has come within ${ANSWER_MS / 1_000} seconds.` });
    throw new ApiError({ detail: 'The server cannot be reached. It may be restarting, or the network is down.' });
  } finally {
    clearTimeout(timer);
  }
}

export const get = (path, query, options) => request('GET', path, { query, ...options });
export const post = (path, body, options) => request('POST', path, { body, ...options });
export const del = (path, options) => request('DELETE', path, options);

/**
 * Reads `path` now, whenever it or the query changes, and every `every` milliseconds while the page is seen and the
 * answer before has come; a server that cannot be reached is asked again in any case. Null as path reads nothing.
 * Answers `{ value, error, loading, reload }`; the last value stays on errors.
 */
export function useApi(path, { query, every } = {}) {
  const [state, setState] = useState({ value: null, error: null, loading: Boolean(path), of: null });
  const [turn, setTurn] = useState(0);
  const asking = useRef(null);
  const full = path && withQuery(path, query);
  const reload = useCallback(() => setTurn((before) => before + 1), []);
  useEffect(() => {
    if (!full) return undefined;
    const aborter = new AbortController();
    const { signal } = aborter;
    asking.current = aborter;
    setState((before) => ({ ...before, loading: true }));
    const end = (next) => { if (!signal.aborted) { asking.current = null; setState(next); } };
    get(full, undefined, { signal }).then(
      (value) => end({ value, error: null, loading: false, of: full }),
      (error) => {
        error.again = error.status === 0;
        end((before) => ({ value: before.of === full ? before.value : null, error, loading: false, of: full }));
      },
    );
    return () => { asking.current = null; aborter.abort(); };
  }, [full, turn]);
  const stale = state.of !== full;
  const error = stale ? null : state.error;
  const pace = every ?? (error?.again ? RETRY_MS[2] : undefined);
  useEffect(() => {
    if (!full || !pace) return undefined;
    // Nobody looks at a hidden page; one that comes back is not to show what was. What is slow is not begun anew.
    const look = () => { if (!document.hidden && asking.current === null) reload(); };
    const timer = setInterval(look, pace);
    document.addEventListener('visibilitychange', look);
    return () => { clearInterval(timer); document.removeEventListener('visibilitychange', look); };
  }, [full, pace]);
  return { value: stale ? null : state.value, error, loading: stale || state.loading, reload };
}

/**
 * Follows a stream of Server-Sent Events: `handlers` by the events' names. Answers its state: `connecting`,
 * `live`, `lost` (it tries again by itself) or `ended`, once `isLast(value)`. A hidden page lets go of its stream.
 */
export function useEvents(path, handlers, isLast = () => false) {
  const [state, setState] = useState('connecting');
  const listeners = useRef(handlers);
  listeners.current = handlers;
  const names = Object.keys(handlers).join();
  useEffect(() => {
    if (!path) return undefined;
    let source = null;
    let timer = null;
    let failures = 0;
    let done = false;
    let gone = false;
    const close = () => { clearTimeout(timer); source?.close(); source = null; };
    const open = () => {
      close();
      source = new EventSource(path);
      source.addEventListener('open', () => { failures = 0; setState('live'); });
      for (const name of names.split(',')) {
        source.addEventListener(name, (message) => {
          const value = JSON.parse(message.data);
          listeners.current[name]?.(value);
          if (isLast(value)) { done = true; close(); setState('ended'); }
        });
      }
      source.addEventListener('error', () => {
        close();
        if (done) return;
        setState('lost');
        later();
      });
    };
    const later = () => {
      timer = setTimeout(again, RETRY_MS[Math.min(failures, RETRY_MS.length - 1)]);
      failures += 1;
    };
    // A stream that fails tells no status: the session says whether it is the key that is gone.
    const again = async () => {
      let who = null;
      try { who = await get('/v1/session'); } catch { if (!gone) later(); return; }
      if (gone || document.hidden) return;
      if (who?.app) open(); else window.dispatchEvent(new Event(SIGNED_OUT));
    };
    const seen = () => {
      if (done) return;
      if (document.hidden) close(); else if (!source) open();
    };
    setState('connecting');
    open();
    document.addEventListener('visibilitychange', seen);
    return () => { gone = true; document.removeEventListener('visibilitychange', seen); close(); };
  }, [path, names]);
  return state;
}

/** The same for one kind of event. */
export const useStream = (path, event, onEvent, isLast) => useEvents(path, { [event]: onEvent }, isLast);
