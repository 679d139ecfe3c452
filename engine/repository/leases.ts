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
      leases.push({ ...record, id: file.name as LeaseId });
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
  readonly parents?: readonly SnapshotId[];
}

/** A lease that this process holds; refreshed until released. */
export class HeldLease {
  readonly #store: Store;
  #record: LeaseRecord;
  #id: string;
  #released = false;
  readonly #timer: NodeJS.Timeout;

  private constructor(store: Store, record: LeaseRecord, id: string) {
    this.#store = store;
    this.#record = record;
    this.#id = id;
    this.#timer = setInterval(() => void this.#refresh().catch(() => undefined), LEASE_REFRESH_MS);
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
    const held = new HeldLease(store, record, id);
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
      if (!(lease.exclusive || this.#record.exclusive)) continue;
      const since = new Date(lease.startedMs).toISOString();
      throw new EngineError(
        'REPOSITORY_LOCKED',
        `The repository is locked by "snap ${lease.verb}" (process ${lease.pid} on ${lease.host}, since ${since}). Wait for it; "snap unlock" removes locks of processes that are gone`,
      );
    }
  }

  async #refresh(): Promise<void> {
    const record = { ...this.#record, refreshedMs: Date.now() };
    const { id } = await saveRecord(this.#store, 'lock', encodeLease(record));
    const before = this.#id;
    if (id === before) return;
    this.#record = record;
    this.#id = id;
    // A run that ended meanwhile has removed the old one only.
    await this.#store.backend.remove('lock', this.#released ? id : before);
  }

  /** Never throws: a lease that stays behind is found dead by others. */
  async release(): Promise<void> {
    this.#released = true;
    clearInterval(this.#timer);
    await this.#store.backend.remove('lock', this.#id).catch(() => undefined);
  }
}
