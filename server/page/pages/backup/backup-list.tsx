/** All backups: to download, to go back to, to delete. */

import { useState } from 'preact/hooks';
import type { Backup } from '../../api-types.ts';
import { usePage } from '../../context.ts';
import { formatBytes } from '../../format.ts';
import type { Tone } from '../../state/toasts.ts';
import { Badge, Button, Empty, ErrorNotice, Link, Moment, Section, Waiting, When } from '../../ui/basics.tsx';
import { ConfirmDialog } from '../../ui/dialog.tsx';
import { Icon } from '../../ui/icon.tsx';
import { useAction, useLoaded } from '../../use-loaded.ts';
import { RestoreDialog } from './restore-dialog.tsx';

/** The settings below come into sight without scrolling past a month of nights. */
const BACKUPS_AT_FIRST = 10;
const BACKUPS_A_PAGE = 50;

export function BackupList({ onCreate }: { readonly onCreate: () => void }) {
  const page = usePage();
  const loaded = useLoaded((signal) => page.api.backups({ limit: BACKUPS_AT_FIRST, signal }), {
    live: ['backups', 'job'],
  });
  const [restored, setRestored] = useState<Backup | undefined>();
  const [deleted, setDeleted] = useState<Backup | undefined>();
  const [older, setOlder] = useState<readonly Backup[]>([]);
  const [olderCursor, setOlderCursor] = useState<string | null | undefined>();
  const more = useAction();
  const newest = loaded.data?.items ?? [];
  const known = new Set(newest.map(({ id }) => id));
  const backups = [...newest, ...older.filter(({ id }) => !known.has(id))];
  const cursor = olderCursor === undefined ? (loaded.data?.next_cursor ?? null) : olderCursor;
  const showOlder = (): void => {
    more.run(async () => {
      const next = await page.api.backups({ limit: BACKUPS_A_PAGE, cursor: cursor ?? undefined });
      setOlder([...backups, ...next.items]);
      setOlderCursor(next.next_cursor);
    });
  };
  return (
    <Section title="Backups" anchor="backups">
      <ErrorNotice error={loaded.error} onRetry={loaded.reload} />
      {loaded.data === undefined && loaded.isLoading ? <Waiting what="backups" /> : null}
      {loaded.data !== undefined && backups.length === 0 ? (
        <Empty title="There is no backup yet">
          <Button kind="main" icon="plus" onPress={onCreate}>
            Create the first backup
          </Button>
        </Empty>
      ) : null}
      {backups.length === 0 ? null : (
        <ul class="rows" aria-label="Backups">
          {backups.map((backup) => (
            <BackupRow
              key={backup.id}
              backup={backup}
              onRestore={() => setRestored(backup)}
              onDelete={() => setDeleted(backup)}
            />
          ))}
        </ul>
      )}
      <ErrorNotice error={more.error} />
      {cursor === null ? null : (
        <Button busy={more.isBusy ? 'Loading older backups …' : undefined} onPress={showOlder}>
          Show older backups
        </Button>
      )}
      {restored === undefined ? null : <RestoreDialog backup={restored} onClose={() => setRestored(undefined)} />}
      {deleted === undefined ? null : (
        <DeleteDialog
          backup={deleted}
          onClose={() => setDeleted(undefined)}
          onDone={() => {
            setDeleted(undefined);
            setOlder(older.filter(({ id }) => id !== deleted.id));
            loaded.reload();
          }}
        />
      )}
    </Section>
  );
}

const STATUS: { readonly [status in Backup['status']]: readonly [Tone, string] } = {
  IN_PROGRESS: ['plain', 'In progress'],
  COMPLETED: ['good', 'Completed'],
  FAILED: ['bad', 'Failed'],
};

function partsOf({ includes_books: books, includes_covers: covers }: Backup): string {
  return ['database', ...(covers ? ['covers'] : []), ...(books ? ['books'] : [])].join(', ');
}

function BackupRow(props: { readonly backup: Backup; readonly onRestore: () => void; readonly onDelete: () => void }) {
  const { backup, onRestore, onDelete } = props;
  const page = usePage();
  const [tone, words] = STATUS[backup.status];
  return (
    <li class="row" data-backup={backup.backup_id}>
      <div class="row-main">
        <p class="row-title">
          <Moment at={backup.created_at} /> <Badge tone={tone}>{words}</Badge>
        </p>
        <p class="muted">
          {partsOf(backup)}
          {backup.size_bytes === null ? '' : ` · ${formatBytes(backup.size_bytes)}`} ·{' '}
          {backup.trigger === 'schedule' ? 'by the schedule' : `by ${backup.created_by}`}
        </p>
        {backup.reason === null ? null : (
          <p class={backup.status === 'FAILED' ? 'reason bad-text' : 'reason'}>{backup.reason}</p>
        )}
      </div>
      <div class="actions">
        {backup.status === 'COMPLETED' ? (
          <a
            class="button plain"
            href={page.api.backupDownload(backup.id)}
            download
            aria-label={`Download the backup ${backup.backup_id}`}
          >
            <Icon name="download" /> Download
          </a>
        ) : null}
        {backup.status === 'COMPLETED' ? (
          <Button icon="restore" label={`Restore the backup ${backup.backup_id}`} onPress={onRestore}>
            Restore
          </Button>
        ) : null}
        {backup.job_id === null ? null : (
          <Link to={`/jobs/${backup.job_id}`} class="button quiet">
            Log
          </Link>
        )}
        {backup.status === 'IN_PROGRESS' ? null : (
          <Button kind="quiet" icon="trash" label={`Delete the backup ${backup.backup_id}`} onPress={onDelete} />
        )}
      </div>
    </li>
  );
}

function DeleteDialog(props: { readonly backup: Backup; readonly onClose: () => void; readonly onDone: () => void }) {
  const page = usePage();
  const action = useAction();
  const { backup } = props;
  const remove = async (): Promise<void> => {
    const went = await action.run(async () => {
      const started = await page.api.deleteBackup(backup.id);
      if (started?.job !== undefined) page.jobs.put(started.job);
      else page.toasts.show('good', 'The backup was deleted.');
    });
    if (went) props.onDone();
  };
  return (
    <ConfirmDialog
      title="Delete this backup?"
      action="Delete the backup"
      busy="Deleting …"
      isBusy={action.isBusy}
      error={action.error}
      onConfirm={remove}
      onClose={props.onClose}
    >
      <p>
        It was made <When at={backup.created_at} /> and holds {partsOf(backup)}.
      </p>
      <p>Nobody can go back to that moment any more. Other backups stay as they are.</p>
    </ConfirmDialog>
  );
}
