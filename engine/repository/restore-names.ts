/** What a restore that is under way calls its own files in the target. No backup stores them. */

export const JOURNAL_NAME = Buffer.from('.snap-restore');
export const TEMPORARY_PREFIX = '.snap-restore-';

/** The journal before it is whole: the same in all restores, so that the next one takes away what a kill left. */
export const UNFINISHED_JOURNAL_NAME = Buffer.from(`${TEMPORARY_PREFIX}00000000-journal`);

const TEMPORARY = /^\.snap-restore-[0-9a-f]{8}-/;

/** True for the journal of a restore, and for what it has not renamed yet; those of others included. */
export function isRestoreName(name: Buffer): boolean {
  if (name[0] !== JOURNAL_NAME[0] || name.length < JOURNAL_NAME.length) return false;
  return name.equals(JOURNAL_NAME) || TEMPORARY.test(name.toString('latin1'));
}
