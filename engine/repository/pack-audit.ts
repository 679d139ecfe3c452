/** Audits packs: against the index, against their own headers, and, where asked, every byte of them. */

import { EngineError, errorMessage, throwIfAborted } from '../base/errors.ts';
import { type PackId, parsePackId } from '../base/ids.ts';
import { decodePrologue, PROLOGUE_BYTES } from '../format/envelope.ts';
import { blobIdOf } from '../format/pack-header.ts';
import type { FrameAddress } from './frame-reader.ts';
import { loadPackHeader, type ReadPackHeader } from './pack-headers.ts';
import type { Repository } from './repository.ts';

export interface PacksAudited {
  readonly packsChecked: number;
  readonly blobsChecked: number;
  readonly bytesRead: number;
  /** Damaged blobs by hexadecimal id: the objects in which they are damaged. */
  readonly damagedBlobs: ReadonlyMap<string, ReadonlySet<string>>;
  /** Objects of which every blob was looked at: what is not among the damaged ones is whole there. */
  readonly packsRead: ReadonlySet<string>;
}

export interface PackAuditOptions {
  /** True for a pack whose every byte is to be read; `total` is the length of all packs. */
  readonly readsAll: (pack: { readonly packId: PackId; readonly bytes: number }, total: number) => boolean;
  readonly signal: AbortSignal | undefined;
  /** Called for each fault, possibly several times for one object. */
  readonly onDamage: (object: string, error: EngineError) => void;
  readonly onPack: (
    object: string,
    done: { readonly packs: number; readonly of: number; readonly bytes: number },
  ) => void;
  /** A pack that no index segment names: an interrupted run left it, or a segment was lost. */
  readonly onLeftOver: (object: string) => void;
}

interface Audit extends PackAuditOptions {
  readonly repository: Repository;
  packsChecked: number;
  blobsChecked: number;
  bytesRead: number;
  readonly damagedBlobs: Map<string, Set<string>>;
  readonly packsRead: Set<string>;
}

/** Never stops at damage; throws STORAGE_FAILED where packs cannot be listed, INTERRUPTED. */
export async function auditPacks(repository: Repository, options: PackAuditOptions): Promise<PacksAudited> {
  const audit: Audit = {
    ...options,
    repository,
    packsChecked: 0,
    blobsChecked: 0,
    bytesRead: 0,
    damagedBlobs: new Map(),
    packsRead: new Set(),
  };
  const present = new Map<PackId, number>();
  for await (const file of repository.backend.list('pack')) {
    const packId = parsePackId(file.name);
    if (packId !== undefined) present.set(packId, file.bytes);
  }
  const total = [...present.values()].reduce((sum, bytes) => sum + bytes, 0);
  const indexed = new Set<PackId>();
  for (const pack of repository.index.packs()) {
    indexed.add(pack.packId);
    if (present.has(pack.packId)) continue;
    const error = new EngineError('OBJECT_MISSING', `Pack ${pack.packId} is in the index, but there is no such file`);
    options.onDamage(packObject(pack.packId), error);
  }
  for (const [packId, bytes] of present) {
    throwIfAborted(options.signal);
    await auditPack(audit, packId, options.readsAll({ packId, bytes }, total));
    options.onPack(packObject(packId), { packs: audit.packsChecked, of: present.size, bytes: audit.bytesRead });
  }
  for (const packId of present.keys()) if (!indexed.has(packId)) options.onLeftOver(packObject(packId));
  return audit;
}

/** How reports name a pack: its path in the repository. */
export function packObject(packId: PackId): string {
  return `packs/${packId.slice(0, 2)}/${packId}`;
}

function asEngineError(error: unknown): EngineError {
  if (error instanceof EngineError) return error;
  return new EngineError('INTERNAL', errorMessage(error), error);
}

async function auditPack(audit: Audit, packId: PackId, readsAll: boolean): Promise<void> {
  const { repository } = audit;
  const object = packObject(packId);
  audit.packsChecked++;
  try {
    const prologue = await repository.backend.read('pack', packId, { offset: 0, length: PROLOGUE_BYTES });
    if (decodePrologue(prologue, 'pack', object).toString('hex') !== packId) {
      throw new EngineError(
        'OBJECT_CORRUPT',
        `${object} says in its first bytes that it is another pack: it was renamed or changed`,
      );
    }
  } catch (error) {
    audit.onDamage(object, asEngineError(error));
  }
  try {
    const header = await loadPackHeader(repository, packId);
    if (!readsAll) return;
    await auditFrames(audit, header);
    audit.packsRead.add(object);
  } catch (error) {
    // Whatever the index says of this pack is still tried, frame by frame, when it is restored.
    audit.onDamage(object, asEngineError(error));
  }
}

async function auditFrames(audit: Audit, pack: ReadPackHeader): Promise<void> {
  const { table, packId } = pack;
  const { frames } = audit.repository.blobs;
  const object = packObject(packId);
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
    let plain: Buffer | undefined;
    try {
      plain = await frames.read(address);
      audit.bytesRead += address.sealedLength;
    } catch (error) {
      audit.onDamage(object, asEngineError(error));
    }
    const end = table.frameFirstBlob[frame + 1] ?? 0;
    for (let blob = table.frameFirstBlob[frame] ?? 0; blob < end; blob++) {
      const id = blobIdOf(table, blob);
      const text = id.toString('hex');
      audit.blobsChecked++;
      if (plain === undefined) {
        addDamaged(audit, text, object);
        continue;
      }
      const offset = table.blobOffset[blob] ?? 0;
      try {
        frames.verify(table.kind, id, plain.subarray(offset, offset + (table.blobLength[blob] ?? 0)));
      } catch (error) {
        audit.onDamage(object, asEngineError(error));
        addDamaged(audit, text, object);
      }
    }
  }
}

function addDamaged(audit: Audit, blobId: string, object: string): void {
  const objects = audit.damagedBlobs.get(blobId) ?? new Set();
  audit.damagedBlobs.set(blobId, objects.add(object));
}
