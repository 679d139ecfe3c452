/** Chooses a moment: by dragging, by arrow keys, one by one, or from a list. */

import { useEffect, useId, useState } from 'preact/hooks';
import type { Snapshot } from '../../api-types.ts';
import { formatShort } from '../../format.ts';
import { Badge, Button, When } from '../../ui/basics.tsx';

const SETTLE_MS = 150;

export function MomentSlider(props: {
  /** The newest first. */
  readonly snapshots: readonly Snapshot[];
  readonly value: Snapshot;
  readonly onChange: (snapshot: Snapshot) => void;
}) {
  const { snapshots, value, onChange } = props;
  const id = useId();
  const last = snapshots.length - 1;
  // On the slider the newest stands at the right.
  const chosen = last - snapshots.indexOf(value);
  const [position, setPosition] = useState(chosen);
  useEffect(() => setPosition(chosen), [chosen]);
  // Whoever drags across a hundred moments wants the last one.
  useEffect(() => {
    const snapshot = snapshots[last - position];
    if (position === chosen || snapshot === undefined) return;
    const timer = setTimeout(() => onChange(snapshot), SETTLE_MS);
    return () => clearTimeout(timer);
  }, [position]);
  const shown = snapshots[last - position] ?? value;
  const step = (by: number): void => setPosition(Math.min(last, Math.max(0, position + by)));
  return (
    <div class="card moment">
      <div class="section-head">
        <div>
          <label for={id}>Moment</label>
          <p class="figure">{formatShort(Date.parse(shown.time))}</p>
          <p class="muted">
            <When at={shown.time} /> on {shown.host}{' '}
            {shown.label === '' ? null : <Badge tone="plain">{shown.label}</Badge>}{' '}
            {shown.suspect ? <Badge tone="warn">suspect</Badge> : null}
          </p>
        </div>
        <div class="actions">
          <Button icon="back" label="One moment earlier" disabled={position === 0} onPress={() => step(-1)} />
          <Button icon="next" label="One moment later" disabled={position === last} onPress={() => step(1)} />
        </div>
      </div>
      <input
        id={id}
        type="range"
        min={0}
        max={Math.max(last, 0)}
        value={position}
        disabled={last === 0}
        aria-valuetext={`${formatShort(Date.parse(shown.time))}, ${position + 1} of ${last + 1}`}
        onInput={(event) => setPosition(Number(event.currentTarget.value))}
      />
    </div>
  );
}
