/** Leases: who works in the repository. Small sealed files that are refreshed by a new one and end with the run. */

import { randomBytes } from 'node:crypto';
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import { EngineError, isEngineError } from '../base/errors.ts';
import type { LeaseId, SnapshotId } from '../base/ids.ts';
import { isHex } from '../base/ids.ts';
import { LEASE_REFRESH_MS, LEASE_STALE_MS } from '../base/limits.ts';
import { decodeLease, encodeLease, type LeaseRecord } from '../format/snapshot.ts';
import { isProbeName } from '../storage/layout.ts';

import { loadRecord, type Store, saveRecord } from './sealed-files.ts';

export interface Lease extends LeaseRecord {
  readonly id: LeaseId;
  /** When the store says that it was refreshed last, in milliseconds since 1970. */
  readonly modifiedMs: number;
}

/** Names what process ids are counted in: this boot of this machine, and the container. */
function bootId(): string {
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    return `${boot} ${readlinkSync('/proc/self/ns/pid')}`;
  } catch {
    return '';
  }
}

/**
 * True unless the run is certainly over: on this machine its process is gone, elsewhere it was not refreshed for
 * LEASE_STALE_MS.
 */
export function isLeaseAlive(lease: LeaseRecord, nowMs: number): boolean {
  if (isOurs(lease)) return isProcessAlive(lease.pid);
  return nowMs - lease.refreshedMs < LEASE_STALE_MS;
}

/** The same by the store's own clock, which no machine's clock can lead astray (trap 15). */
export function isLeaseAliveByStore(lease: Lease, storeNowMs: number): boolean {
  if (isOurs(lease)) return isProcessAlive(lease.pid);
  return storeNowMs - lease.modifiedMs < LEASE_STALE_MS;
}

/** True where this process can see whether the other one lives. */
function isOurs(lease: LeaseRecord): boolean {
  return lease.host === hostname() && lease.boot !== '' && lease.boot === bootId();
}

function isProcessAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}

export async function listLeases(store: Store): Promise<{ leases: Lease[]; unreadable: string[] }> {
  const leases: Lease[] = [];
  const unreadable: string[] = [];
  for await (const file of store.backend.list('lock')) {
    if (!isHex(file.name, 32) || isProbeName(file.name)) continue;
    try {
      const record = decodeLease(await loadRecord(store, 'lock', file.name), `lease ${file.name}`);
      leases.push({ ...record, id: file.name as LeaseId, modifiedMs: file.modifiedMs });
    } catch (error) {
      if (isEngineError(error, 'OBJECT_MISSING')) continue;
      if (!isEngineError(error, 'OBJECT_CORRUPT')) throw error;
      unreadable.push(file.name);
    }
  }
  return { leases, unreadable };
}

export interface LeaseOptions {
  readonly verb: string;
  readonly exclusive: boolean;
  /** Only one run of this verb at a time. */
  readonly alone?: boolean;
  readonly parents?: readonly SnapshotId[];
}

/** A lease that this process holds; refreshed until released. */
export class HeldLease {
  readonly #store: Store;
  #record: LeaseRecord;
  #id: string;
  #released = false;
  /** Set once somebody has taken this run for dead. */
  #lost = false;
  #refreshing: Promise<void> = Promise.resolve();
  readonly #alone: boolean;
  readonly #timer: NodeJS.Timeout;

  private constructor(store: Store, record: LeaseRecord, held: { readonly id: string; readonly alone: boolean }) {
    this.#store = store;
    this.#record = record;
    this.#id = held.id;
    this.#alone = held.alone;
    this.#timer = setInterval(() => void this.#refreshInTurn().catch(() => undefined), LEASE_REFRESH_MS);
    this.#timer.unref();
  }

  /** Makes a lease and then looks for others: REPOSITORY_LOCKED where an exclusive one of somebody alive is met (or any, for an exclusive one). */
  static async acquire(store: Store, options: LeaseOptions): Promise<HeldLease> {
    const now = Date.now();
    const record: LeaseRecord = {
      run: randomBytes(16).toString('hex'),
      host: hostname(),
      pid: process.pid,
      boot: bootId(),
      startedMs: now,
      refreshedMs: now,
      verb: options.verb,
      exclusive: options.exclusive,
      parents: options.parents ?? [],
    };
    const { id } = await saveRecord(store, 'lock', encodeLease(record));
    const held = new HeldLease(store, record, { id, alone: options.alone === true });
    try {
      await held.#refuseOthers();
    } catch (error) {
      await held.release();
      throw error;
    }
    return held;
  }

  async #refuseOthers(): Promise<void> {
    const { leases } = await listLeases(this.#store);
    const now = Date.now();
    for (const lease of leases) {
      if (lease.run === this.#record.run) continue;
      if (!isLeaseAlive(lease, now)) {
        // A process that was killed here leaves its lease to whoever comes next.
        if (isOurs(lease)) await this.#store.backend.remove('lock', lease.id);
        continue;
      }
      const isRival = this.#alone && lease.verb === this.#record.verb;
      if (!(lease.exclusive || this.#record.exclusive || isRival)) continue;
      const since = new Date(lease.startedMs).toISOString();
      throw new EngineError(
        'REPOSITORY_LOCKED',
        `The repository is locked by "snap ${lease.verb}" (process ${lease.pid} on ${lease.host}, since ${since}). Wait for it; "snap unlock" removes locks of processes that are gone`,
      );
    }
  }

  /** The same through all refreshes. */
  get run(): string {
    return this.#record.run;
  }

  /**
   * Says whether nobody has taken this run for dead up to now. Where it was refreshed of late nobody can have, unless the
   * lease was removed. Else it is refreshed first: whoever takes a run for dead removes its lease before looking for new
   * ones, and this looks for the old one after writing the new one, so one of the two notices.
   */
  async confirm(): Promise<boolean> {
    await this.#refreshing;
    // By the clock of the wall: it goes on while a machine sleeps.
    const ageMs = Date.now() - this.#record.refreshedMs;
    if (ageMs < 0 || ageMs > 2 * LEASE_REFRESH_MS) await this.#refreshInTurn();
    else if ((await this.#store.backend.size('lock', this.#id)) === undefined) this.#lost = true;
    return !this.#lost;
  }

  #refreshInTurn(): Promise<void> {
    const refreshed = this.#refreshing.then(() => this.#refresh());
    this.#refreshing = refreshed.catch(() => undefined);
    return refreshed;
  }

  async #refresh(): Promise<void> {
    if (this.#released) return;
    // Later than the last one, so that it is another file.
    const refreshedMs = Math.max(Date.now(), this.#record.refreshedMs + 1);
    const record = { ...this.#record, refreshedMs };
    const { id } = await saveRecord(this.#store, 'lock', encodeLease(record));
    const before = this.#id;
    if ((await this.#store.backend.size('lock', before)) === undefined) this.#lost = true;
    this.#record = record;
    this.#id = id;
    // A run that ended meanwhile has removed the old one only.
    await this.#store.backend.remove('lock', before);
    if (this.#released) await this.#store.backend.remove('lock', id);
  }

  /** Never throws: a lease that stays behind is found dead by others. */
  async release(): Promise<void> {
    this.#released = true;
    clearInterval(this.#timer);
    await this.#store.backend.remove('lock', this.#id).catch(() => undefined);
  }
}
