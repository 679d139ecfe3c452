/** Databases that belong together because a profile says so: which they are, and which of them a run has as of one moment. */

import { bytesToJson, type JsonObject } from '../../format/canonical-json.ts';
import type { DatabaseRecord } from '../../format/snapshot.ts';
import type { AppliedProfile } from './options.ts';

/** Databases in the order in which they are captured. What has a database in common is of one moment, whoever named it. */
export function databaseGroups(applied: readonly Pick<AppliedProfile, 'databases'>[]): readonly (readonly Buffer[])[] {
  const groups: Buffer[][] = [];
  const groupOf = (path: Buffer): Buffer[] => {
    const found = groups.find((group) => group.some((one) => one.equals(path)));
    if (found !== undefined) return found;
    groups.push([path]);
    return groupOf(path);
  };
  for (const { databases } of applied) {
    const firstOf = new Map<string, Buffer>();
    for (const { path, moment } of databases) {
      const group = groupOf(path);
      if (moment === undefined) continue;
      const first = firstOf.get(moment);
      if (first === undefined) firstOf.set(moment, path);
      else join(groups, groupOf(first), group);
    }
  }
  return groups;
}

/** Makes one group of two, at the place of the earlier one. */
function join(groups: Buffer[][], one: Buffer[], other: Buffer[]): void {
  if (one === other) return;
  const [earlier, later] = groups.indexOf(one) < groups.indexOf(other) ? [one, other] : [other, one];
  earlier.push(...later);
  groups.splice(groups.indexOf(later), 1);
}

interface Moment {
  readonly members: readonly string[];
  /** Members that are not of the moment after all. */
  readonly left: Set<string>;
}

/** What the records of a run say of moments. Paths are keys here: latin1 texts. */
export class DatabaseMoments {
  readonly #moments = new Map<string, Moment>();

  /** `isOne`: false where each is of a moment of its own. */
  add(paths: readonly Buffer[], isOne: boolean): void {
    const members = paths.map((path) => path.toString('latin1'));
    const moment = { members, left: new Set(isOne ? [] : members) };
    for (const key of members) this.#moments.set(key, moment);
  }

  /** It was captured later than the others. */
  leave(key: string): void {
    this.#moments.get(key)?.left.add(key);
  }

  /** The record with what this run knows of its moment, which is nothing that an earlier one said. */
  withMoment(key: string, record: DatabaseRecord, isStored: (key: string) => boolean): DatabaseRecord {
    const { moment: _, momentWith: __, ...details } = record.details;
    return { ...record, details: { ...details, ...this.#detailsOf(key, isStored) } };
  }

  #detailsOf(key: string, isStored: (key: string) => boolean): JsonObject {
    const moment = this.#moments.get(key);
    if (moment === undefined) return {};
    const others = moment.members.filter((other) => other !== key && isStored(other));
    if (others.length === 0) return {};
    const mates = moment.left.has(key) ? [] : others.filter((other) => !moment.left.has(other));
    if (mates.length === 0) return { moment: 'each' };
    return { moment: 'one', momentWith: mates.map((mate) => bytesToJson(Buffer.from(mate, 'latin1'))) };
  }
}
