/** What the tags of a snapshot say of the backup that it is, so that its row can be made anew from the repository alone. Pure. */

import { JOB_TRIGGERS, type JobTrigger } from '../jobs/job.ts';
import type { Includes } from './library.ts';

export interface BackupTags {
  readonly includes: Includes;
  readonly by: string | undefined;
  readonly trigger: JobTrigger | undefined;
  /** What people name it by. */
  readonly name: string | undefined;
}

export function writeTags({ includes, by, trigger, name }: BackupTags): string[] {
  const included = [...(includes.books ? ['books'] : []), ...(includes.covers ? ['covers'] : [])];
  const tag = (key: string, value: string | undefined): string[] => (value === undefined ? [] : [`${key}=${value}`]);
  return [...tag('by', by), `includes=${included.join('+')}`, ...tag('trigger', trigger), ...tag('name', name)];
}

/** The last one of several counts; a backup made by hand may have none. */
export function readTags(tags: readonly string[]): BackupTags {
  const values = new Map(tags.filter((tag) => tag.includes('=')).map((tag) => splitTag(tag)));
  const included = (values.get('includes') ?? '').split(/[+,]/);
  const trigger = JOB_TRIGGERS.find((known) => known === values.get('trigger'));
  const includes = { books: included.includes('books'), covers: included.includes('covers') };
  return { includes, by: values.get('by'), trigger, name: values.get('name') };
}

function splitTag(tag: string): [string, string] {
  const at = tag.indexOf('=');
  return [tag.slice(0, at), tag.slice(at + 1)];
}
