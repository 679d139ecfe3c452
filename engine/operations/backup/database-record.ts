/** What a snapshot keeps of a captured database: how its live files looked, its row's stat, and its record. */

import { STAT_BYTES, STAT_OFFSET, writeStat } from '../../base/stat.ts';
import type { SqliteCapture, Stamp } from '../../databases/sqlite.ts';
import type { DatabaseRecord } from '../../format/snapshot.ts';
import { HAS_JOURNAL, HAS_WAL } from '../../repository/live-database.ts';

function stampBlock(stamp: Stamp): Buffer {
  const block = Buffer.alloc(STAT_BYTES);
  writeStat(block, 0, {
    mode: 0,
    uid: 0,
    gid: 0,
    links: 0,
    inode: stamp.inode,
    size: stamp.size,
    mtime: { seconds: stamp.mtimeSeconds, nanoseconds: stamp.mtimeNanoseconds },
    ctime: { seconds: stamp.ctimeSeconds, nanoseconds: stamp.ctimeNanoseconds },
  });
  return block;
}

/** What the live files looked like: which side files there were, then a stat block for each. */
export function encodeLive(capture: SqliteCapture): Buffer {
  const { main, wal, journal } = capture.live;
  const mask = (wal === undefined ? 0 : HAS_WAL) | (journal === undefined ? 0 : HAS_JOURNAL);
  const blocks = [main, wal, journal].filter((stamp) => stamp !== undefined).map(stampBlock);
  return Buffer.concat([Buffer.from([mask]), ...blocks]);
}

/** Mode and owner of the live file with the times that it had at the capture. */
export function liveStat(
  request: { readonly stat: Buffer; readonly rowLinks: number },
  capture: SqliteCapture,
): Buffer {
  const stat = stampBlock(capture.live.main);
  request.stat.copy(stat, 0, 0, STAT_OFFSET.inode);
  stat.writeUInt32LE(request.rowLinks, STAT_OFFSET.links);
  return stat;
}

export function recordOf(path: Buffer, capture: SqliteCapture, live: Buffer): DatabaseRecord {
  return {
    path,
    kind: 'sqlite',
    bytes: capture.bytes,
    check: capture.check,
    durationSeconds: capture.durationSeconds,
    details: {
      method: capture.method,
      holdMs: capture.holdMs,
      pageSize: capture.pageSize,
      pageCount: capture.pageCount,
      userVersion: capture.userVersion,
      applicationId: capture.applicationId,
      journalMode: capture.journalMode,
      schemaHash: capture.schemaHash,
      sqliteVersion: capture.sqliteVersion,
      checkMessages: capture.checkMessages,
      rowCounts: capture.rowCounts.map(({ table, rows }) => ({ table, rows })),
      live: live.toString('base64'),
    },
  };
}
