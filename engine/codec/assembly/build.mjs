// Compiles chunker.ts to dist/engine/codec/chunker.wasm; does nothing when that is up to date.
import { existsSync, mkdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const source = join(here, 'chunker.ts');
const target = join(here, '../../../dist/engine/codec/chunker.wasm');
const isCurrent =
  existsSync(target) &&
  statSync(target).mtimeMs > Math.max(statSync(source).mtimeMs, statSync(fileURLToPath(import.meta.url)).mtimeMs);
if (!isCurrent) {
  const { default: asc } = await import('assemblyscript/asc');
  mkdirSync(dirname(target), { recursive: true });
  const flags = ['-O3', '--noAssert', '--runtime', 'stub', '--importMemory', '--memoryBase', '0'];
  const { error, stderr } = await asc.main([source, '--outFile', target, ...flags]);
  if (error) {
    process.stderr.write(`${stderr.toString()}\n${error.message}\n`);
    process.exitCode = 1;
  }
}
