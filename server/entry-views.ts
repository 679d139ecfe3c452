/** What lies in snapshots, and what changed between them, in JSON. */

import {
  type CellValue,
  type DiffEvent,
  type DiffSummary,
  type FoundEntry,
  formatTime,
  type Node,
  type PathVersion,
  SHORT_ID_LENGTH,
  type Snapshot,
  type SnapshotRange,
} from '../engine/index.ts';
import type { DiffItemView, EntryView } from './entry-schemas.ts';
import { pathView } from './views.ts';

interface ShownEntry {
  readonly path: Buffer;
  readonly node: Node;
  readonly user: string | undefined;
  readonly group: string | undefined;
}

export function entryView({ path, node, user, group }: ShownEntry): EntryView {
  const { content } = node;
  const isFolder = content.kind === 'tree';
  return {
    ...pathView(path),
    type: node.type,
    size: isFolder ? content.bytesBelow : node.size,
    files: isFolder ? content.filesBelow : null,
    mode: node.mode,
    uid: node.uid,
    gid: node.gid,
    user: user ?? null,
    group: group ?? null,
    mtime: formatTime(node.mtime),
    ctime: formatTime(node.ctime),
    inode: node.inode.toString(),
    links: node.links,
    database: node.extensions.length > 0,
    ...linkView(node.linkTarget),
    ...attributesView(node),
  };
}

function linkView(target: Buffer | undefined): Pick<EntryView, 'linktarget' | 'linktarget_base64'> {
  if (target === undefined) return {};
  const { path, path_base64: base64 } = pathView(target);
  return { linktarget: path, ...(base64 === undefined ? {} : { linktarget_base64: base64 }) };
}

function attributesView({ attributes }: Node): Pick<EntryView, 'xattrs'> {
  if (attributes.length === 0) return {};
  const pairs = attributes.map(({ name, value }) => [name.toString('utf8'), value.toString('base64')]);
  return { xattrs: Object.fromEntries(pairs) as { [name: string]: string } };
}

export function referenceView({ id, time, host, label }: Snapshot) {
  return { id, short_id: id.slice(0, SHORT_ID_LENGTH), time, host, label };
}

export function rangeView({ first, last, snapshots }: SnapshotRange) {
  return { first: referenceView(first), last: referenceView(last), snapshots };
}

export function foundView(found: FoundEntry) {
  return { entry: entryView(found), ranges: found.ranges.map(rangeView) };
}

export function versionView(path: Buffer, version: PathVersion) {
  const { change, fields, node, last } = version;
  const owners = { user: last.users[String(node?.uid)], group: last.groups[String(node?.gid)] };
  return {
    change,
    fields: [...fields],
    entry: node === undefined ? null : entryView({ path, node, ...owners }),
    ...rangeView(version),
  };
}

export function diffItemView(event: Exclude<DiffEvent, DiffSummary>): DiffItemView {
  if (event.event === 'problem') {
    const { path, pathBase64, during, code, message } = event.problem;
    const place = pathBase64 === undefined ? { path } : { path, path_base64: pathBase64 };
    return { event: 'problem', ...place, during, code, message };
  }
  const path = pathView(event.path);
  switch (event.event) {
    case 'change':
      return {
        event: 'change',
        ...path,
        type: event.type,
        type_before: event.typeBefore ?? null,
        change: event.change,
        from: event.from === undefined ? null : pathView(event.from),
        fields: [...event.fields],
        size_before: event.sizeBefore ?? null,
        size_after: event.sizeAfter ?? null,
        bytes_added: event.bytesAdded,
        bytes_removed: event.bytesRemoved,
      };
    case 'table':
      return {
        event: 'table',
        ...path,
        table: event.table,
        change: event.change,
        rows_added: event.rowsAdded ?? null,
        rows_removed: event.rowsRemoved ?? null,
        rows_changed: event.rowsChanged ?? null,
        columns_added: [...event.columnsAdded],
        columns_removed: [...event.columnsRemoved],
        note: event.note ?? null,
      };
    case 'row':
      return {
        event: 'row',
        ...path,
        table: event.table,
        change: event.change,
        key: cellsView(event.key),
        before: event.before === undefined ? null : cellsView(event.before),
        after: event.after === undefined ? null : cellsView(event.after),
      };
  }
}

function cellsView(cells: { readonly [column: string]: CellValue }): { [column: string]: unknown } {
  return Object.fromEntries(Object.entries(cells).map(([column, value]) => [column, cellView(value)]));
}

function cellView(value: CellValue): unknown {
  if (Buffer.isBuffer(value)) return { base64: value.toString('base64') };
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value);
  if (typeof value !== 'bigint') return value;
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : { integer: value.toString() };
}

export function diffSummaryView({ counts, bytesAdded, bytesRemoved, problems }: DiffSummary) {
  return { counts, bytes_added: bytesAdded, bytes_removed: bytesRemoved, problems };
}
