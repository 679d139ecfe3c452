/** Whether a symbolic link of an upload could lead out of the folder that it belongs to. Pure. */

/**
 * `depth`: how many folders lie between the root and the link. A link may go up at its beginning, through folders that are
 * real since they hold it, and never afterwards, when it may already stand behind another link.
 */
export function linkLeadsOut(target: Buffer, depth: number): boolean {
  const text = target.toString('latin1');
  if (text === '' || text.startsWith('/') || text.includes('\0')) return true;
  const parts = text.split('/').filter((part) => part !== '' && part !== '.');
  const ups = parts.findIndex((part) => part !== '..');
  const leading = ups < 0 ? parts.length : ups;
  return leading > depth || parts.slice(leading).includes('..');
}
