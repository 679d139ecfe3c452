import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isEngineError } from '../../engine/base/errors.ts';
import type { Backend } from '../../engine/storage/backend.ts';
import { MemoryBackend } from '../../engine/storage/memory.ts';
import { openLocation } from '../../engine/storage/open.ts';
import { probeBackend } from '../../engine/storage/probe.ts';
import {
  FailingListing,
  FailingReads,
  FailingWrites,
  FlippedBytes,
  KeepingBackend,
  LateListing,
  OverwritingBackend,
  TruncatedFiles,
} from '../support/faulty-backend.ts';
import { listed, throwsCode } from './contract.ts';

const FAULTS: readonly (readonly [string, (inner: Backend) => Backend, RegExp])[] = [
  ['loses the last byte', (inner) => new TruncatedFiles(inner, 'lock'), /another length/],
  ['loses everything', (inner) => new TruncatedFiles(inner, 'lock', 1e9), /another length/],
  ['flips a bit', (inner) => new FlippedBytes(inner, 'lock'), /reads back differently/],
  ['replaces what is there', (inner) => new OverwritingBackend(inner), /was replaced/],
  ['does not list what it holds', (inner) => new LateListing(inner), /is not listed/],
  ['does not remove', (inner) => new KeepingBackend(inner), /is still there/],
  ['cannot write', (inner) => new FailingWrites(inner, 0), /disk is full/],
  ['cannot read', (inner) => new FailingReads(inner, 'lock'), /I\/O error/],
  ['cannot list', (inner) => new FailingListing(inner, 'lock'), /unreachable/],
];

for (const [what, fault, message] of FAULTS) {
  test(`trap 31: a store that ${what} is refused before anything is trusted to it`, async () => {
    const inner = new MemoryBackend();
    await assert.rejects(probeBackend(fault(inner)), (error) => {
      assert.ok(isEngineError(error, 'STORAGE_FAILED'), String(error));
      assert.match(error.message, message);
      return true;
    });
    if (what !== 'does not remove') assert.deepEqual(await listed(inner, 'lock'), []);
  });
}

test('a location that is no folder is refused by name', async () => {
  for (const location of ['', 's3:bucket', 'sftp://host/path']) {
    await throwsCode(() => openLocation(location), 'INVALID_ARGUMENT');
  }
});
