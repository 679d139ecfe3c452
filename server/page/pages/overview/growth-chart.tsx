/** How much the repository grew, night by night. */

import type { GrowthDay } from '../../api-types.ts';
import { formatBytes, formatDay } from '../../format.ts';
import { barsOf } from './growth-bars.ts';

const HEIGHT = 80;
const BAR = 10;
/** Few bars are not drawn as wide as walls. */
const BARS_MIN = 20;

export function GrowthChart({ days }: { readonly days: readonly GrowthDay[] }) {
  const { bars, topBytes } = barsOf(days);
  const total = bars.reduce((sum, { bytes }) => sum + bytes, 0);
  const most = bars.reduce((found, bar) => (bar.bytes > found.bytes ? bar : found), { date: '', bytes: 0 });
  const [first, last] = [formatDay(bars[0]?.date ?? ''), formatDay(bars.at(-1)?.date ?? '')];
  const cut = bars.filter(({ isCut }) => isCut);
  return (
    <figure class="chart">
      <p class="chart-scale muted">{formatBytes(topBytes)} a night</p>
      <svg
        viewBox={`0 0 ${Math.max(bars.length, BARS_MIN) * BAR} ${HEIGHT}`}
        preserveAspectRatio="none"
        role="img"
        aria-label={`${formatBytes(total)} were stored from ${first} to ${last}, at most ${formatBytes(most.bytes)} on one day`}
      >
        {bars.map(({ date, bytes, part, isCut }, position) => {
          const height = bytes === 0 ? 0 : Math.max(1.5, part * HEIGHT);
          const x = position * BAR + 1;
          return (
            <g key={date}>
              <title>{`${formatDay(date)}: ${bytes === 0 ? 'nothing new' : formatBytes(bytes)}`}</title>
              <rect class="day-column" x={position * BAR} y={0} width={BAR} height={HEIGHT} />
              <rect x={x} y={HEIGHT - height} width={BAR - 2} height={height} />
              {isCut ? <path class="cut" d={`M${x} 14l${BAR - 2} -6v4l-${BAR - 2} 6z`} /> : null}
            </g>
          );
        })}
      </svg>
      <figcaption class="muted">
        <span>{first}</span>
        <span>{last}</span>
      </figcaption>
      <p class="muted">
        {formatBytes(total)} stored {first === last ? `on ${last}` : `from ${first} to ${last}`}.
        {cut.length === 0
          ? ''
          : ` The ${formatBytes(most.bytes)} of ${formatDay(most.date)} stand higher than is drawn.`}
      </p>
    </figure>
  );
}
