/** Results as rows: a figure, what it may be at most, and whether it is. */

export interface Result {
  readonly job: string;
  /** What was measured, and against what. */
  readonly what: string;
  readonly value: number;
  readonly unit: 'x' | 'MB' | 's';
  /** At most; undefined where nothing is promised. */
  readonly target?: number | undefined;
}

export function formatValue({ value, unit }: Pick<Result, 'value' | 'unit'>): string {
  return unit === 'x' ? `${value.toFixed(2)}x` : unit === 's' ? `${value.toFixed(2)} s` : `${value.toFixed(1)} MB`;
}

/** Aligned columns: job, what, value, target, verdict. */
export function formatResults(results: readonly Result[]): string {
  const rows = results.map((result) => {
    const { target, unit } = result;
    const verdict = target === undefined ? '' : result.value <= target ? 'ok' : 'MISSED';
    const limit = target === undefined ? '' : `<= ${formatValue({ value: target, unit })}`;
    return [result.job, result.what, formatValue(result), limit, verdict];
  });
  const widths = [0, 1, 2, 3].map((column) => Math.max(...rows.map((row) => (row[column] ?? '').length)));
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
