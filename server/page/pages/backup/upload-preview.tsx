/** What a file says of itself, what would change, and the word to do it. */

import { useState } from 'preact/hooks';
import type { Job, UploadPreview } from '../../api-types.ts';
import { usePage } from '../../context.ts';
import { formatBytes, formatCount, formatExact, formatItems } from '../../format.ts';
import { Button, ErrorNotice, Notice } from '../../ui/basics.tsx';
import { PathField } from '../../ui/path-field.tsx';
import { useAction } from '../../use-loaded.ts';
import { ServerField } from '../restore/server-field.tsx';

export function UploadPreviewStep(props: {
  readonly id: number;
  readonly preview: UploadPreview;
  readonly onStarted: (job: Job) => void;
  readonly onClose: () => void;
}) {
  const page = usePage();
  const { id, preview } = props;
  const strange = preview.places.filter(({ is_known: isKnown }) => !isKnown);
  const [targets, setTargets] = useState<{ readonly [from: string]: string }>({});
  const [profile, setProfile] = useState<string | undefined>();
  const action = useAction();
  const mappings = strange.map(({ path }) => ({ from: path, to: targets[path] ?? '' }));
  const restore = (event: Event): void => {
    event.preventDefault();
    action.run(async () =>
      props.onStarted((await page.api.restoreUpload(id, mappings, profile === '' ? undefined : profile)).job),
    );
  };
  return (
    <form class="stack" onSubmit={restore}>
      <Manifest preview={preview} />
      <Changes preview={preview} />
      {strange.length === 0 ? null : (
        <Notice tone="warn">
          <p>Some folders are not those of this library. Say where their files go.</p>
        </Notice>
      )}
      {strange.map(({ path }) => (
        <PathField
          key={path}
          label={`Instead of ${path}`}
          value={targets[path] ?? ''}
          onChange={(to) => setTargets((known) => ({ ...known, [path]: to }))}
          placeholder="/an/absolute/path"
          required
        />
      ))}
      {strange.length === 0 ? null : <ServerField value={profile} onChange={setProfile} />}
      <ErrorNotice error={action.error} />
      <div class="dialog-actions">
        <Button onPress={props.onClose} disabled={action.isBusy}>
          Throw the file away
        </Button>
        <Button kind="main" type="submit" busy={action.isBusy ? 'Starting …' : undefined}>
          Restore
        </Button>
      </div>
    </form>
  );
}

function Manifest({ preview }: { readonly preview: UploadPreview }) {
  const { includes_books: hasBooks, includes_covers: hasCovers, created_by: by } = preview;
  const holds = ['the database', ...(hasCovers ? ['covers'] : []), ...(hasBooks ? ['book files'] : [])];
  return (
    <dl class="facts">
      <dt>Made</dt>
      <dd>{formatExact(Date.parse(preview.created_at))}</dd>
      <dt>On</dt>
      <dd>
        {preview.host}
        {by === null ? '' : `, by ${by}`}
      </dd>
      <dt>Holds</dt>
      <dd>{holds.join(', ')}</dd>
      {preview.books === null ? null : (
        <>
          <dt>Books</dt>
          <dd>{formatCount(preview.books)}</dd>
        </>
      )}
      <dt>Size</dt>
      <dd>
        {formatItems(preview.files, 'file')}, {formatBytes(preview.bytes)}
      </dd>
    </dl>
  );
}

function Changes({ preview: { changes, databases } }: { readonly preview: UploadPreview }) {
  return (
    <>
      <h3>What would change</h3>
      <ul class="bullets">
        {databases.map(({ path }) => (
          <li key={path}>
            The database <span class="path">{path}</span> goes back to that moment.
          </li>
        ))}
        <li>
          {changes.files_missing === 0
            ? 'No file is missing.'
            : `${formatItems(changes.files_missing, 'missing file')} come back.`}
        </li>
        {changes.files_different === 0 ? null : (
          <li>{formatItems(changes.files_different, 'file')} become what they were, where their content differs.</li>
        )}
        <li>
          {formatItems(changes.files_same, 'file')} stay as they are, and so does every file that the backup lacks.
        </li>
        {changes.bytes_to_write === 0 ? null : <li>At most {formatBytes(changes.bytes_to_write)} are written.</li>}
        <li>What is there now is saved first, so that this can be undone.</li>
      </ul>
    </>
  );
}
