import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { Breather, mapBounded, Turnstile } from '../../engine/base/concurrency.ts';

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

test('a turnstile lets one through in each turn of the event loop', async () => {
  const turnstile = new Turnstile();
  let turn = 0;
  let isOver = false;
  const count = (): void => {
    turn++;
    if (!isOver) setImmediate(count);
  };
  setImmediate(count);
  const turns = await Promise.all(Array.from({ length: 50 }, () => turnstile.pass().then(() => turn)));
  isOver = true;
  assert.equal(new Set(turns).size, 50);
  assert.deepEqual(
    turns,
    [...turns].sort((a, b) => a - b),
  );
});

test('work that breathes lets others have their turn, and ends with its signal', async () => {
  const controller = new AbortController();
  const breather = new Breather(controller.signal);
  // It would never come to pass if the thread were kept.
  setTimeout(() => controller.abort(), 30);
  const endMs = performance.now() + 20_000;
  const working = (async () => {
    while (performance.now() < endMs) await breather.breathe();
  })();
  await assert.rejects(working, { code: 'INTERRUPTED' });
  await assert.rejects(new Breather(AbortSignal.abort()).breathe(), { code: 'INTERRUPTED' });
  await new Breather(undefined).breathe();
});
