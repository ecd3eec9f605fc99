// Curves: uPlot in the console's colours. The numbers under a curve are text, so that nothing is told by the
// picture alone; a curve that nobody looks at is not drawn anew.

import uPlot from './vendor/uplot.mjs';
import { html, useEffect, useLayoutEffect, useRef, useState } from './lib.js';
import { short } from './format.js';

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** Sums from below, so that each curve stands on those before it. */
function stacked(series) {
  const sums = [];
  series.forEach((one, place) => sums.push(one.values.map((value, index) => (value ?? 0) + (place ? sums[place - 1][index] : 0))));
  return sums;
}

const clock = (seconds) => new Date(seconds * 1_000).toLocaleTimeString(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit' });

/** Places of values without a neighbour: no line leads to them. */
const alone = (values) => [...values.keys()].filter((at) => values[at] !== null && (values[at - 1] ?? values[at + 1] ?? null) === null);

/** Whole powers of ten alone are written at a logarithmic axis. */
const power = (tick) => Number.isInteger(Math.log10(tick));
const millis = (tick) => (tick >= 1_000 ? `${short(tick / 1_000)} s` : `${short(tick)} ms`);

function options(host, { series, height, stack, unit, bare, least, span }, onIndex) {
  const line = (one) => ({
    stroke: colour(one.colour),
    width: stack ? 1 : one.gaps ? 1.25 : one.dash ? 1.5 : 1.75,
    dash: one.dash ? [5, 4] : undefined,
    fill: stack ? colour(one.colour) : undefined,
    // Where calls are rare each stands alone: a line over the silence between them would be made up.
    points: { show: Boolean(one.gaps), size: 5, fill: colour(one.colour), filter: (plot, place) => alone(plot.data[place]) },
    spanGaps: false,
  });
  const drawn = series.map(line);
  const whole = (_, splits) => (unit === 'ms' ? splits.map((split) => (power(split) ? split : null)) : splits);
  const axis = { stroke: colour('--muted'), grid: { stroke: colour('--plot-grid'), width: 1 }, ticks: { show: false }, font: `11px ${colour('--font')}` };
  return {
    width: Math.max(80, host.clientWidth),
    height,
    padding: bare ? [4, 0, 2, 0] : [8, 24, 0, 0],
    legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false }, points: { show: !stack } },
    scales: {
      // The whole span from the first sample on: a curve that has only begun is no mountain.
      x: { time: true, range: (_, least, most) => (span && Number.isFinite(most) ? [Math.min(least, most - span), most] : [least, most]) },
      y: unit === 'ms'
        ? { distr: 3, range: (_, __, most) => [1, 10 ** Math.ceil(Math.log10(Math.max(least ?? 100, most ?? 1)))] }
        : { range: (_, __, most) => [0, Math.max(least ?? 1, most * 1.08)] },
    },
    axes: bare ? [{ show: false }, { show: false }] : [
      { ...axis, size: 26, space: 64, incrs: [60, 120, 300, 600], values: (_, ticks) => ticks.map((tick) => new Date(tick * 1_000).toLocaleTimeString(undefined, { hour: '2-digit', minute: '2-digit' })) },
      { ...axis, size: 46, space: 28, filter: whole, grid: { ...axis.grid, filter: whole }, values: (_, ticks) => ticks.map((tick) => (tick === null ? '' : unit === 'ms' ? millis(tick) : `${short(tick)}${unit}`)) },
    ],
    series: [{}, ...(stack ? drawn.reverse() : drawn)],
    hooks: { setCursor: [(plot) => onIndex(plot.cursor.idx ?? null)] },
  };
}

/**
 * A plot. `times` are Unix milliseconds; `series` are `{ name, values, colour, swatch?, dash?, say(value) }` with
 * `colour` a CSS variable. `stack` fills and piles them up; `bare` leaves axes out; `span` seconds are shown at least.
 */
export function Plot({ label, times, series, height = 180, stack = false, unit = '', bare = false, least, span, keys = true }) {
  const host = useRef(null);
  const plot = useRef(null);
  const [at, setAt] = useState(null);
  const [look, setLook] = useState(0);
  const shape = `${series.map((one) => one.name + one.colour + (one.dash ? 1 : 0)).join()}|${height}|${stack}|${bare}|${unit}|${least}|${span}|${look}`;
  const sums = stack ? stacked(series) : series.map((one) => one.values);
  const drawn = [times.map((time) => time / 1_000), ...(stack ? [...sums].reverse() : sums)];
  useEffect(() => {
    const again = () => setLook((before) => before + 1);
    const media = window.matchMedia('(prefers-color-scheme: dark)');
    window.addEventListener('interline:theme', again);
    media.addEventListener('change', again);
    return () => { window.removeEventListener('interline:theme', again); media.removeEventListener('change', again); };
  }, []);
  useLayoutEffect(() => {
    plot.current = new uPlot(options(host.current, { series, height, stack, unit, bare, least, span }, setAt), drawn, host.current);
    const watcher = new ResizeObserver(() => {
      const width = Math.max(80, host.current.clientWidth);
      if (plot.current && width !== plot.current.width) plot.current.setSize({ width, height });
    });
    watcher.observe(host.current);
    return () => { watcher.disconnect(); plot.current.destroy(); plot.current = null; };
  }, [shape]);
  useLayoutEffect(() => { plot.current?.setData(drawn); });
  const index = at !== null && at < times.length ? at : times.length - 1;
  const said = series.map((one) => ({ ...one, text: index < 0 ? '–' : (one.say ?? short)(one.values[index] ?? null) }));
  return html`<figure class="plot">
    <div ref=${host} role="img" aria-label=${`${label}: ${said.map((one) => `${one.name} ${one.text}`).join(', ')}`} style=${{ minHeight: `${height}px` }}></div>
    ${keys && html`<figcaption><ul class="keys">${said.map((one) => html`<li key=${one.name}><span class="swatch ${one.swatch ?? ''}" aria-hidden="true" style=${one.swatch ? undefined : { background: `var(${one.colour})` }}></span>${one.name} <strong class="num">${one.text}</strong></li>`)}
      ${at !== null && index >= 0 && html`<li class="muted">at ${clock(times[index] / 1_000)}</li>`}</ul></figcaption>`}
  </figure>`;
}
