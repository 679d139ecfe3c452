/** A swap that is killed, at each of its steps and at random moments: the old database or the new one, whole. */

import assert from 'node:assert/strict';
import { copyFileSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { isEngineError } from '../../engine/base/errors.ts';
import type { SwapOutcome, SwapRequest, SwapStep } from '../../engine/databases/sqlite-swap.ts';
import { testFolder } from '../support/build-repository.ts';
import { type Random, randomFor, rounds } from '../support/random.ts';
import { SqliteWriter } from '../support/sqlite-writer.ts';
import {
  assertNothingBeside,
  failure,
  makeImage,
  type OldState,
  type SwapFolder,
  SwapPlaces,
  WHOLE_STATES,
  whichIsCopied,
  whichIsThere,
} from '../support/swap-place.ts';

function request({ image, target }: SwapFolder, force = false): SwapRequest {
  return { image: Buffer.from(image), target: Buffer.from(target), force };
}

/** The steps of a swap of this kind, in their order. */
async function stepsOf(places: SwapPlaces, state: OldState): Promise<SwapStep[]> {
  const steps: SwapStep[] = [];
  const swapper = places.swapper({
    onStep: (step) => {
      steps.push(step);
    },
  });
  await swapper.swap(request(await places.make(state)));
  return steps;
}

async function killAt(places: SwapPlaces, place: SwapFolder, step: SwapStep): Promise<string> {
  const swapper = places.swapper({
    onStep: (now, pid) => {
      if (now === step) process.kill(pid, 'SIGKILL');
    },
  });
  return failure(swapper.swap(request(place)));
}

async function assertSwapsAgain(places: SwapPlaces, place: SwapFolder): Promise<void> {
  if (!existsSync(place.image)) places.addImage(place);
  await places.swapper().swap(request(place));
  assertNothingBeside(place);
  assert.equal(whichIsThere(place.target), 'new');
}

test('killed after any step, the old database with all its commits is there, or the new one without any of them', async (t) => {
  const places = new SwapPlaces(t);
  for (const state of [
    'wal with commits of a killed writer',
    'wal with commits, header of rollback mode',
    'persist',
    'hot journal',
  ] as const) {
    const steps = await stepsOf(places, state);
    assert.deepEqual(steps, [
      'started',
      'image-synced',
      'opened',
      'locked',
      'checkpointed',
      'side-files-removed',
      'side-files-durable',
      'renamed',
      'durable',
    ]);
    for (const step of steps) {
      const place = await places.make(state);
      assert.match(await killAt(places, place, step), /ended \(SIGKILL\); the old database or the new one is there/);
      const expected = steps.indexOf(step) >= steps.indexOf('renamed') ? 'new' : 'old';
      assert.equal(whichIsCopied(place.target), expected, `${state}, ${step}`);
      assert.equal(existsSync(place.image), expected === 'old');
      await assertSwapsAgain(places, place);
    }
  }
});

test('killed after any step beside what is broken, empty or missing, its logs are never those of the new database', async (t) => {
  const places = new SwapPlaces(t);
  for (const state of ['first page damaged', 'empty', 'missing'] as const) {
    const steps = await stepsOf(places, state);
    assert.ok(steps.includes('side-files-aside'));
    for (const step of steps) {
      const place = await places.make(state);
      await killAt(places, place, step);
      const isNew = steps.indexOf(step) >= steps.findIndex((one) => one === 'renamed' || one === 'linked');
      if (isNew) assert.equal(whichIsCopied(place.target), 'new', `${state}, ${step}`);
      else assert.ok(existsSync(place.image), `${state}, ${step}`);
      await assertSwapsAgain(places, place);
    }
  }
});

test('killed at random moments', async (t) => {
  const places = new SwapPlaces(t);
  const random = randomFor(t);
  const span = new Span(random);
  const end = performance.now() + rounds(5) * 1000;
  const seen = { old: 0, new: 0 };
  while (performance.now() < end) {
    const state = WHOLE_STATES[random.below(WHOLE_STATES.length)] ?? 'wal';
    const place = await places.make(state);
    const how = await span.killWithin(places, 'started', request(place));
    if (random.below(4) === 0) {
      await assertSwapsAgain(places, place);
      continue;
    }
    const which = whichIsThere(place.target);
    if (how !== undefined) assert.equal(which, 'new');
    assert.equal(existsSync(place.image), which === 'old');
    seen[which]++;
  }
  t.diagnostic(`old ${seen.old}, new ${seen.new}`);
});

test('killed while it writes beneath a program, what is there is old or new, and the program goes on with it', async (t) => {
  const places = new SwapPlaces(t);
  const random = randomFor(t);
  const large = makeImage(join(testFolder(t), 'large.db'), { rows: 15_000, noteBytes: 600 });
  const seen = { old: 0, new: 0 };
  for (const state of ['wal', 'delete'] as const) {
    const span = new Span(random);
    for (let round = 0; round < rounds(6); round++) {
      const place = await places.make(state);
      copyFileSync(large, place.image);
      const writer = await SqliteWriter.start(t, place.target);
      await writer.order('hold-open');
      await span.killWithin(places, 'image-synced', request(place, true));
      seen[whichIsCopied(place.target)]++;
      await writer.order('commit');
      await writer.stop();
    }
  }
  t.diagnostic(`old ${seen.old}, new ${seen.new}`);
});

/** Kills within the time that a swap takes, which the first one shows, or soon after. */
class Span {
  readonly #random: Random;
  #spanMs: number | undefined;

  constructor(random: Random) {
    this.#random = random;
  }

  /** Undefined where the kill came before the end. */
  async killWithin(places: SwapPlaces, from: SwapStep, order: SwapRequest): Promise<SwapOutcome | undefined> {
    let begun = 0;
    let timer: NodeJS.Timeout | undefined;
    const spanMs = this.#spanMs;
    const swapper = places.swapper({
      busyTimeoutMs: 5000,
      onStep: (step, pid) => {
        if (step !== from) return;
        begun = performance.now();
        if (spanMs !== undefined) timer = setTimeout(() => kill(pid), this.#random.next() * 1.5 * spanMs);
      },
    });
    try {
      const outcome = await swapper.swap(order);
      this.#spanMs ??= performance.now() - begun;
      return outcome;
    } catch (error) {
      assert.ok(isEngineError(error, 'DATABASE_FAILED') && /SIGKILL/.test(error.message), String(error));
      return undefined;
    } finally {
      clearTimeout(timer);
    }
  }
}

/** It may be gone already. */
function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // The swap was done before.
  }
}
