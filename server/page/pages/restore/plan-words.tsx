/** What a restore would do, in words. */

import type { PlannedEntry, RestorePlan } from '../../api-types.ts';
import { formatBytes, formatCount, formatItems, formatShort } from '../../format.ts';

/** What comes back: lines of a list. */
export function PlanChanges({ plan }: { readonly plan: RestorePlan }) {
  const { files_to_create: created, files_to_replace: replaced, databases_to_swap: databases } = plan;
  const { files_to_compare: compared, bytes_to_write: bytes, entries } = plan;
  return (
    <>
      {databases.map((path) => (
        <li key={path}>
          The database <span class="path">{path}</span> goes back to that moment,{' '}
          {formatShort(Date.parse(plan.snapshot_time))}: what was listened to, bookmarked or added since then is undone.
        </li>
      ))}
      <li>
        {created === 0
          ? 'No file is missing.'
          : `${formatItems(created, 'missing file comes', 'missing files come')} back.`}
        <Examples entries={entries?.create} total={created} />
      </li>
      {replaced === 0 ? null : (
        <li>
          {formatItems(
            replaced,
            'file that changed goes back to what it was',
            'files that changed go back to what they were',
          )}
          .
          <Examples entries={entries?.replace} total={replaced} />
        </li>
      )}
      {compared === 0 ? null : (
        <li>
          {formatItems(compared, 'file is', 'files are')} compared by content, and put right where that differs.
          <Examples entries={entries?.compare} total={compared} />
        </li>
      )}
      {bytes === 0 ? null : <li>{formatBytes(bytes)} are written.</li>}
    </>
  );
}

/** What goes: a line of a list. */
export function PlanRemovals({ plan }: { readonly plan: RestorePlan }) {
  const { files_to_delete: files, directories_to_delete: folders, bytes_to_delete: bytes, entries } = plan;
  if (files + folders === 0) return <li>Nothing is removed.</li>;
  const { mostly_deleted: share } = plan;
  return (
    <li>
      <strong>
        Removed, since the snapshot does not have them: {formatItems(files, 'file')} ({formatBytes(bytes)})
        {folders === 0 ? '' : ` and ${formatItems(folders, 'folder')}`}.
      </strong>
      {share === null ? null : (
        <>
          {' '}
          That is more than half of what is there now: {formatCount(share.files_deleted)} of{' '}
          {formatItems(share.files_present, 'file')} below <span class="path">{share.path}</span>.
        </>
      )}
      <Examples entries={entries?.delete} total={files + folders} isOpen />
    </li>
  );
}

/** Some of them by name, for whoever wants to see that. */
function Examples(props: {
  readonly entries: readonly PlannedEntry[] | undefined;
  readonly total: number;
  readonly isOpen?: boolean;
}) {
  const { entries = [], total } = props;
  if (entries.length === 0) return null;
  return (
    <details open={props.isOpen === true}>
      <summary>{entries.length < total ? `The first ${formatCount(entries.length)} of them` : 'Which ones'}</summary>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, and must do so by the keyboard, too. */}
      <ul class="examples" tabIndex={0} aria-label="Examples">
        {entries.map(({ path, path_base64, type, bytes }) => (
          <li key={path_base64 ?? path}>
            <span class="path">{path}</span>
            {type === 'dir' ? <span class="muted"> folder</span> : <span class="muted"> {formatBytes(bytes)}</span>}
          </li>
        ))}
      </ul>
    </details>
  );
}
