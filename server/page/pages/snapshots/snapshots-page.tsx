/** Every moment that can be gone back to: by day and as a list. */

import { useState } from 'preact/hooks';
import type { Snapshot } from '../../api-types.ts';
import { formatItems } from '../../format.ts';
import { Empty } from '../../ui/basics.tsx';
import { SelectField } from '../../ui/fields.tsx';
import { SnapshotsFrame } from '../../ui/snapshots-frame.tsx';
import { VirtualList } from '../../ui/virtual-list.tsx';
import { Calendar, dayOf } from './calendar.tsx';
import { SnapshotDialog } from './snapshot-dialog.tsx';
import { SnapshotRow } from './snapshot-row.tsx';

type Choice = 'all' | 'pinned' | 'suspect' | `label ${string}`;

function fits(snapshot: Snapshot, choice: Choice): boolean {
  if (choice === 'all') return true;
  if (choice === 'pinned') return snapshot.pinned;
  if (choice === 'suspect') return snapshot.suspect;
  return `label ${snapshot.label}` === choice;
}

export function SnapshotsPage() {
  return (
    <SnapshotsFrame title="Snapshots" lead="Every moment that can be gone back to, the newest first.">
      {(snapshots, reload) => <Snapshots snapshots={snapshots} onChanged={reload} />}
    </SnapshotsFrame>
  );
}

function Snapshots({
  snapshots,
  onChanged,
}: {
  readonly snapshots: readonly Snapshot[];
  readonly onChanged: () => void;
}) {
  const [choice, setChoice] = useState<Choice>('all');
  const [day, setDay] = useState<string | undefined>();
  const [openId, setOpenId] = useState<string | undefined>();
  const labels = [...new Set(snapshots.map(({ label }) => label))].filter((label) => label !== '').sort();
  const suspects = snapshots.filter(({ suspect }) => suspect).length;
  const chosen = snapshots.filter((snapshot) => fits(snapshot, choice));
  const listed = day === undefined ? chosen : chosen.filter((snapshot) => dayOf(snapshot) === day);
  const open = snapshots.find(({ id }) => id === openId);
  const options: (readonly [Choice, string])[] = [
    ['all', `All (${snapshots.length})`],
    ['pinned', 'Pinned'],
    ['suspect', `Suspect (${suspects})`],
    ...labels.map((label) => [`label ${label}`, `Label: ${label}`] as const),
  ];
  return (
    <>
      {suspects === 0 ? null : (
        <p class="notice warn">
          {formatItems(suspects, 'snapshot is', 'snapshots are')} suspect: much was missing or looked damaged when made.
          Open one to see why, and to say that it is fine.
        </p>
      )}
      <div class="columns">
        <SelectField label="Show" value={choice} options={options} onChange={setChoice} />
      </div>
      <Calendar snapshots={chosen} day={day} onDay={setDay} />
      <section class="section" aria-label="List">
        <p class="muted" role="status">
          {formatItems(listed.length, 'snapshot')}
          {day === undefined ? '' : ` of ${day}. `}
          {day === undefined ? null : (
            <button type="button" class="crumb" onClick={() => setDay(undefined)}>
              Show all days
            </button>
          )}
        </p>
        {listed.length === 0 ? (
          <Empty title="None is like that" />
        ) : (
          <VirtualList
            key={`${choice} ${day ?? ''}`}
            label="Snapshots"
            items={listed}
            keyOf={({ id }) => id}
            render={(snapshot) => <SnapshotRow snapshot={snapshot} onOpen={() => setOpenId(snapshot.id)} />}
          />
        )}
      </section>
      {open === undefined ? null : (
        <SnapshotDialog snapshot={open} onChanged={onChanged} onClose={() => setOpenId(undefined)} />
      )}
    </>
  );
}
