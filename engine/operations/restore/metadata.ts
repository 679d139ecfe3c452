/** Owner, mode, attributes and times of one entry, in the order in which none undoes another. */

import { compareTimes, type Time } from '../../base/stat.ts';
import {
  type DirectoryHandle,
  type ExtendedAttribute,
  type FileHandle,
  type FileSystem,
  FileSystemError,
} from '../../filesystem/types.ts';
import type { Node } from '../../format/row.ts';

const PERMISSIONS = 0o7777;
/** Set-user-id and set-group-id make no sense, and are dangerous, under another owner. */
const PERMISSIONS_UNDER_OTHER_OWNER = 0o1777;
const ACL_PREFIX = Buffer.from('system.posix_acl_');
const DEFAULT_ACL = Buffer.from('system.posix_acl_default');
/** What an entry is not to have unless the snapshot says so. Others, such as security labels, are the system's own. */
const REMOVED_PREFIXES = [ACL_PREFIX, Buffer.from('user.'), Buffer.from('security.capability')];

/** What the metadata are set on: an open file, an open directory, or a name. */
export interface MetadataTarget {
  setOwner(uid: number, gid: number): void;
  setMode(mode: number): void;
  setTimes(mtime: Time): void;
  setAttribute(attribute: ExtendedAttribute): void;
  removeAttribute(name: Buffer): void;
}

/** What the entry has now. */
export interface CurrentMetadata {
  readonly uid: number;
  readonly gid: number;
  readonly mode: number;
  /** Undefined where it was written just now. */
  readonly mtime: Time | undefined;
  readonly attributes: readonly ExtendedAttribute[];
}

export type MetadataReport = (during: 'owner' | 'mode' | 'attributes' | 'times', code: string) => void;

export function setMetadata(
  target: MetadataTarget,
  node: Node,
  current: CurrentMetadata,
  report: MetadataReport,
): void {
  const wrongOwner = node.uid !== current.uid || node.gid !== current.gid;
  const ownerKept = !wrongOwner || setOwner(target, node, current, report);
  // Before the mode: what an access list lets others do is bounded by the mode's bits for the group.
  for (const { name } of current.attributes) {
    if (!isRemoved(name) || node.attributes.some((wanted) => wanted.name.equals(name))) continue;
    attempt(() => target.removeAttribute(name), 'attributes', report);
  }
  for (const attribute of node.attributes) {
    if (!isAcl(attribute)) setAttribute(target, attribute, current, report);
  }
  const mode = node.mode & (ownerKept ? PERMISSIONS : PERMISSIONS_UNDER_OTHER_OWNER);
  // Changing the owner clears bits, so the mode is set again behind it.
  if (mode !== (current.mode & PERMISSIONS) || (wrongOwner && (mode & 0o6000) !== 0)) {
    attempt(() => target.setMode(mode), 'mode', report);
  }
  for (const attribute of node.attributes) {
    if (isAcl(attribute)) setAttribute(target, attribute, current, report);
  }
  if (current.mtime === undefined || compareTimes(current.mtime, node.mtime) !== 0) {
    attempt(() => target.setTimes(node.mtime), 'times', report);
  }
}

function setOwner(target: MetadataTarget, node: Node, current: CurrentMetadata, report: MetadataReport): boolean {
  if (attempt(() => target.setOwner(node.uid, node.gid), 'owner', report)) return true;
  // The group alone may be allowed, to its members.
  if (node.gid !== current.gid)
    attempt(
      () => target.setOwner(current.uid, node.gid),
      'owner',
      () => undefined,
    );
  return false;
}

function isAcl(attribute: ExtendedAttribute): boolean {
  return attribute.name.subarray(0, ACL_PREFIX.length).equals(ACL_PREFIX);
}

function isRemoved(name: Buffer): boolean {
  return REMOVED_PREFIXES.some((prefix) => name.subarray(0, prefix.length).equals(prefix));
}

/** True where attributes would have to be set or removed. */
export function attributesDiffer(node: Node, current: readonly ExtendedAttribute[]): boolean {
  const isSet = ({ name, value }: ExtendedAttribute): boolean =>
    current.some((has) => has.name.equals(name) && has.value.equals(value));
  const isWanted = ({ name }: ExtendedAttribute): boolean => node.attributes.some((wanted) => wanted.name.equals(name));
  return !node.attributes.every(isSet) || current.some((has) => isRemoved(has.name) && !isWanted(has));
}

/** What a new entry in this directory is given without being asked for: its access list comes from the directory's. */
export function inheritsAcl(fileSystem: FileSystem, directory: DirectoryHandle): boolean {
  return fileSystem.directoryAttributes(directory).some(({ name }) => name.equals(DEFAULT_ACL));
}

function setAttribute(
  target: MetadataTarget,
  attribute: ExtendedAttribute,
  current: CurrentMetadata,
  report: MetadataReport,
): void {
  const same = current.attributes.find((has) => has.name.equals(attribute.name));
  if (same?.value.equals(attribute.value) === true) return;
  attempt(() => target.setAttribute(attribute), 'attributes', report);
}

function attempt(act: () => void, during: Parameters<MetadataReport>[0], report: MetadataReport): boolean {
  try {
    act();
    return true;
  } catch (error) {
    if (!(error instanceof FileSystemError)) throw error;
    report(during, error.code);
    return false;
  }
}

export function fileTarget(fileSystem: FileSystem, file: FileHandle): MetadataTarget {
  return {
    setOwner: (uid, gid) => fileSystem.setFileOwner(file, uid, gid),
    setMode: (mode) => fileSystem.setFileMode(file, mode),
    setTimes: (mtime) => fileSystem.setFileTimes(file, mtime),
    setAttribute: (attribute) => fileSystem.setFileAttribute(file, attribute),
    removeAttribute: (name) => fileSystem.removeFileAttribute(file, name),
  };
}

export function directoryTarget(fileSystem: FileSystem, directory: DirectoryHandle): MetadataTarget {
  return {
    setOwner: (uid, gid) => fileSystem.setDirectoryOwner(directory, uid, gid),
    setMode: (mode) => fileSystem.setDirectoryMode(directory, mode),
    setTimes: (mtime) => fileSystem.setDirectoryTimes(directory, mtime),
    setAttribute: (attribute) => fileSystem.setDirectoryAttribute(directory, attribute),
    removeAttribute: (name) => fileSystem.removeDirectoryAttribute(directory, name),
  };
}

export function nameTarget(fileSystem: FileSystem, directory: DirectoryHandle, name: Buffer): MetadataTarget {
  return {
    setOwner: (uid, gid) => fileSystem.setOwnerAt(directory, name, uid, gid),
    setMode: (mode) => fileSystem.setModeAt(directory, name, mode),
    setTimes: (mtime) => fileSystem.setTimesAt(directory, name, mtime),
    setAttribute: (attribute) => fileSystem.setAttributeAt(directory, name, attribute),
    removeAttribute: (attributeName) => fileSystem.removeAttributeAt(directory, name, attributeName),
  };
}

const WORDS = { owner: 'owner and group', mode: 'permissions', times: 'times', attributes: 'extended attributes' };

export function metadataMessage(during: keyof typeof WORDS, code: string): string {
  return `Cannot set the ${WORDS[during]}: ${code}`;
}
