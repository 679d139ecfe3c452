/**
 * A process that works with the chunk index of a repository beside others: it opens the index, compares it with the index
 * segments that lie there, adds a segment, and begins again, until it was told often enough or is killed.
 *
 * Arguments: folder of the repository, cache directory, secret (hexadecimal), seed, rounds.
 */

import { decodeIndexSegment } from '../../engine/format/pack-header.ts';
import { ChunkIndex } from '../../engine/repository/chunk-index.ts';
import { loadRecord } from '../../engine/repository/sealed-files.ts';
import { openLocation } from '../../engine/storage/open.ts';
import { paperPack, randomBlobId, saveSegment, testStore } from './index-segments.ts';
import { Random } from './random.ts';

async function main(): Promise<void> {
  const [location = '', cacheDirectory = '', secret = '', seed = '', rounds = ''] = process.argv.slice(2);
  const store = await testStore(await openLocation(location), Buffer.from(secret, 'hex'));
  const random = new Random(Number(seed));
  for (let round = 0; round < Number(rounds); round++) {
    const names: string[] = [];
    for await (const file of store.backend.list('index')) names.push(file.name);
    const index = new ChunkIndex(store, { cacheDirectory, limits: { youngBlobs: 60, coldRuns: 2 } });
    await index.refresh();
    for (const name of names) {
      for (const { packId, table } of decodeIndexSegment(await loadRecord(store, 'index', name), name)) {
        for (let blob = 0; blob < table.blobCount; blob += 7) {
          const id = Buffer.from(table.blobIds.subarray(blob * 16, blob * 16 + 16)) as ReturnType<typeof randomBlobId>;
          const place = index.findAll(id).find((at) => index.pack(at.pack)?.packId === packId);
          if (place === undefined) throw new Error(`blob ${id.toString('hex')} of pack ${packId} is not found`);
          if (index.frame(place).packId !== packId) throw new Error('the frame is of another pack');
        }
      }
    }
    const ids = Array.from({ length: 20 }, () => randomBlobId(random));
    await saveSegment(store, [paperPack(random, ids)]);
    await index.refresh();
    if (ids.some((id) => index.find(id) === undefined)) throw new Error('a new blob is not found');
    await index.close();
  }
}

await main();
