/** The process behind Listener in audiobookshelf.ts. */

import { setTimeout as sleep } from 'node:timers/promises';
import Database from 'better-sqlite3';

const database = new Database(process.argv[2] ?? '', { timeout: 5000 });
const update = database.prepare('UPDATE mediaProgresses SET currentTime = currentTime + 1');
const report = { commits: 0, failures: [] as string[] };
let stopped = false;
process.on('message', () => {
  stopped = true;
});
process.send?.('started');
while (!stopped) {
  try {
    update.run();
    report.commits++;
  } catch (error) {
    report.failures.push(String(error));
  }
  await sleep(5);
}
database.close();
process.send?.(report);
process.disconnect();
