/** Which server of a snapshot is meant, and which folders of the snapshot are its. */

import { EngineError, isEngineError } from '../../base/errors.ts';
import { SERVERS_NAMED_MAX } from '../../base/limits.ts';
import { baseName, isWithin, joinPath, outermostPaths } from '../../base/paths.ts';
import { readRows } from '../../databases/sqlite-rows.ts';
import { profileNamed } from '../../profiles/all.ts';
import { below } from '../../profiles/recognise.ts';
import type { Profile } from '../../profiles/types.ts';
import { findPath } from '../../repository/find-node.ts';
import type { Repository } from '../../repository/repository.ts';
import { type ColumnRule, pathSaid, selectOf } from '../../repository/server-folders.ts';
import { findSnapshotServers, recordedServers, type SnapshotServer } from '../../repository/snapshot-servers.ts';
import { SHORT_ID_LENGTH, type Snapshot } from '../../repository/snapshots.ts';
import type { DatabaseImages } from './database-images.ts';

export interface ServerQuestion {
  readonly repository: Repository;
  readonly snapshot: Snapshot;
  /** Name of a profile. */
  readonly profile: string;
  /** A folder of the server, or above it: chooses where there are several. */
  readonly path: Buffer | undefined;
}

/**
 * The server whose profile was applied when the snapshot was taken, else one that its tree shows. PATH_NOT_FOUND where there
 * is none; INVALID_ARGUMENT where there are several, and for a profile that there is not, or that is of no server.
 */
export async function chooseServer(question: ServerQuestion): Promise<SnapshotServer> {
  const { repository, snapshot } = question;
  const profile = profileNamed(question.profile);
  if (profile.parts.length === 0) {
    throw new EngineError(
      'INVALID_ARGUMENT',
      `The profile "${profile.name}" is of no server, so that nothing is known to belong to it: restore without --profile`,
    );
  }
  const recorded = recordedServers(snapshot).filter((one) => one.profile === profile && fits(one, question.path));
  const found =
    recorded.length > 0
      ? recorded
      : (await findSnapshotServers(repository.blobs, snapshot, [profile])).filter((one) => fits(one, question.path));
  const [only] = found;
  if (only === undefined) throw await notFound(question, profile);
  if (found.length === 1) return only;
  const folders = found.slice(0, SERVERS_NAMED_MAX).map(({ folder }) => folder.toString('utf8'));
  throw new EngineError(
    'INVALID_ARGUMENT',
    `Snapshot ${shortId(snapshot)} holds ${found.length} servers of ${profile.title}: ${folders.join(', ')}. Name the folder of one as SNAP:PATH`,
  );
}

function fits({ folder, parts }: SnapshotServer, path: Buffer | undefined): boolean {
  if (path === undefined) return true;
  return [folder, ...parts.map((part) => part.folder)].some((own) => isWithin(own, path) || isWithin(path, own));
}

async function notFound({ repository, snapshot, path }: ServerQuestion, profile: Profile): Promise<EngineError> {
  const others = await findSnapshotServers(repository.blobs, snapshot);
  const names = others
    .slice(0, SERVERS_NAMED_MAX)
    .map((one) => `${one.profile.name} in ${one.folder.toString('utf8')}`);
  const where = path === undefined ? '' : ` at ${path.toString('utf8')}`;
  const signs = [...(profile.parts[0]?.signs ?? []), ...(profile.parts[0]?.anyOf ?? [])].map((sign) => sign.path);
  const holds = names.length > 0 ? `It holds ${names.join(', ')}` : 'It holds no server that is known';
  const sources = snapshot.paths.map((source) => source.toString('utf8')).join(', ');
  return new EngineError(
    'PATH_NOT_FOUND',
    `Snapshot ${shortId(snapshot)} holds no folder of ${profile.title}${where}: looked for ${signs.join(', ')} at its sources (${sources}). ${holds}`,
  );
}

function shortId({ id }: Snapshot): string {
  return id.slice(0, SHORT_ID_LENGTH);
}

export interface ServerFolders {
  /** Of the snapshot, none in another. */
  readonly paths: readonly Buffer[];
  /** What a person should know: which folder was taken for which, what the snapshot lacks. */
  readonly notes: readonly string[];
}

