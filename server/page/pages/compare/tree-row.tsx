/** One line of the tree of changes. */

import type { DiffChange, DiffTable } from '../../api-types.ts';
import { formatBytes, formatItems } from '../../format.ts';
import type { Tone } from '../../state/toasts.ts';
import { Badge } from '../../ui/basics.tsx';
import { Icon } from '../../ui/icon.tsx';
import type { TreeFolder, TreeLeaf, TreeRow } from './change-tree.ts';

const CHANGES: { readonly [change in DiffChange['change']]: readonly [Tone, string] } = {
  added: ['good', 'new'],
  removed: ['bad', 'gone'],
  content: ['plain', 'changed'],
  metadata: ['plain', 'metadata'],
  type: ['warn', 'other type'],
  moved: ['plain', 'moved'],
  bitrot: ['bad', 'silent damage?'],
};

/** Steps to the right; what lies deeper stands below the last one. */
const DEPTH_SHOWN_MAX = 12;

export function keyOfRow(row: TreeRow): string {
  return row.kind === 'folder' ? `${row.path}/` : row.key;
}

export function ChangeRow(props: {
  readonly row: TreeRow;
  readonly onToggle: (folder: TreeFolder) => void;
  readonly onTable: (table: DiffTable) => void;
}) {
  const { row } = props;
  return (
    <>
      <span class="indent" style={{ '--depth': Math.min(row.depth, DEPTH_SHOWN_MAX) }} />
      {row.kind === 'folder' ? (
        <Folder folder={row} onToggle={props.onToggle} />
      ) : (
        <Leaf leaf={row} onTable={props.onTable} />
      )}
    </>
  );
}

function ChangeBadge({ change }: { readonly change: DiffChange }) {
  const [tone, words] = CHANGES[change.change];
  return <Badge tone={tone}>{words}</Badge>;
}

function wasWords({ from, path }: DiffChange): string {
  if (from === null) return '';
  const folder = (text: string): string => text.slice(0, text.lastIndexOf('/'));
  const was = folder(from.path) === folder(path) ? from.path.slice(from.path.lastIndexOf('/') + 1) : from.path;
  return ` (was ${was})`;
}

function Folder({
  folder,
  onToggle,
}: {
  readonly folder: TreeFolder;
  readonly onToggle: (folder: TreeFolder) => void;
}) {
  const { change, changes, bytesAdded, bytesRemoved } = folder;
  const sums = [
    bytesAdded > 0 ? `+${formatBytes(bytesAdded)}` : '',
    bytesRemoved > 0 ? `−${formatBytes(bytesRemoved)}` : '',
  ];
  return (
    <>
      <button type="button" class="entry" aria-expanded={folder.isOpen} onClick={() => onToggle(folder)}>
        <Icon name={folder.isOpen ? 'open' : 'next'} />
        <span title={folder.path}>
          {folder.name}
          {change === undefined ? '' : wasWords(change)}
        </span>
      </button>
      <span class="marks">
        {change === undefined ? null : <ChangeBadge change={change} />}
        <span class="entry-facts muted">
          {change === undefined ? <span>{formatItems(changes, 'change')}</span> : null}
          <span>{sums.filter((sum) => sum !== '').join(' ')}</span>
        </span>
      </span>
    </>
  );
}

function sizeWords({ type, size_before: before, size_after: after }: DiffChange): string {
  if (type === 'dir') return 'folder';
  if (before !== null && after !== null && before !== after) return `${formatBytes(before)} → ${formatBytes(after)}`;
  return formatBytes(after ?? before ?? 0);
}

/** `3 new, 1 gone`, of rows. */
export function rowCountWords({ rows_added: added, rows_removed: removed, rows_changed: changed }: DiffTable): string {
  const words = [
    added ? `${formatItems(added, 'row')} new` : '',
    removed ? `${formatItems(removed, 'row')} gone` : '',
    changed ? `${formatItems(changed, 'row')} changed` : '',
  ];
  return words.filter((word) => word !== '').join(', ');
}

function Leaf({ leaf, onTable }: { readonly leaf: TreeLeaf; readonly onTable: (table: DiffTable) => void }) {
  const { item, name } = leaf;
  switch (item.event) {
    case 'change':
      return (
        <>
          <Icon name={item.type === 'dir' ? 'folder' : item.type === 'symlink' ? 'link' : 'file'} />
          <span class="entry-name" title={item.path}>
            {name}
            {wasWords(item)}
          </span>
          <span class="marks">
            <ChangeBadge change={item} />
            <span class="entry-facts muted">{sizeWords(item)}</span>
          </span>
        </>
      );
    case 'table':
      return (
        <>
          <button type="button" class="entry" disabled={item.note !== null} onClick={() => onTable(item)}>
            <Icon name="table" />
            <span>Table {name}</span>
          </button>
          <span class="entry-facts muted">{item.note ?? rowCountWords(item)}</span>
        </>
      );
    case 'problem':
      return (
        <>
          <Badge tone="bad">problem</Badge>
          <span class="entry-name" title={item.message}>
            {name}: {item.message}
          </span>
        </>
      );
    default:
      return null;
  }
}
