/** Paths as bytes. */

const SLASH = 0x2f;

export const ROOT_PATH = Buffer.from('/');

/** `directory` is absolute, `/` alone for the root. */
export function joinPath(directory: Buffer, name: Buffer): Buffer {
  if (directory.length === 1) return Buffer.concat([directory, name]);
  const path = Buffer.allocUnsafe(directory.length + 1 + name.length);
  path.set(directory, 0);
  path[directory.length] = SLASH;
  path.set(name, directory.length + 1);
  return path;
}

/** True where `path` is `ancestor` or lies below it. */
export function isWithin(path: Buffer, ancestor: Buffer): boolean {
  if (ancestor.length === 1) return true;
  if (path.length < ancestor.length || path.compare(ancestor, 0, ancestor.length, 0, ancestor.length) !== 0)
    return false;
  return path.length === ancestor.length || path[ancestor.length] === SLASH;
}

export function baseName(path: Buffer): Buffer {
  return path.subarray(path.lastIndexOf(SLASH) + 1);
}

export function parentPath(path: Buffer): Buffer {
  const slash = path.lastIndexOf(SLASH);
  return slash <= 0 ? ROOT_PATH : path.subarray(0, slash);
}

/** Of paths of which one lies in another, or is it, only the outer one. */
export function outermostPaths(paths: readonly Buffer[]): Buffer[] {
  return paths.filter(
    (path, at) =>
      !paths.some((other, otherAt) => at !== otherAt && isWithin(path, other) && (!path.equals(other) || otherAt < at)),
  );
}

/** Compared by it, a directory stands before what it holds, and both before its next neighbour. */
export function pathSortKey(path: Buffer): string {
  return path.toString('latin1').replaceAll('/', '\0');
}
