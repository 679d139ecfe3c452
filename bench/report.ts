/** Results as rows: a figure, what it may be at most, and whether it is. */

export interface Result {
  readonly job: string;
  /** What was measured, and against what. */
  readonly what: string;
  readonly value: number;
  readonly unit: 'x' | 'MB' | 's' | 'ms' | '%';
  /** At most; undefined where nothing is promised. */
  readonly target?: number | undefined;
  /** One for each run, where `value` is their median. */
  readonly all?: readonly number[] | undefined;
}

export function formatValue({ value, unit }: Pick<Result, 'value' | 'unit'>): string {
  if (unit === '%') return `${value.toFixed(1)} %`;
  if (unit === 'ms') return `${value.toFixed(1)} ms`;
  return unit === 'x' ? `${value.toFixed(2)}x` : unit === 's' ? `${value.toFixed(2)} s` : `${value.toFixed(1)} MB`;
}

export function verdictOf({ value, target }: Pick<Result, 'value' | 'target'>): 'ok' | 'MISSED' | '' {
  return target === undefined ? '' : value <= target ? 'ok' : 'MISSED';
}

/** Aligned columns: job, what, value, target, verdict, smallest and largest of the runs. */
export function formatResults(results: readonly Result[]): string {
  const rows = results.map((result) => {
    const { target, unit, all = [] } = result;
    const limit = target === undefined ? '' : `<= ${formatValue({ value: target, unit })}`;
    const range = all.length < 2 ? '' : `${Math.min(...all).toFixed(2)} to ${Math.max(...all).toFixed(2)}`;
    return [result.job, result.what, formatValue(result), limit, verdictOf(result), range];
  });
  const widths = [0, 1, 2, 3, 4, 5].map((column) => Math.max(...rows.map((row) => (row[column] ?? '').length)));
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** Rows with the same columns as a table in Markdown. */
export function formatTable(rows: readonly Readonly<Record<string, string | number>>[]): string {
  const names = Object.keys(rows[0] ?? {});
  const cells = [names, ...rows.map((row) => names.map((name) => String(row[name] ?? '')))];
  const widths = names.map((_, column) => Math.max(3, ...cells.map((row) => (row[column] ?? '').length)));
  const lines = cells.map((row) => `| ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`);
  lines.splice(1, 0, `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`);
  return lines.join('\n');
}
