import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import type { BlobId } from '../../engine/base/ids.ts';
import type { Content, ContentEntry, ListEntry } from '../../engine/format/row.ts';
import type { ContentList } from '../../engine/format/tree-part.ts';
import { ContentBuilder } from '../../engine/repository/content-builder.ts';

function idOf(text: string): BlobId {
  return createHash('sha256').update(text).digest().subarray(0, 16) as BlobId;
}

function build(count: number): { content: Content; lists: Map<string, ContentList>; entries: ContentEntry[] } {
  const lists = new Map<string, ContentList>();
  const builder = new ContentBuilder((list) => {
    const id = idOf(JSON.stringify('entries' in list ? list.entries : list.lists));
    lists.set(id.toString('hex'), list);
    return id;
  });
  const entries = Array.from({ length: count }, (_, number) => ({
    length: 1 + (number % 7),
    blobId: idOf(`${number}`),
  }));
  for (const entry of entries) builder.add(entry);
  return { content: builder.finish(entries.reduce((sum, { length }) => sum + length, 0)), lists, entries };
}

function unfold(lists: Map<string, ContentList>, above: readonly ListEntry[]): ContentEntry[] {
  return above.flatMap(({ listId, length }) => {
    const list = lists.get(listId.toString('hex'));
    assert.ok(list !== undefined);
    const inner = 'entries' in list ? list.entries : unfold(lists, list.lists);
    assert.equal(
      inner.reduce((sum, entry) => sum + entry.length, 0),
      length,
    );
    return [...inner];
  });
}

for (const [count, shape] of [
  [0, 'none'],
  [1, 'single'],
  [2, 'list'],
  [64, 'list'],
  [65, 'indirect 1'],
  [5000, 'indirect 1'],
  [60_000, 'indirect 2'],
] as const) {
  test(`${count} pieces are content of the kind ${shape}, and all of them are found again`, () => {
    const { content, lists, entries } = build(count);
    assert.equal(content.kind === 'indirect' ? `indirect ${content.depth}` : content.kind, shape);
    if (content.kind === 'list') assert.deepEqual(content.entries, entries);
    if (content.kind === 'indirect') assert.deepEqual(unfold(lists, content.entries), entries);
  });
}
