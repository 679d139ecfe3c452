/** One month, with the days that have snapshots. */

import { useState } from 'preact/hooks';
import type { Snapshot } from '../../api-types.ts';
import { Button } from '../../ui/basics.tsx';

const MONTH = new Intl.DateTimeFormat('en', { month: 'long', year: 'numeric' });
const WEEKDAYS = ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun'] as const;

function dayText(date: Date): string {
  const [month, day] = [date.getMonth() + 1, date.getDate()];
  return `${date.getFullYear()}-${String(month).padStart(2, '0')}-${String(day).padStart(2, '0')}`;
}

/** The day on the clock of whoever looks. */
export function dayOf({ time }: Pick<Snapshot, 'time'>): string {
  return dayText(new Date(time));
}

interface Month {
  readonly year: number;
  /** From 0. */
  readonly month: number;
}

function moved({ year, month }: Month, by: number): Month {
  const date = new Date(year, month + by, 1);
  return { year: date.getFullYear(), month: date.getMonth() };
}

/** Weeks of days, begun on Mondays; undefined outside of the month. */
function weeksOf({ year, month }: Month): (Date | undefined)[][] {
  const first = new Date(year, month, 1);
  const days = new Date(year, month + 1, 0).getDate();
  const cells: (Date | undefined)[] = Array.from({ length: (first.getDay() + 6) % 7 }, () => undefined);
  for (let day = 1; day <= days; day++) cells.push(new Date(year, month, day));
  const weeks: (Date | undefined)[][] = [];
  for (let at = 0; at < cells.length; at += 7) {
    const week = cells.slice(at, at + 7);
    weeks.push([...week, ...Array.from({ length: 7 - week.length }, () => undefined)]);
  }
  return weeks;
}

export function Calendar(props: {
  /** The newest first. */
  readonly snapshots: readonly Snapshot[];
  readonly day: string | undefined;
  readonly onDay: (day: string | undefined) => void;
}) {
  const newest = new Date(props.snapshots[0]?.time ?? Date.now());
  const [month, setMonth] = useState<Month>({ year: newest.getFullYear(), month: newest.getMonth() });
  const counts = new Map<string, { readonly all: number; readonly suspect: number }>();
  for (const snapshot of props.snapshots) {
    const day = dayOf(snapshot);
    const { all, suspect } = counts.get(day) ?? { all: 0, suspect: 0 };
    counts.set(day, { all: all + 1, suspect: suspect + (snapshot.suspect ? 1 : 0) });
  }
  const title = MONTH.format(new Date(month.year, month.month, 1));
  return (
    <div class="card calendar">
      <div class="section-head">
        <h2 aria-live="polite">{title}</h2>
        <div class="actions">
          <Button icon="back" label="The month before" onPress={() => setMonth(moved(month, -1))} />
          <Button icon="next" label="The month after" onPress={() => setMonth(moved(month, 1))} />
        </div>
      </div>
      <table>
        <caption class="unseen">Snapshots of {title} by day</caption>
        <thead>
          <tr>
            {WEEKDAYS.map((name) => (
              <th key={name} scope="col">
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {weeksOf(month).map((week, row) => (
            <tr key={`${title} ${row}`}>
              {week.map((date, column) => (
                <td key={column}>
                  {date === undefined ? null : (
                    <Day date={date} count={counts.get(dayText(date))} day={props.day} onDay={props.onDay} />
                  )}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Day(props: {
  readonly date: Date;
  readonly count: { readonly all: number; readonly suspect: number } | undefined;
  readonly day: string | undefined;
  readonly onDay: (day: string | undefined) => void;
}) {
  const { date, count } = props;
  const text = dayText(date);
  if (count === undefined) return <span class="day muted">{date.getDate()}</span>;
  const isChosen = props.day === text;
  const words = `${text}: ${count.all} ${count.all === 1 ? 'snapshot' : 'snapshots'}`;
  return (
    <button
      type="button"
      class={count.suspect > 0 ? 'day has suspect' : 'day has'}
      aria-pressed={isChosen}
      onClick={() => props.onDay(isChosen ? undefined : text)}
    >
      <span aria-hidden="true">{date.getDate()}</span>
      <small aria-hidden="true">{count.all}</small>
      <span class="unseen">{count.suspect > 0 ? `${words}, ${count.suspect} suspect` : words}</span>
    </button>
  );
}
