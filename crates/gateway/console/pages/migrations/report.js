// The report of a migration: what the new provider was shown, what both sides answered, what was done.

import { html } from '../../lib.js';
import { Badge, Num, Stat, Table, Time } from '../../parts.js';
import { number, percent, words } from '../../format.js';
import { Link } from '../../router.js';

const causes = [
  { key: 'code', label: 'Code', head: true, cell: (row) => html`<code>${row.code}</code>` },
  { key: 'path', label: 'Field', cell: (row) => html`<code>${row.path || 'message'}</code>` },
  { key: 'detail', label: 'What would be said', wide: true, cell: (row) => row.detail ?? html`<span class="muted">shown to keys with admin</span>` },
  { key: 'count', label: 'Messages', number: true, cell: (row) => html`<${Num} value=${row.count} />` },
  {
    key: 'sample',
    label: 'Sample',
    cell: (row) => row.sample === null ? '–' : html`<${Link} to=${`/batches/${row.sample.batch}`}>${row.sample.message}<//>`,
  },
];

const losses = (report) => [
  { key: 'field', label: 'Field', head: true, cell: (row) => html`<code>${row.field}</code>` },
  { key: 'from', label: `Lost at ${report.from}`, number: true, cell: (row) => html`<${Num} value=${row.from} />` },
  { key: 'to', label: `Lost at ${report.to}`, number: true, cell: (row) => html`<${Num} value=${row.to} />` },
  { key: 'only', label: `Only at ${report.to}`, number: true, cell: (row) => html`<${Num} value=${row.only_to} />` },
];

const sides = [
  { key: 'provider', label: 'Provider', head: true, cell: (row) => html`<strong>${row.provider}</strong>` },
  { key: 'messages', label: 'Messages', number: true, cell: (row) => html`<${Num} value=${row.messages} />` },
  ...['accepted', 'rejected', 'unknown'].map((outcome) => ({
    key: outcome,
    label: outcome.charAt(0).toUpperCase() + outcome.slice(1),
    number: true,
    cell: (row) => html`<${Num} value=${row[outcome]} />${outcome === 'accepted' || row[outcome] === 0 ? '' : html` <span class="muted">${percent(row[outcome], row.accepted + row.rejected + row.unknown)}</span>`}`,
  })),
  { key: 'p50', label: 'Half within', number: true, cell: (row) => (row.p50_ms === null ? '–' : `${number(row.p50_ms)} ms`) },
  { key: 'p95', label: '95 % within', number: true, cell: (row) => (row.p95_ms === null ? '–' : `${number(row.p95_ms)} ms`) },
];

const history = [
  { key: 'at', label: 'When', head: true, cell: (row) => html`<${Time} at=${row.at} full />` },
  { key: 'phase', label: 'Phase', cell: (row) => html`<${Badge} word=${row.phase}>${words(row.phase)}${row.phase === 'ramp' ? ` ${row.percent} %` : ''}</${Badge}>` },
  { key: 'why', label: 'Why', wide: true, cell: (row) => row.why ?? html`<span class="muted">ordered by a person</span>` },
];

/** Everything of the report but the gates. */
export function Report({ report }) {
  if (report.since === null) return null;
  const { shadow } = report;
  return html`
    <div>
      <h3>Shown to ${report.to} in shadow</h3>
      <dl class="stats tight">
        <${Stat} label="Messages" value=${number(shadow.messages)} />
        <${Stat} label="Would be refused" value=${number(shadow.refused)} tone=${shadow.refused > 0 ? 'bad' : ''} />
        <${Stat} label="With losses" value=${number(shadow.with_losses)} tone=${shadow.with_losses > 0 ? 'warn' : ''} />
        <${Stat} label="Not looked at" value=${number(shadow.skipped)} note=${shadow.skipped > 0 ? 'too many at once' : null} />
      </dl>
    </div>
    ${shadow.causes.length > 0 && html`<${Table} caption=${`What ${report.to} would refuse`} columns=${causes} rows=${shadow.causes} rowKey=${(row) => `${row.code}${row.path}${row.detail}`} />`}
    ${shadow.other_causes > 0 && html`<p class="muted">and ${number(shadow.other_causes)} more for other causes</p>`}
    ${shadow.losses.length > 0 && html`<${Table} caption="What would be lost" columns=${losses(report)} rows=${shadow.losses} rowKey=${(row) => row.field} />`}
    <${Table} caption="What both sides answered" columns=${sides} rows=${[report.sides.from, report.sides.to]} rowKey=${(row) => row.provider} />
    ${report.history.length > 0 && html`<${Table} caption="What was done" columns=${history} rows=${report.history} rowKey=${(row) => row.at} />`}`;
}
