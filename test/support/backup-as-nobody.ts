/** The process behind runAsNobody: makes a repository, backs a source up into it, and prints what it has. */

import { backup } from '../../engine/operations/backup/backup.ts';
import { listEntries } from '../../engine/operations/list.ts';
import { testRepository } from './build-repository.ts';

const [folder = '', source = ''] = process.argv.slice(2);
const repository = await testRepository({ folder });
const { problems } = await backup(repository, { paths: [Buffer.from(source)] });
const paths: string[] = [];
for await (const { path } of listEntries(repository, {
  snapshot: 'latest',
  path: Buffer.from(source),
  recursive: true,
})) {
  paths.push(path.toString().slice(source.length + 1));
}
process.stdout.write(JSON.stringify({ problems, paths }));
process.exit(0);
