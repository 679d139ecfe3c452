/** A restore of one server: what of the snapshot is its, what its databases become, and what is to be done afterwards. */

import { EngineError } from '../../base/errors.ts';
import type { Monitor } from '../../base/monitor.ts';
import { isWithin, joinPath, outermostPaths } from '../../base/paths.ts';
import type { PathsReport } from '../../databases/sqlite-paths.ts';
import type { DatabaseRecord } from '../../format/snapshot.ts';
import type { DatabaseKind, Profile } from '../../profiles/types.ts';
import type { Repository } from '../../repository/repository.ts';
import { recordedServers, type SnapshotServer } from '../../repository/snapshot-servers.ts';
import type { Snapshot } from '../../repository/snapshots.ts';
import { DatabaseImages } from './database-images.ts';
import type { RestoreOptions } from './options.ts';
import { NO_REWRITES, type RewritePlan, surveyPaths } from './path-rewrites.ts';
import { fitsPlaces, normalizedMapping, normalizedPath, type PathMapping, rebased } from './places.ts';
import { chooseServer, findServerFolders } from './server-choice.ts';
import type { NextStep, RestoredServer, RewriteState, RewrittenDatabase } from './server-result.ts';
import type { Located } from './targets.ts';

/** What a restore brings back, and where its parts go. */
export interface Wanted {
  /** Undefined where no profile was named. */
  readonly server: SnapshotServer | undefined;
  /** Of the snapshot; all of it where there are none. */
  readonly paths: readonly Buffer[];
  /** Those that move files: others are for paths in a database alone. */
  readonly mappings: readonly PathMapping[];
  readonly rewrites: RewritePlan;
}

/** INVALID_ARGUMENT for a mapping that fits neither a file nor a path in a database; else as the parts say. */
export async function findWanted(repository: Repository, snapshot: Snapshot, options: RestoreOptions): Promise<Wanted> {
  const mappings = (options.mappings ?? []).map(normalizedMapping);
  const { profile, path, monitor, signal } = options;
  if (profile === undefined) {
    if (mappings.length > 0) mentionProfile(snapshot, options);
    const paths = outermostPaths(options.paths?.map(normalizedPath) ?? (path === undefined ? [] : [path]));
    return { server: undefined, paths, mappings, rewrites: NO_REWRITES };
  }
  const images = new DatabaseImages(repository, snapshot, signal);
  const question = { repository, snapshot, profile, path };
  const server = await chooseServer(question);
  const { paths, notes } = await findServerFolders(question, server, images);
  for (const note of notes) monitor?.note?.(note);
  if (paths.length === 0) {
    throw new EngineError('PATH_NOT_FOUND', `The snapshot holds none of the folders of ${server.profile.title}`);
  }
  const isRewritten = mappings.length > 0 && options.databases !== false;
  const rewrites = isRewritten
    ? await surveyPaths({ snapshot, server, paths, mappings, images, signal })
    : { ...NO_REWRITES, isUsed: mappings.map(() => false) };
  for (const plain of rewrites.plain) {
    monitor?.note?.(`${plain.toString('utf8')} was stored as a plain file, so that its paths are not rewritten`);
  }
  for (const path of rewrites.unread) {
    monitor?.note?.(
      `${path.toString('utf8')} cannot be looked into, so that paths that are left over in it are not told`,
    );
  }
  const moving = mappings.filter((mapping) => fitsPlaces(mapping, { sources: snapshot.paths, wanted: paths }));
  const idle = mappings.find((mapping, at) => !moving.includes(mapping) && rewrites.isUsed[at] !== true);
  if (idle !== undefined) {
    throw new EngineError(
      'INVALID_ARGUMENT',
      `Nothing of ${server.profile.title} lies below ${idle.from.toString('utf8')}, which --map names, nor does a path in its databases. Its folders are ${paths.map((one) => one.toString('utf8')).join(', ')}`,
    );
  }
  return { server, paths, mappings: moving, rewrites };
}

function mentionProfile(snapshot: Snapshot, { monitor }: RestoreOptions): void {
  const names = new Set(
    recordedServers(snapshot).flatMap(({ profile }) => (profile.pathColumns.length > 0 ? [profile.name] : [])),
  );
  for (const name of names) {
    monitor?.note?.(
      `Databases come back as they were saved, with the paths that they had: --profile ${name} would rewrite those that --map moves`,
    );
  }
}

/** Told before anything is written, where a dump has to be restored before the files. */
export function mentionOrder({ server }: Wanted, snapshot: Snapshot, monitor: Monitor | undefined): void {
  if (server?.profile.restoreOrder !== 'databases first') return;
  for (const { kind, text, command } of nextSteps(server.profile, snapshot, false)) {
    if (kind === 'database' && command !== undefined) monitor?.note?.(`${text}: ${command}`);
  }
}

