/** Packs against the index and against themselves. */

import { EngineError, errorMessage, throwIfAborted } from '../../base/errors.ts';
import type { PackId } from '../../base/ids.ts';
import { parsePackId } from '../../base/ids.ts';
import type { Monitor } from '../../base/monitor.ts';
import { decodePrologue, PROLOGUE_BYTES } from '../../format/envelope.ts';
import { blobIdOf } from '../../format/pack-header.ts';
import type { FrameAddress } from '../../repository/frame-reader.ts';
import { loadPackHeader, type ReadPackHeader } from '../../repository/pack-headers.ts';
import type { Repository } from '../../repository/repository.ts';
import type { Subset } from './check.ts';
import type { Findings } from './findings.ts';

export interface PacksChecked {
  readonly packsChecked: number;
  readonly blobsChecked: number;
  readonly bytesRead: number;
  /** Damaged blobs by hexadecimal id: the object that they lie in. */
  readonly damagedBlobs: ReadonlyMap<string, string>;
}

interface Tally {
  packsChecked: number;
  blobsChecked: number;
  bytesRead: number;
  readonly damagedBlobs: Map<string, string>;
  readonly goodBlobs: Set<string>;
}

export async function checkPacks(
  repository: Repository,
  findings: Findings,
  options: {
    readonly subset: Subset | undefined;
    readonly signal: AbortSignal | undefined;
    readonly monitor: Monitor | undefined;
  },
): Promise<PacksChecked> {
  const tally: Tally = {
    packsChecked: 0,
    blobsChecked: 0,
    bytesRead: 0,
    damagedBlobs: new Map(),
    goodBlobs: new Set(),
  };
  const present = new Map<PackId, number>();
  for await (const file of repository.backend.list('pack')) {
    const packId = parsePackId(file.name);
    if (packId !== undefined) present.set(packId, file.bytes);
  }
  const total = [...present.values()].reduce((sum, bytes) => sum + bytes, 0);
  const indexed = new Set<PackId>();
  for (const pack of repository.index.packs) {
    indexed.add(pack.packId);
    if (present.has(pack.packId)) continue;
    const error = new EngineError('OBJECT_MISSING', `Pack ${pack.packId} is in the index, but there is no such file`);
    findings.add(objectOf(pack.packId), error);
  }
  for (const [packId, bytes] of present) {
    throwIfAborted(options.signal);
    const readAll = options.subset?.({ packId, bytes }, total) === true;
    await checkPack(repository, findings, tally, { packId, readAll });
    options.monitor?.progress?.({
      filesDone: tally.packsChecked,
      filesTotal: present.size,
      bytesDone: tally.bytesRead,
      bytesTotal: undefined,
      bytesNew: 0,
      problems: findings.errors().length,
      currentPath: objectOf(packId),
    });
  }
  for (const packId of present.keys()) {
    if (!indexed.has(packId))
      options.monitor?.note?.(
        `${objectOf(packId)} is in no index segment: an interrupted run left it; prune removes it`,
      );
  }
  // A blob that is damaged in one pack and whole in another is not lost.
  for (const id of tally.goodBlobs) tally.damagedBlobs.delete(id);
  return tally;
}

export function objectOf(packId: PackId): string {
  return `packs/${packId.slice(0, 2)}/${packId}`;
}

function asEngineError(error: unknown): EngineError {
  if (error instanceof EngineError) return error;
  return new EngineError('INTERNAL', errorMessage(error), error);
}

async function checkPack(
  repository: Repository,
  findings: Findings,
  tally: Tally,
  pack: { readonly packId: PackId; readonly readAll: boolean },
): Promise<void> {
  const { packId } = pack;
  const object = objectOf(packId);
  tally.packsChecked++;
  try {
    const prologue = await repository.backend.read('pack', packId, { offset: 0, length: PROLOGUE_BYTES });
    if (decodePrologue(prologue, 'pack', object).toString('hex') !== packId) {
      throw new EngineError(
        'OBJECT_CORRUPT',
        `${object} says in its first bytes that it is another pack: it was renamed or changed`,
      );
    }
  } catch (error) {
    findings.add(object, asEngineError(error));
  }
  let header: ReadPackHeader | undefined;
  try {
    header = await loadPackHeader(repository, packId);
  } catch (error) {
    findings.add(object, asEngineError(error));
  }
  if (header !== undefined && pack.readAll) await checkFrames(repository, findings, tally, header);
  if (header === undefined) markAll(repository, tally, packId);
}

/** The header is gone: whatever the index says of this pack is still tried, frame by frame, when it is restored. */
function markAll(repository: Repository, tally: Tally, packId: PackId): void {
  const entry = repository.index.packs.find((candidate) => candidate.packId === packId);
  if (entry !== undefined) tally.damagedBlobs.set(`pack ${packId}`, objectOf(packId));
}

async function checkFrames(
  repository: Repository,
  findings: Findings,
  tally: Tally,
  pack: ReadPackHeader,
): Promise<void> {
  const { table, packId } = pack;
  const object = objectOf(packId);
  for (let frame = 0; frame < table.frameCount; frame++) {
    const address: FrameAddress = {
      packId,
      kind: table.kind,
      frame,
      offset: table.frameOffset[frame] ?? 0,
      sealedLength: table.frameSealedLength[frame] ?? 0,
      codedLength: table.frameCodedLength[frame] ?? 0,
      plainLength: table.framePlainLength[frame] ?? 0,
      codec: table.frameCodec[frame] ?? 0,
    };
    const first = table.frameFirstBlob[frame] ?? 0;
    const end = table.frameFirstBlob[frame + 1] ?? 0;
    let plain: Buffer | undefined;
    try {
      plain = await repository.blobs.frames.read(address);
      tally.bytesRead += address.sealedLength;
    } catch (error) {
      findings.add(object, asEngineError(error));
    }
    for (let blob = first; blob < end; blob++) {
      const id = blobIdOf(table, blob);
      const text = id.toString('hex');
      tally.blobsChecked++;
      if (plain === undefined) {
        tally.damagedBlobs.set(text, object);
        continue;
      }
      const offset = table.blobOffset[blob] ?? 0;
      try {
        repository.blobs.frames.verify(table.kind, id, plain.subarray(offset, offset + (table.blobLength[blob] ?? 0)));
        if (tally.damagedBlobs.has(text)) tally.goodBlobs.add(text);
      } catch (error) {
        findings.add(object, asEngineError(error));
        tally.damagedBlobs.set(text, object);
      }
    }
  }
}
