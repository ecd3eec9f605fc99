// Numbers, times and words as people read them.

const whole = new Intl.NumberFormat(undefined, { maximumFractionDigits: 0 });
const tenth = new Intl.NumberFormat(undefined, { maximumFractionDigits: 1 });
const compact = new Intl.NumberFormat(undefined, { notation: 'compact', maximumFractionDigits: 1 });
const clock = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'long' });

/** The zone in which times are written. */
export const ZONE = new Intl.DateTimeFormat().resolvedOptions().timeZone ?? 'local time';

/** 12,345; a dash where nothing is known. */
export const number = (value) => (value === null || value === undefined ? '–' : whole.format(value));

/** 12.3 below a hundred, 1,234 above, 12K on an axis. */
export const rate = (value) => (value === null || value === undefined ? '–' : (value < 100 ? tenth : whole).format(value));
export const short = (value) => compact.format(value);

/** `1 message`, `2 messages`. */
export const count = (value, one, many = `${one}s`) => `${number(value)} ${value === 1 ? one : many}`;

/** A part of a whole as percent; small parts are not nothing. */
export function percent(part, all) {
  if (!all) return '–';
  const share = (100 * part) / all;
  if (part > 0 && share < 0.1) return '<0.1 %';
  if (part < all && share > 99.9) return '>99.9 %';
  return `${tenth.format(share)} %`;
}

/** 850 ms, 12 s, 3 min, 2.5 h, 4 d. */
export function duration(ms) {
  if (ms === null || ms === undefined) return '–';
  if (ms < 1_000) return `${Math.max(0, Math.round(ms))} ms`;
  const seconds = ms / 1_000;
  if (seconds < 60) return `${tenth.format(seconds)} s`;
  if (seconds < 3_600) {
    const whole = Math.round(seconds);
    return whole % 60 === 0 ? `${whole / 60} min` : `${Math.floor(whole / 60)} min ${whole % 60} s`;
  }
  if (seconds < 172_800) return `${tenth.format(seconds / 3_600)} h`;
  return `${tenth.format(seconds / 86_400)} d`;
}

/** How long ago, in the largest unit that says something. */
export function ago(ms) {
  const seconds = Math.round(ms / 1_000);
  if (seconds < 0) return `in ${duration(-ms)}`;
  if (seconds < 5) return 'just now';
  if (seconds < 60) return `${seconds} s ago`;
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3_600)} h ago`;
  return `${Math.floor(seconds / 86_400)} d ago`;
}

/** The local time of an RFC 3339 text, with its zone. */
export const local = (text) => clock.format(new Date(text));

/** Words of the API as people write them: `half_open` → `half open`. */
export const words = (text) => String(text ?? '').replaceAll('_', ' ');