/** What became of the paths in its databases, and what is next. */
export function describeServer(
  server: SnapshotServer,
  about: {
    readonly snapshot: Snapshot;
    readonly wanted: Wanted;
    readonly places: readonly Located[];
    readonly dryRun: boolean;
    /** By the path in the snapshot, as latin1 text: undefined for one that failed. */
    readonly done: ReadonlyMap<string, PathsReport | undefined>;
  },
): RestoredServer {
  const { snapshot, wanted, places, dryRun, done } = about;
  const { surveyed, rewrites } = wanted.rewrites;
  const databases = surveyed.map(({ path, report: planned }): RewrittenDatabase => {
    const key = path.toString('latin1');
    const report = done.get(key) ?? planned;
    const state = rewrites.has(key) ? stateOf(key, done, dryRun) : 'unchanged';
    return {
      path: placeOf(path, places),
      state,
      columns: report.rewritten.filter(({ values }) => values > 0),
      missing: planned.missing,
      leftovers: report.leftovers,
    };
  });
  const isMoved = databases.some(({ state }) => state !== 'unchanged') || wanted.mappings.length > 0;
  return {
    profile: server.profile.name,
    title: server.profile.title,
    folder: server.folder,
    paths: wanted.paths,
    databases,
    checks: [],
    checksError: undefined,
    next: nextSteps(server.profile, snapshot, isMoved),
  };
}

function stateOf(key: string, done: ReadonlyMap<string, PathsReport | undefined>, dryRun: boolean): RewriteState {
  if (dryRun) return 'planned';
  if (!done.has(key)) return 'kept';
  return done.get(key) === undefined ? 'failed' : 'rewritten';
}

function placeOf(path: Buffer, places: readonly Located[]): Buffer {
  for (const { subject, target, isItself } of places) {
    if (!isWithin(path, subject.path)) continue;
    if (!isItself && subject.content.type === 'entry') return joinPath(target, subject.content.node.name);
    return rebased(path, { from: subject.path, to: target });
  }
  return path;
}

const SCHEMES: { readonly [kind in DatabaseKind]?: string } = { postgresql: 'postgresql', mariadb: 'mariadb' };

/** In the order in which they are to be done. */
export function nextSteps(profile: Profile, snapshot: Snapshot, isMoved: boolean): NextStep[] {
  const { handling, restoreOrder } = profile;
  const dumps = dumpsOf(profile, snapshot).map((record): NextStep => {
    const database = String(record.details['database']);
    const command = `snap restore ${snapshot.id} --database ${word(nameOf(record, snapshot))} --into ${word(`${SCHEMES[record.kind as DatabaseKind]}:///${encodeURIComponent(database)}`)}`;
    const when = restoreOrder === 'databases first' ? 'before anything is started' : 'now that the files are there';
    return { kind: 'database', text: `Restore the database "${database}", ${when}`, command };
  });
  const isMissing =
    dumps.length === 0 && profile.parts.some((part) => part.databases.some(({ path }) => path === undefined));
  return [
    ...dumps,
    ...(isMissing
      ? [
          {
            kind: 'database' as const,
            text: 'The snapshot holds no dump of its database: restore that from elsewhere first',
          },
        ]
      : []),
    ...(isMoved && handling.moved !== undefined ? [{ kind: 'moved' as const, text: handling.moved }] : []),
    { kind: 'start', text: `Start ${profile.title}: ${handling.start}` },
    ...(handling.afterwards === undefined ? [] : [{ kind: 'afterwards' as const, text: handling.afterwards }]),
  ];
}

/** Dumps of the kinds that the server uses; of several those that are called like it, if there are any. */
function dumpsOf(profile: Profile, { databases }: Snapshot): DatabaseRecord[] {
  const kinds = new Set(
    profile.parts.flatMap((part) => part.databases.flatMap(({ path, kind }) => (path === undefined ? [kind] : []))),
  );
  const dumps = databases.filter(
    ({ kind, details }) => kinds.has(kind as DatabaseKind) && typeof details['database'] === 'string',
  );
  const alike = dumps.filter(({ details }) => String(details['database']).toLowerCase().includes(profile.name));
  return alike.length > 0 ? alike : dumps;
}

/** What names one of several dumps without doubt. */
function nameOf(record: DatabaseRecord, { databases }: Snapshot): string {
  const { kind, details } = record;
  const same = databases.filter((one) => one.kind === kind && one.details['database'] === details['database']);
  return same.length > 1 ? record.path.toString('utf8') : String(details['database']);
}

/** As a shell takes it for one word. */
function word(text: string): string {
  return /^[\w./:@%+=-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
