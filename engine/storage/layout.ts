/** Which folder a repository file lies in (FORMAT.md, "Layout"), and which names are names at all. */

import { EngineError } from '../base/errors.ts';
import { isHex } from '../base/ids.ts';
import type { FileKind } from './backend.ts';

export const KIND_FOLDERS = {
  config: '.',
  key: 'keys',
  pack: 'packs',
  index: 'index',
  snapshot: 'snapshots',
  annotation: 'annotations',
  mark: 'marks',
  lock: 'locks',
} as const satisfies Record<FileKind, string>;

export const TEMPORARY_FOLDER = 'tmp';
/** Random bytes that a prune removes first where the disk is full. */
export const RESERVE_NAME = 'reserve';
export const CONFIG_NAMES: readonly string[] = ['config', 'config.copy'];

/** Names of the files that a probe writes and removes again (probe.ts): no lease is ever called so, since those are hashes. */
const PROBE_NAME_BEGINNING = '0'.repeat(32);

export function probeName(random: Buffer): string {
  return PROBE_NAME_BEGINNING + random.toString('hex', 0, 16);
}

/** Such a file under `locks/` says nothing of anybody: a probe is under way, or was killed. */
export function isProbeName(name: string): boolean {
  return name.startsWith(PROBE_NAME_BEGINNING);
}

export function isFileName(kind: FileKind, name: string): boolean {
  if (kind === 'config') return CONFIG_NAMES.includes(name);
  return isHex(name, kind === 'key' || kind === 'pack' ? 16 : 32);
}

/** Refuses every name that could lead anywhere else. */
export function requireFileName(kind: FileKind, name: string): void {
  if (!isFileName(kind, name)) {
    throw new EngineError('INVALID_ARGUMENT', `"${name}" is no name of a repository file of kind ${kind}`);
  }
}

/** The path below the repository's folder. */
export function relativePath(kind: FileKind, name: string): string {
  requireFileName(kind, name);
  if (kind === 'config') return name;
  const folder = KIND_FOLDERS[kind];
  return kind === 'pack' ? `${folder}/${name.slice(0, 2)}/${name}` : `${folder}/${name}`;
}
