/** One snapshot in a list. */

import type { Snapshot } from '../../api-types.ts';
import { formatBytes, formatItems, formatShort } from '../../format.ts';
import { Badge, When } from '../../ui/basics.tsx';

export function SnapshotRow({ snapshot, onOpen }: { readonly snapshot: Snapshot; readonly onOpen: () => void }) {
  const { summary } = snapshot;
  return (
    <>
      <button type="button" class="entry" onClick={onOpen}>
        <span class="two-lines">
          <span>
            <strong>
              <When at={snapshot.time} />
            </strong>{' '}
            {snapshot.label === '' ? snapshot.short_id : snapshot.label}, {snapshot.host}
          </span>
          <small class="muted">{formatShort(Date.parse(snapshot.time))}</small>
        </span>
      </button>
      {snapshot.pinned ? <Badge tone="plain">pinned</Badge> : null}
      {snapshot.suspect ? <Badge tone="warn">suspect</Badge> : null}
      <span class="entry-facts muted">
        <span>{formatItems(summary.total_files_processed, 'file')}</span>
        <span>{formatBytes(summary.total_bytes_processed)}</span>
      </span>
    </>
  );
}
