/** Which parts of a snapshot a restore at their origin brings back, and where to: decided from names alone. */

import { EngineError } from '../../base/errors.ts';
import { isWithin, outermostPaths, ROOT_PATH } from '../../base/paths.ts';

/** What lay below `from` when the snapshot was taken comes back below `to`. Absolute paths. */
export interface PathMapping {
  readonly from: Buffer;
  readonly to: Buffer;
}

/** One folder, or one entry, and what it becomes. */
export interface Place {
  /** Absolute path in the snapshot. */
  readonly path: Buffer;
  /** Absolute path on the disk of the same folder or entry. */
  readonly destination: Buffer;
  /** Paths below `path` that are places of their own. */
  readonly except: readonly Buffer[];
  /** The part of the destination that somebody named: links in it are followed, as a backup follows those of a source. */
  readonly anchor: Buffer;
}

export interface PlacesRequest {
  /** The snapshot's sources. */
  readonly sources: readonly Buffer[];
  /** What was asked for; all sources where it is nothing. */
  readonly wanted: readonly Buffer[];
  readonly mappings: readonly PathMapping[];
  /** What no mapping covers goes to where it came from; else each place needs a mapping. */
  readonly inPlace: boolean;
}

/** INVALID_ARGUMENT for mappings that fit nothing, that are missing, or whose places would lie in one another. */
export function planPlaces(request: PlacesRequest): Place[] {
  const mappings = request.mappings.map(normalizedMapping);
  const wanted = wantedPaths(request.sources, request.wanted);
  const paths = [...wanted];
  for (const { from } of mappings) {
    if (wanted.some((path) => isWithin(path, from))) continue;
    if (!wanted.some((path) => isWithin(from, path))) {
      throw new EngineError(
        'INVALID_ARGUMENT',
        `Nothing that is to be restored lies below ${from.toString('utf8')}, which --map names`,
      );
    }
    if (!paths.some((path) => path.equals(from))) paths.push(from);
  }
  const sources = request.sources.map(normalizedPath);
  const places = paths.map((path) => ({
    path,
    ...destinationOf(path, { mappings, sources, inPlace: request.inPlace }),
    except: paths.filter((other) => !other.equals(path) && isWithin(other, path)),
  }));
  refuseNested(places);
  return places;
}

/** The outermost sources below each of what was asked for; or that itself, where it lies in a source. */
function wantedPaths(sources: readonly Buffer[], wanted: readonly Buffer[]): Buffer[] {
  const outer = outermostPaths(sources.map(normalizedPath));
  if (wanted.length === 0) return outer.length === 0 ? [ROOT_PATH] : outer;
  const found = wanted.map(normalizedPath).flatMap((path) => {
    if (outer.some((source) => isWithin(path, source))) return [path];
    const below = outer.filter((source) => isWithin(source, path));
    return below.length === 0 ? [path] : below;
  });
  return outermostPaths(found);
}

/** True for a mapping that moves something of what is wanted. */
export function fitsPlaces(mapping: PathMapping, request: Pick<PlacesRequest, 'sources' | 'wanted'>): boolean {
  const { from } = normalizedMapping(mapping);
  return wantedPaths(request.sources, request.wanted).some((path) => isWithin(path, from) || isWithin(from, path));
}

export function normalizedMapping({ from, to }: PathMapping): PathMapping {
  return { from: normalizedPath(from), to: normalizedPath(to) };
}

function destinationOf(
  path: Buffer,
  given: { readonly mappings: readonly PathMapping[]; readonly sources: readonly Buffer[]; readonly inPlace: boolean },
): { readonly destination: Buffer; readonly anchor: Buffer } {
  let best: PathMapping | undefined;
  for (const mapping of given.mappings) {
    if (isWithin(path, mapping.from) && (best === undefined || mapping.from.length > best.from.length)) best = mapping;
  }
  const text = path.toString('utf8');
  if (best === undefined && !given.inPlace) {
    throw new EngineError(
      'INVALID_ARGUMENT',
      `No --map says where ${text} goes. Add --map ${text}=NEW, or --in-place to put it where it came from`,
    );
  }
  const move = (from: Buffer): Buffer => (best === undefined ? from : rebased(from, best));
  const named = best?.from ?? ROOT_PATH;
  // The source, or what a mapping names below it, whichever is nearer to the path.
  const source = given.sources.filter((one) => isWithin(path, one)).sort((a, b) => b.length - a.length)[0] ?? path;
  return { destination: move(path), anchor: move(isWithin(named, source) ? named : source) };
}

/** `path` with what lies above it replaced. */
export function rebased(path: Buffer, { from, to }: PathMapping): Buffer {
  const rest = from.length === 1 ? path : path.subarray(from.length);
  if (rest.length <= 1) return to;
  return to.length === 1 ? rest : Buffer.concat([to, rest]);
}

function refuseNested(places: readonly Place[]): void {
  for (const one of places) {
    for (const other of places) {
      if (one === other || !isWithin(one.destination, other.destination)) continue;
      const paths = [one, other].map(
        ({ path, destination }) => `${path.toString('utf8')} at ${destination.toString('utf8')}`,
      );
      throw new EngineError('INVALID_ARGUMENT', `Two places would lie in one another: ${paths.join(', ')}`);
    }
  }
}

/** Without doubled slashes, single dots, and a slash at the end. INVALID_ARGUMENT for what is not absolute, or goes up. */
export function normalizedPath(path: Buffer): Buffer {
  const text = path.toString('latin1');
  const parts = text.split('/').filter((part) => part !== '' && part !== '.');
  if (!text.startsWith('/') || parts.includes('..')) {
    throw new EngineError(
      'INVALID_ARGUMENT',
      `"${path.toString('utf8')}" has to be an absolute path without ".." in it`,
    );
  }
  return Buffer.from(`/${parts.join('/')}`, 'latin1');
}
