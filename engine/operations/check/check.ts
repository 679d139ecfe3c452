/**
 * Audits a repository: every file of it opens and says what it must, everything that a snapshot needs is there, and
 * with the data read, every blob has the content that its id promises; on request the databases of snapshots are sound in
 * themselves. It never stops at the first damage.
 */

import { EngineError, errorMessage, throwIfAborted } from '../../base/errors.ts';
import { isHex } from '../../base/ids.ts';
import type { Monitor } from '../../base/monitor.ts';
import { loadKeyFiles } from '../../repository/keys.ts';
import { auditPacks, type PackAuditOptions } from '../../repository/pack-audit.ts';
import { loadConfig, type Repository } from '../../repository/repository.ts';
import { loadRecord } from '../../repository/sealed-files.ts';
import type { Snapshot } from '../../repository/snapshots.ts';
import { isProbeName } from '../../storage/layout.ts';
import { type CheckServers, checkDatabases, type DatabasesChecked, newestOfGroups } from './check-databases.ts';
import { checkTrees } from './check-trees.ts';
import { type CheckError, Findings } from './findings.ts';

export interface CheckOptions {
  /** Read every byte of every pack. */
  readonly readData?: boolean | undefined;
  /** Read a part: `5%`, `1/7` (the first of seven parts that together are all), or a size such as `2G`. */
  readonly readDataSubset?: string | undefined;
  /** Also look through the databases of this snapshot; without a name, of the newest good one of each group of label and paths. */
  readonly databases?: { readonly snapshot?: string | undefined } | undefined;
  readonly monitor?: Monitor | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface CheckResult {
  readonly snapshotsChecked: number;
  readonly packsChecked: number;
  readonly blobsChecked: number;
  readonly bytesRead: number;
  readonly errors: readonly CheckError[];
  /** Undefined where nobody asked for them. */
  readonly databases: DatabasesChecked | undefined;
}

export type { CheckServers, DatabaseCheck, DatabasesChecked } from './check-databases.ts';
export type { CheckError } from './findings.ts';

/**
 * Audits; see CheckError for what is found. STORAGE_FAILED, INTERRUPTED, INVALID_ARGUMENT for a bad subset; for a snapshot
 * that is named SNAPSHOT_NOT_FOUND and SNAPSHOT_AMBIGUOUS. `checkServers` compares rows of databases with files.
 */
export async function check(
  repository: Repository,
  options: CheckOptions = {},
  checkServers: CheckServers = async () => [],
): Promise<CheckResult> {
  const findings = new Findings();
  const subset = parseSubset(options);
  const named = options.databases?.snapshot;
  const asked = named === undefined ? undefined : await repository.snapshots.find(named);
  await checkConfigAndKeys(repository, findings);
  const snapshots = await loadSnapshots(repository, findings);
  await checkSmallFiles(repository, findings);
  throwIfAborted(options.signal);
  await repository.loadIndex({ readsAll: true });
  for (const { object, error } of repository.index.damage) findings.add(object, error);
  const { signal, monitor } = options;
  const leftOver = new Set<string>();
  const packs = await auditPacks(repository, {
    readsAll: subset ?? (() => false),
    signal,
    onDamage: (object, error) => findings.add(object, error),
    onPack: (object, done) =>
      monitor?.progress?.({
        filesDone: done.packs,
        filesTotal: done.of,
        bytesDone: done.bytes,
        bytesTotal: undefined,
        bytesNew: 0,
        problems: findings.count,
        currentPath: object,
      }),
    onLeftOver: (object) => leftOver.add(object),
  });
  // Where segments were lost, snapshots may need what is in no other one.
  if (leftOver.size > 0) await repository.index.salvage();
  const needed = await checkTrees(repository, findings, { snapshots, audited: packs, leftOver, signal });
  tellLeftOver({ leftOver, needed, findings, monitor });
  const databases =
    options.databases === undefined
      ? undefined
      : await checkDatabases(repository, {
          snapshots: asked === undefined ? newestOfGroups(snapshots) : [asked],
          findings,
          checkServers,
          monitor,
          signal,
        });
  return {
    snapshotsChecked: snapshots.length,
    packsChecked: packs.packsChecked,
    blobsChecked: packs.blobsChecked,
    bytesRead: packs.bytesRead,
    errors: findings.errors(),
    databases,
  };
}

function tellLeftOver(found: {
  readonly leftOver: ReadonlySet<string>;
  readonly needed: ReadonlySet<string>;
  readonly findings: Findings;
  readonly monitor: Monitor | undefined;
}): void {
  for (const object of found.leftOver) {
    if (found.needed.has(object)) {
      const message = 'Snapshots need this pack, and no index segment names it: one was lost. A backup names it again';
      found.findings.add(object, new EngineError('OBJECT_MISSING', message));
    } else found.monitor?.note?.(`${object} is in no index segment: an interrupted run left it; prune removes it`);
  }
}

/** Which packs are read whole: undefined for none. */
type Subset = PackAuditOptions['readsAll'];

const UNITS: { readonly [unit: string]: number } = { '': 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30, T: 2 ** 40 };

/** Packs have random ids, so a range of ids is a fair sample. */
function parseSubset(options: CheckOptions): Subset | undefined {
  const text = options.readDataSubset;
  if (text === undefined) return options.readData === true ? () => true : undefined;
  const place = (packId: string): number => Number.parseInt(packId.slice(0, 8), 16) / 2 ** 32;
  const percent = /^(\d+(?:\.\d+)?)%$/.exec(text);
  if (percent !== null && Number(percent[1]) > 0 && Number(percent[1]) <= 100) {
    const share = Number(percent[1]) / 100;
    const start = Math.random();
    return ({ packId }) => (place(packId) - start + 1) % 1 < share;
  }
  const part = /^(\d+)\/(\d+)$/.exec(text);
  if (part !== null) {
    const [number, of] = [Number(part[1]), Number(part[2])];
    if (number >= 1 && number <= of) return ({ packId }) => Math.floor(place(packId) * of) === number - 1;
  }
  const size = /^(\d+(?:\.\d+)?)([KMGT]?)i?B?$/i.exec(text);
  if (size !== null) {
    const wanted = Number(size[1]) * (UNITS[(size[2] ?? '').toUpperCase()] ?? 1);
    const start = Math.random();
    return ({ packId }, total) => (place(packId) - start + 1) % 1 < wanted / Math.max(1, total);
  }
  throw new EngineError('INVALID_ARGUMENT', `"${text}" is no part of the data: give 5%, 1/7 or 2G`);
}

async function checkConfigAndKeys(repository: Repository, findings: Findings): Promise<void> {
  const { damage } = await loadConfig(repository.backend);
  for (const { name, error } of damage) findings.add(name, error);
  const keys = await loadKeyFiles(repository.backend);
  for (const { name, error } of keys.damage) findings.add(`keys/${name}`, error);
}

async function loadSnapshots(repository: Repository, findings: Findings): Promise<Snapshot[]> {
  // One that was forgotten can be brought back, so it has to be whole, too.
  return repository.snapshots.list({}, (id, error) => findings.add(`snapshots/${id}`, error, [id]), 'with');
}

/** Annotations, marks and leases: only that they open. */
async function checkSmallFiles(repository: Repository, findings: Findings): Promise<void> {
  for (const kind of ['annotation', 'mark', 'lock'] as const) {
    for await (const file of repository.backend.list(kind)) {
      if (!isHex(file.name, 32) || (kind === 'lock' && isProbeName(file.name))) continue;
      try {
        await loadRecord(repository, kind, file.name);
      } catch (error) {
        if (error instanceof EngineError && error.code === 'OBJECT_MISSING') continue;
        findings.add(
          `${kind}s/${file.name}`,
          error instanceof EngineError ? error : new EngineError('INTERNAL', errorMessage(error)),
        );
      }
    }
  }
}
