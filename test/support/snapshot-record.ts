/** A snapshot record for tests that need no tree. */

import type { BlobId } from '../../engine/base/ids.ts';
import type { SnapshotRecord } from '../../engine/format/snapshot.ts';

export function snapshotRecord(fields: Partial<SnapshotRecord> = {}): SnapshotRecord {
  return {
    time: '2024-01-01T00:00:00.000Z',
    startedNs: 0n,
    host: 'shelf',
    user: 'reader',
    label: '',
    tags: [],
    paths: [Buffer.from('/library')],
    parent: undefined,
    tree: Buffer.alloc(16, 7) as BlobId,
    mounts: [],
    users: {},
    groups: {},
    rules: {},
    leftOut: { count: 0, content: [] },
    problems: [],
    problemCount: 0,
    databases: [],
    summary: {
      filesNew: 0,
      filesChanged: 0,
      filesUnmodified: 0,
      filesDeleted: 0,
      filesMoved: 0,
      dirsNew: 0,
      dirsChanged: 0,
      dirsUnmodified: 0,
      totalFilesProcessed: 0,
      totalBytesProcessed: 0,
      dataAdded: 0,
      dataAddedPacked: 0,
      backupStart: '2024-01-01T00:00:00.000Z',
      backupEnd: '2024-01-01T00:00:00.000Z',
      totalDuration: 0,
    },
    program: 'test',
    ...fields,
  };
}
