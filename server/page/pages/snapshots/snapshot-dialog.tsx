/** One snapshot: what it holds, and what can be changed about it. */

import { useState } from 'preact/hooks';
import type { SnapshotChange } from '../../api.ts';
import type { Snapshot } from '../../api-types.ts';
import { usePage } from '../../context.ts';
import { formatBytes, formatCount, formatDuration, formatExact, formatItems } from '../../format.ts';
import { Button, ErrorNotice, Link, Notice } from '../../ui/basics.tsx';
import { Dialog } from '../../ui/dialog.tsx';
import { TextField } from '../../ui/fields.tsx';
import { useAction } from '../../use-loaded.ts';
import { RestoreLink } from '../browse/restore-link.tsx';

interface Props {
  readonly snapshot: Snapshot;
  readonly onChanged: () => void;
  readonly onClose: () => void;
}

export function SnapshotDialog({ snapshot, onChanged, onClose }: Props) {
  const page = usePage();
  const action = useAction();
  const change = (what: Omit<SnapshotChange, 'snapshots'>, said: string): void => {
    action.run(async () => {
      await page.api.changeSnapshots({ snapshots: [snapshot.id], ...what });
      page.toasts.show('good', said);
      onChanged();
    });
  };
  return (
    <Dialog title={`Snapshot ${snapshot.short_id}`} onClose={onClose}>
      <div class="stack">
        {snapshot.suspect ? (
          <Notice tone="warn">
            <p>It is suspect: {snapshot.suspicion ?? 'something looked wrong when it was made'}.</p>
            <Button
              disabled={action.isBusy}
              onPress={() => change({ trusted: true }, 'The snapshot counts as a good one now.')}
            >
              I looked: it is fine
            </Button>
          </Notice>
        ) : null}
        <Facts snapshot={snapshot} />
        <div class="actions">
          <Link to="/browse" query={{ snapshot: snapshot.id }} class="button main">
            Browse it
          </Link>
          <RestoreLink snapshot={snapshot.id}>Restore …</RestoreLink>
          <Link to="/compare" query={{ before: snapshot.id }} class="button plain">
            Compare
          </Link>
          <Button
            icon="pin"
            disabled={action.isBusy}
            onPress={() =>
              change(
                { pinned: !snapshot.pinned },
                snapshot.pinned ? 'Retention may let it go again.' : 'It stays, whatever retention says.',
              )
            }
          >
            {snapshot.pinned ? 'Unpin' : 'Pin: keep it for good'}
          </Button>
        </div>
        <Words snapshot={snapshot} isBusy={action.isBusy} onSave={change} />
        <ErrorNotice error={action.error} />
      </div>
    </Dialog>
  );
}

function Facts({ snapshot }: { readonly snapshot: Snapshot }) {
  const { summary } = snapshot;
  return (
    <dl class="facts">
      <dt>Made</dt>
      <dd>{formatExact(Date.parse(snapshot.time))}</dd>
      <dt>On</dt>
      <dd>{snapshot.host}</dd>
      <dt>Of</dt>
      <dd>
        {snapshot.paths.map(({ path }) => (
          <div key={path} class="path">
            {path}
          </div>
        ))}
      </dd>
      <dt>Holds</dt>
      <dd>
        {formatItems(summary.total_files_processed, 'file')}, {formatBytes(summary.total_bytes_processed)}
      </dd>
      <dt>Against the one before</dt>
      <dd>
        {formatCount(summary.files_new)} new, {formatCount(summary.files_changed)} changed,{' '}
        {formatCount(summary.files_deleted)} gone; {formatBytes(summary.data_added)} new,{' '}
        {formatBytes(summary.data_added_packed)} stored
      </dd>
      <dt>Took</dt>
      <dd>{formatDuration(summary.total_duration)}</dd>
      {snapshot.problem_count === 0 ? null : (
        <>
          <dt>Problems</dt>
          <dd>{formatItems(snapshot.problem_count, 'file')} could not be read</dd>
        </>
      )}
    </dl>
  );
}

function Words(props: {
  readonly snapshot: Snapshot;
  readonly isBusy: boolean;
  readonly onSave: (change: Omit<SnapshotChange, 'snapshots'>, said: string) => void;
}) {
  const { snapshot } = props;
  const [label, setLabel] = useState(snapshot.label);
  const [tags, setTags] = useState(snapshot.tags.join(', '));
  const save = (event: Event): void => {
    event.preventDefault();
    const words = tags.split(',').map((tag) => tag.trim());
    props.onSave({ label, set_tags: [...new Set(words.filter((tag) => tag !== ''))] }, 'Label and tags were saved.');
  };
  return (
    <form class="stack" onSubmit={save}>
      <TextField label="Label" value={label} onChange={setLabel} maxLength={200} />
      <TextField label="Tags" value={tags} onChange={setTags} hint="Separated by commas" />
      <div class="actions">
        <Button type="submit" disabled={props.isBusy}>
          Save label and tags
        </Button>
      </div>
    </form>
  );
}
