/** Which server of a snapshot is meant, and which folders of the snapshot are its. */

import { EngineError, isEngineError } from '../../base/errors.ts';
import { SERVERS_NAMED_MAX } from '../../base/limits.ts';
import { baseName, isWithin, joinPath, outermostPaths } from '../../base/paths.ts';
import type { NodeType } from '../../base/stat.ts';
import { profileNamed } from '../../profiles/all.ts';
import { below } from '../../profiles/recognise.ts';
import type { Profile } from '../../profiles/types.ts';
import { findPath } from '../../repository/find-node.ts';
import type { Repository } from '../../repository/repository.ts';
import { findSnapshotServers, recordedServers, type SnapshotServer } from '../../repository/snapshot-servers.ts';
import { SHORT_ID_LENGTH, type Snapshot } from '../../repository/snapshots.ts';
import type { DatabaseImages } from './database-images.ts';
import { readNamedFolders } from './named-folders.ts';

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
  const isThere: Look = async (path) => (await typeAt(repository, snapshot, path)) === 'dir';
  const isAny: Look = async (path) => (await typeAt(repository, snapshot, path)) !== undefined;
  const paths: Buffer[] = [];
  const notes: string[] = [];
  for (const { part, folder } of server.parts) {
    if (await isThere(folder)) paths.push(folder);
    else notes.push(`${title}: ${part.what} (${folder.toString('utf8')}) is not in the snapshot`);
  }
  const named = await readNamedFolders(server, images);
  const { libraries } = named;
  const unplaced = new Set<string>();
  for (const { said, path } of server.folders) {
    // A folder of backups is often one that others use, too, and the files of a running Postgres are nobody's to replace.
    if (named.others.has(said) && !libraries.has(said)) continue;
    if (path === undefined || !(await isThere(path))) unplaced.add(said);
    else if (!(await isOfDatabaseServer(server, (sign) => isAny(below(path, sign))))) paths.push(path);
  }
  const isRecorded = server.folders.length > 0;
  for (const [said, sample] of libraries) {
    // A record does not say what a folder is for; one of backups is nothing to look for by its name.
    if (isRecorded && !unplaced.has(said)) continue;
    const { found, note } = await folderSaid({ server, snapshot, isThere, isAny }, { said, sample });
    paths.push(...found);
    if (note !== undefined) notes.push(`${title}: ${note}`);
  }
  return { paths: outermostPaths(paths), notes };
}

type Look = (path: Buffer) => Promise<boolean>;

async function typeAt(repository: Repository, snapshot: Snapshot, path: Buffer): Promise<NodeType | undefined> {
  try {
    const found = await findPath(repository.blobs, snapshot, path);
    return found.kind === 'root' ? 'dir' : found.node.type;
  } catch (error) {
    if (!isEngineError(error, 'PATH_NOT_FOUND')) throw error;
    return undefined;
  }
}

/** True for a folder in which a database server keeps its files, where a profile knows the signs of that. */
async function isOfDatabaseServer(
  { profile }: SnapshotServer,
  has: (sign: string) => Promise<boolean>,
): Promise<boolean> {
  for (const { use, signs = [] } of profile.folders) {
    if (use !== 'server-files' || signs.length === 0) continue;
    const found = await Promise.all(signs.map(({ path }) => has(path)));
    if (found.every(Boolean)) return true;
  }
  return false;
}

/** Where a folder lies in the snapshot that the server knows by this path, which may be one of its container's. */
async function folderSaid(
  context: {
    readonly server: SnapshotServer;
    readonly snapshot: Snapshot;
    readonly isThere: Look;
    readonly isAny: Look;
  },
  { said, sample }: { readonly said: string; readonly sample: readonly string[] },
): Promise<{ readonly found: readonly Buffer[]; readonly note?: string }> {
  const { server, snapshot, isThere, isAny } = context;
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
    // A name alone says little: somebody else's folder may have it.
    const likely = baseName(source).equals(name) ? source : inside;
    if (await holdsSome(likely, sample, isAny)) alike.push(likely);
  }
  const [only] = alike;
  if (only !== undefined && alike.length === 1) {
    return { found: [only], note: `${only.toString('utf8')} is taken for ${said}, which its database names` };
  }
  const several = alike.map((one) => one.toString('utf8')).join(', ');
  const which = alike.length > 1 ? `may be any of ${several}` : 'is not in the snapshot, or has another name there';
  return { found: [], note: `${said}, which its database names, ${which}: restore it by itself` };
}

async function holdsSome(folder: Buffer, sample: readonly string[], isAny: Look): Promise<boolean> {
  for (const path of sample) if (await isAny(below(folder, path))) return true;
  return false;
}
