/**
 * The servers whose folders a snapshot holds: those whose profiles its run applied, as it recorded them, and others that
 * its tree shows.
 */

import { isEngineError } from '../base/errors.ts';
import { SNAPSHOT_SERVER_FOLDERS_MAX } from '../base/limits.ts';
import { isWithin, parentPath } from '../base/paths.ts';
import { bytesFromJson, type Json, type JsonObject } from '../format/canonical-json.ts';
import { PROFILES } from '../profiles/all.ts';
import { type FolderView, type Recognised, recognise, withoutSuperseded } from '../profiles/recognise.ts';
import type { Profile, Sign } from '../profiles/types.ts';
import type { BlobReader } from './blob-reader.ts';
import { findPath } from './find-node.ts';
import type { Snapshot } from './snapshots.ts';

export interface SnapshotServer extends Recognised {
  /** Folders that its database named when the snapshot was taken: as the server sees them, and where they lay. */
  readonly folders: readonly { readonly said: string; readonly path: Buffer | undefined }[];
}

/** Servers whose profiles were applied when the snapshot was taken. One of a profile that this program lacks is passed over. */
export function recordedServers({ rules }: Pick<Snapshot, 'rules'>): SnapshotServer[] {
  return objectsOf(rules['profiles']).flatMap((record) => {
    const profile = PROFILES.find(({ name }) => name === record['name']);
    return profile === undefined ? [] : [recordedServer(record, profile)];
  });
}

function recordedServer(record: JsonObject, profile: Profile): SnapshotServer {
  const places = isObject(record['parts']) ? record['parts'] : {};
  return {
    profile,
    folder: bytesFromJson(record['folder'], 'the folder of a profile'),
    parts: profile.parts.flatMap((part) => {
      const place = places[part.name];
      return place === undefined ? [] : [{ part, folder: bytesFromJson(place, 'the folder of a part'), seen: [] }];
    }),
    folders: objectsOf(record['folders']).map(({ said, path }) => ({
      said: String(said),
      path: path === null ? undefined : bytesFromJson(path, 'a folder that a server names'),
    })),
  };
}

/**
 * Recorded servers first, then those of `profiles` that the snapshot's tree shows: at its sources, and around the
 * databases that it exported.
 */
export async function findSnapshotServers(
  blobs: BlobReader,
  snapshot: Snapshot,
  profiles: readonly Profile[] = PROFILES,
): Promise<SnapshotServer[]> {
  const recorded = recordedServers(snapshot).filter(({ profile }) => profiles.includes(profile));
  const candidates = candidatesOf(snapshot);
  const seen = await settled(
    (view) => {
      const found = candidates.flatMap((folder) => profiles.flatMap((one) => recognise(one, folder, view) ?? []));
      return withoutSuperseded(withoutTwins([...recorded, ...found]));
    },
    (path) => kindIn(blobs, snapshot, path),
  );
  const isRecorded = (one: Recognised): boolean => recorded.some((other) => other === one);
  return [...recorded, ...seen.filter((one) => !isRecorded(one)).map((one) => ({ ...one, folders: [] }))];
}

/** Of two of one profile whose leading part lies in one folder, the first. */
function withoutTwins(found: readonly Recognised[]): Recognised[] {
  const keys = new Set<string>();
  return found.filter(({ profile, parts: [lead] }) => {
    const key = `${profile.name} ${lead?.folder.toString('latin1')}`;
    return keys.has(key) ? false : keys.add(key) !== undefined;
  });
}

function candidatesOf({ paths, databases }: Snapshot): Buffer[] {
  const found = new Map<string, Buffer>();
  const add = (path: Buffer): unknown => found.set(path.toString('latin1'), path);
  for (const path of paths) add(path);
  for (const { path, kind } of databases) {
    if (kind !== 'sqlite') continue;
    // The deepest database of a part lies in a folder of it, and the part in the server's.
    let folder = parentPath(path);
    for (let up = 0; up < 3 && paths.some((source) => isWithin(folder, source)); up++) {
      add(folder);
      folder = parentPath(folder);
    }
  }
  return [...found.values()].sort(Buffer.compare).slice(0, SNAPSHOT_SERVER_FOLDERS_MAX);
}

/** Decides by a view that has to be asked ahead: again, until nothing is asked that was not looked at. */
async function settled<Decision>(
  decide: (view: FolderView) => Decision,
  look: (path: Buffer) => Promise<Sign['kind'] | undefined>,
): Promise<Decision> {
  const known = new Map<string, Sign['kind'] | undefined>();
  for (;;) {
    const asked = new Map<string, Buffer>();
    const decision = decide({
      kindOf: (path) => {
        const key = path.toString('latin1');
        if (!known.has(key)) asked.set(key, path);
        return known.get(key);
      },
    });
    if (asked.size === 0) return decision;
    for (const [key, path] of asked) known.set(key, await look(path));
  }
}

async function kindIn(blobs: BlobReader, snapshot: Snapshot, path: Buffer): Promise<Sign['kind'] | undefined> {
  if (snapshot.databases.some((one) => one.kind === 'sqlite' && one.path.equals(path))) return 'sqlite';
  try {
    const found = await findPath(blobs, snapshot, path);
    const type = found.kind === 'root' ? 'dir' : found.node.type;
    return type === 'dir' ? 'folder' : type === 'file' ? 'file' : undefined;
  } catch (error) {
    if (!isEngineError(error, 'PATH_NOT_FOUND')) throw error;
    return undefined;
  }
}

function objectsOf(value: Json | undefined): JsonObject[] {
  return Array.isArray(value) ? value.filter(isObject) : [];
}

function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
