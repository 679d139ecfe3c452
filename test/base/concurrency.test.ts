import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { mapBounded } from '../../engine/base/concurrency.ts';

test('mapBounded() keeps the order, and never has more under way than it may', async () => {
  let underWay = 0;
  let most = 0;
  const results = await mapBounded([5, 1, 4, 2, 3, 0], 3, async (ms, index) => {
    most = Math.max(most, ++underWay);
    await wait(ms);
    underWay--;
    return `${index}:${ms}`;
  });
  assert.deepEqual(results, ['0:5', '1:1', '2:4', '3:2', '4:3', '5:0']);
  assert.equal(most, 3);
  assert.deepEqual(await mapBounded([], 3, async () => 1), []);
});

test('mapBounded() begins nothing after a failure, and throws once nothing is under way', async () => {
  const begun: number[] = [];
  let underWay = 0;
  await assert.rejects(
    mapBounded([0, 1, 2, 3, 4, 5], 2, async (item) => {
      begun.push(item);
      underWay++;
      await wait(item === 1 ? 1 : 10);
      underWay--;
      if (item === 1) throw new Error('one failed');
    }),
    /one failed/,
  );
  assert.deepEqual([begun, underWay], [[0, 1], 0]);
});