/** The folders that belong to a server, as far as the snapshot holds them: its parts, and those that its database names. */
export async function findServerFolders(
  { repository, snapshot }: ServerQuestion,
  server: SnapshotServer,
  images: DatabaseImages,
): Promise<ServerFolders> {
  const { title } = server.profile;
  const isThere = (path: Buffer): Promise<boolean> => holdsFolder(repository, snapshot, path);
  const paths: Buffer[] = [];
  const notes: string[] = [];
  for (const { part, folder } of server.parts) {
    if (await isThere(folder)) paths.push(folder);
    else notes.push(`${title}: ${part.what} (${folder.toString('utf8')}) is not in the snapshot`);
  }
  const unplaced = new Set<string>();
  for (const { said, path } of server.folders) {
    if (path !== undefined && (await isThere(path))) paths.push(path);
    else unplaced.add(said);
  }
  const isRecorded = server.folders.length > 0;
  // A record does not say what a folder is for; one of backups is nothing to look for by its name.
  const libraries = isRecorded && unplaced.size === 0 ? [] : await librariesIn(server, images);
  for (const said of isRecorded ? libraries.filter((one) => unplaced.has(one)) : libraries) {
    const { found, note } = await folderSaid({ server, snapshot, isThere }, said);
    paths.push(...found);
    if (note !== undefined) notes.push(`${title}: ${note}`);
  }
  return { paths: outermostPaths(paths), notes };
}

async function holdsFolder(repository: Repository, snapshot: Snapshot, path: Buffer): Promise<boolean> {
  try {
    const found = await findPath(repository.blobs, snapshot, path);
    return found.kind === 'root' || found.node.type === 'dir';
  } catch (error) {
    if (!isEngineError(error, 'PATH_NOT_FOUND')) throw error;
    return false;
  }
}

/** Library folders that a server's database names, as the server sees them. */
async function librariesIn(server: SnapshotServer, images: DatabaseImages): Promise<string[]> {
  const said = new Set<string>();
  for (const { part, folder } of server.parts) {
    const rules = server.profile.folders.flatMap((rule) =>
      rule.part !== part.name || rule.use !== 'library' || 'file' in rule ? [] : [rule],
    );
    for (const database of new Set(rules.map((rule) => rule.database))) {
      await images.use(below(folder, database), async ({ image }) => {
        for (const rule of rules.filter((one) => one.database === database)) {
          for (const path of await readNames(image, rule)) said.add(path);
        }
      });
    }
  }
  return [...said];
}

async function readNames(image: string, rule: ColumnRule): Promise<string[]> {
  const names: string[] = [];
  try {
    for await (const rows of readRows({ image, ...selectOf(rule) })) {
      for (const [value] of rows) {
        const path = typeof value === 'string' ? pathSaid(value, rule) : undefined;
        if (path !== undefined) names.push(path);
      }
    }
  } catch (error) {
    // A version of the server without that table names no folder in it.
    if (!isEngineError(error, 'DATABASE_FAILED')) throw error;
  }
  return names;
}

/** Where a folder lies in the snapshot that the server knows by this path, which may be one of its container's. */
async function folderSaid(
  context: {
    readonly server: SnapshotServer;
    readonly snapshot: Snapshot;
    readonly isThere: (path: Buffer) => Promise<boolean>;
  },
  said: string,
): Promise<{ readonly found: readonly Buffer[]; readonly note?: string }> {
  const { server, snapshot, isThere } = context;
  const path = Buffer.from(said);
  for (const { part, folder } of server.parts) {
    // What lies in a part comes with it.
    if (part.container !== undefined && isWithin(path, Buffer.from(part.container))) return { found: [] };
    if (isWithin(path, folder)) return { found: [] };
  }
  if (await isThere(path)) return { found: [path] };
  const name = baseName(path);
  const alike: Buffer[] = [];
  const others = snapshot.paths.filter((source) => !server.parts.some(({ folder }) => isWithin(folder, source)));
  for (const source of name.length === 0 ? [] : others) {
    const inside = joinPath(source, name);
    if (baseName(source).equals(name)) alike.push(source);
    else if (await isThere(inside)) alike.push(inside);
  }
  const [only] = alike;
  if (only !== undefined && alike.length === 1) {
    return { found: [only], note: `${only.toString('utf8')} is taken for ${said}, which its database names` };
  }
  const several = alike.map((one) => one.toString('utf8')).join(', ');
  const which = alike.length > 1 ? `may be any of ${several}` : 'is not in the snapshot, or has another name there';
  return { found: [], note: `${said}, which its database names, ${which}: restore it by itself` };
}
