/** One change. */

import type { DiffChange, DiffItem, DiffTable } from '../../api-types.ts';
import { formatBytes, formatCount } from '../../format.ts';
import type { Tone } from '../../state/toasts.ts';
import { Badge } from '../../ui/basics.tsx';

const CHANGES: { readonly [change in DiffChange['change']]: readonly [Tone, string] } = {
  added: ['good', 'new'],
  removed: ['bad', 'gone'],
  content: ['plain', 'changed'],
  metadata: ['plain', 'metadata'],
  type: ['warn', 'other type'],
  moved: ['plain', 'moved'],
  bitrot: ['bad', 'silent damage?'],
};

export function isChange(item: DiffItem): item is DiffChange {
  return item.event === 'change';
}

export function keyOf(item: DiffItem): string {
  const table = item.event === 'table' ? item.table : '';
  return `${item.event} ${item.path_base64 ?? item.path} ${table}`;
}

function sizeWords({ size_before: before, size_after: after }: DiffChange): string {
  if (before !== null && after !== null && before !== after) return `${formatBytes(before)} → ${formatBytes(after)}`;
  return formatBytes(after ?? before ?? 0);
}

function rowWords({ rows_added: added, rows_removed: removed, rows_changed: changed, note }: DiffTable): string {
  if (note !== null) return note;
  const parts = [
    added ? `${formatCount(added)} rows new` : '',
    removed ? `${formatCount(removed)} rows gone` : '',
    changed ? `${formatCount(changed)} rows changed` : '',
  ];
  return parts.filter((part) => part !== '').join(', ');
}

export function DiffRow({ item }: { readonly item: DiffItem }) {
  switch (item.event) {
    case 'change': {
      const [tone, words] = CHANGES[item.change];
      return (
        <>
          <Badge tone={tone}>{words}</Badge>
          <span class="entry-name path" title={item.path}>
            {item.path}
            {item.from === null ? '' : ` (was ${item.from.path})`}
          </span>
          <span class="entry-facts muted">{item.type === 'dir' ? 'folder' : sizeWords(item)}</span>
        </>
      );
    }
    case 'table':
      return (
        <>
          <Badge tone="plain">table</Badge>
          <span class="entry-name path" title={item.path}>
            {item.table}
          </span>
          <span class="entry-facts muted">{rowWords(item)}</span>
        </>
      );
    case 'problem':
      return (
        <>
          <Badge tone="bad">problem</Badge>
          <span class="entry-name">
            {item.path}: {item.message}
          </span>
        </>
      );
    default:
      return <span class="entry-name path">{item.path}</span>;
  }
}
