/** What a golden repository holds, in words that JSON can keep: for the program that makes one and the test that reads it. */

import { createHash } from 'node:crypto';
import { listEntries, type Repository, readFileContent } from '../../engine/index.ts';

export const GOLDEN_PASSWORD = 'golden';

export type GoldenContent = { readonly [snapshot: string]: { readonly [path: string]: string } };

/** Type, mode, time, target and digest of everything, by snapshot and path (latin1). */
export async function describeRepository(repository: Repository): Promise<GoldenContent> {
  const content: { [snapshot: string]: { [path: string]: string } } = {};
  for (const { id } of await repository.snapshots.list()) {
    const entries: { [path: string]: string } = {};
    for await (const { path, node } of listEntries(repository, { snapshot: id, recursive: true })) {
      const facts = [node.type, node.mode.toString(8), node.mtime.seconds, node.mtime.nanoseconds, node.links].map(
        String,
      );
      if (node.linkTarget !== undefined) facts.push(node.linkTarget.toString('latin1'));
      if (node.type === 'file') {
        const hash = createHash('sha256');
        for await (const piece of readFileContent(repository, { snapshot: id, path })) hash.update(piece);
        facts.push(String(node.size), hash.digest('hex'));
      }
      entries[path.toString('latin1')] = facts.join(' ');
    }
    content[id] = entries;
  }
  return content;
}
