/** Every moment that can be gone back to. */

import { usePage } from '../../context.ts';
import { formatBytes, formatItems } from '../../format.ts';
import { Badge, Empty, ErrorNotice, PageHead, Waiting, When } from '../../ui/basics.tsx';
import { useLoaded } from '../../use-loaded.ts';

export function SnapshotsPage() {
  const page = usePage();
  const loaded = useLoaded((signal) => page.api.snapshots({ limit: 1000, signal }), { live: ['backups', 'snapshots'] });
  return (
    <>
      <PageHead title="Snapshots">Every moment that can be gone back to, the newest first.</PageHead>
      <ErrorNotice error={loaded.error} onRetry={loaded.reload} />
      {loaded.data === undefined ? (
        loaded.isLoading ? (
          <Waiting what="snapshots" />
        ) : null
      ) : loaded.data.items.length === 0 ? (
        <Empty title="There is no snapshot yet" />
      ) : (
        <ul class="rows">
          {loaded.data.items.map((snapshot) => (
            <li class="row" key={snapshot.id}>
              <div class="row-main">
                <p class="row-title">
                  <When at={snapshot.time} />
                </p>
                <p class="muted">
                  {snapshot.short_id} on {snapshot.host}, {formatItems(snapshot.summary.total_files_processed, 'file')},{' '}
                  {formatBytes(snapshot.summary.total_bytes_processed)}, {formatBytes(snapshot.summary.data_added)} new
                </p>
              </div>
              {snapshot.label === '' ? null : <Badge tone="plain">{snapshot.label}</Badge>}
              {snapshot.pinned ? <Badge tone="plain">pinned</Badge> : null}
              {snapshot.suspect ? <Badge tone="warn">suspect</Badge> : null}
            </li>
          ))}
        </ul>
      )}
    </>
  );
}
