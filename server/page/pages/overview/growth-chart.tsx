/** How much the repository grew, night by night. */

import type { GrowthDay } from '../../api-types.ts';
import { formatBytes } from '../../format.ts';

const HEIGHT = 80;
const BAR = 10;

export function GrowthChart({ days }: { readonly days: readonly GrowthDay[] }) {
  const most = Math.max(1, ...days.map(({ data_added_packed: bytes }) => bytes));
  const total = days.reduce((sum, { data_added_packed: bytes }) => sum + bytes, 0);
  const first = days[0]?.date ?? '';
  const last = days.at(-1)?.date ?? '';
  return (
    <figure class="chart">
      <svg
        viewBox={`0 0 ${Math.max(days.length, 20) * BAR} ${HEIGHT}`}
        preserveAspectRatio="none"
        role="img"
        aria-label={`${formatBytes(total)} were stored from ${first} to ${last}, at most ${formatBytes(most)} on one day`}
      >
        {days.map(({ date, data_added_packed: bytes }, position) => {
          const height = Math.max(1, (bytes / most) * HEIGHT);
          return (
            <rect key={date} x={position * BAR + 1} y={HEIGHT - height} width={BAR - 2} height={height}>
              <title>{`${date}: ${formatBytes(bytes)}`}</title>
            </rect>
          );
        })}
      </svg>
      <figcaption class="muted">
        {formatBytes(total)} stored {first === last ? `on ${last}` : `from ${first} to ${last}`}
      </figcaption>
    </figure>
  );
}
