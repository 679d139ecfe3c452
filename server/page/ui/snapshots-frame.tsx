/** A page about the snapshots that there are: its head, and what stands there until they are known, or where there is none. */

import type { ComponentChildren } from 'preact';
import type { Snapshot } from '../api-types.ts';
import { useSnapshots } from '../use-snapshots.ts';
import { Empty, ErrorNotice, Link, PageHead, Waiting } from './basics.tsx';

export function SnapshotsFrame(props: {
  readonly title: string;
  readonly lead: string;
  /** `snapshots`: at least one, the newest first. */
  readonly children: (snapshots: readonly Snapshot[], reload: () => void) => ComponentChildren;
}) {
  const { data, error, isLoading, reload } = useSnapshots();
  return (
    <>
      <PageHead title={props.title}>{props.lead}</PageHead>
      <ErrorNotice error={error} onRetry={reload} />
      {data === undefined ? (
        isLoading ? (
          <Waiting what="snapshots" />
        ) : null
      ) : data.length === 0 ? (
        <Empty title="There is no snapshot yet">
          <p class="muted">
            <Link to="/settings/backup">Create a backup</Link>: it can be looked at, compared and brought back here.
          </p>
        </Empty>
      ) : (
        props.children(data, reload)
      )}
    </>
  );
}
