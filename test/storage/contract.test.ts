import { join } from 'node:path';
import { MemoryBackend } from '../../engine/storage/memory.ts';
import { createLocation } from '../../engine/storage/open.ts';
import { testFolder } from '../support/build-repository.ts';
import { RecordingBackend } from '../support/faulty-backend.ts';
import { contractTests } from './contract.ts';

contractTests('local', (t) => createLocation(join(testFolder(t), 'repository')));
contractTests('memory', async () => new MemoryBackend());
contractTests('wrapped', async () => new RecordingBackend(new MemoryBackend()));
