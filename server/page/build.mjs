/**
 * Bundles the page into dist/server/page: one script, one style sheet, an icon, and the document that names them. Names
 * hold a hash of what the file holds, so that browsers may keep them for ever; each lies there compressed, too.
 * Plain JavaScript, since it runs before anything is compiled.
 */

import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';
import { build } from 'esbuild';

const here = dirname(fileURLToPath(import.meta.url));
const output = join(here, '..', '..', 'dist', 'server', 'page');
const assets = join(output, 'assets');

rmSync(assets, { recursive: true, force: true });
mkdirSync(assets, { recursive: true });

const { metafile } = await build({
  absWorkingDir: here,
  entryPoints: { page: 'main.tsx', style: 'style.css', icon: 'icon.svg' },
  outdir: assets,
  entryNames: '[name]-[hash]',
  loader: { '.svg': 'copy' },
  bundle: true,
  minify: true,
  format: 'esm',
  target: ['chrome123', 'firefox121', 'safari17.5'],
  jsx: 'automatic',
  jsxImportSource: 'preact',
  legalComments: 'none',
  metafile: true,
  logLevel: 'warning',
});

const nameOf = (kind) => {
  const path = Object.keys(metafile.outputs).find((one) => basename(one).startsWith(`${kind}-`));
  if (path === undefined) throw new Error(`The bundle has no ${kind}`);
  return basename(path);
};

const document = readFileSync(join(here, 'index.html'), 'utf8')
  .replaceAll('{{SCRIPT}}', nameOf('page'))
  .replaceAll('{{STYLE}}', nameOf('style'))
  .replaceAll('{{ICON}}', nameOf('icon'));
writeFileSync(join(output, 'index.html'), document);

for (const name of readdirSync(assets)) {
  const bytes = readFileSync(join(assets, name));
  const parameters = { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length };
  writeFileSync(join(assets, `${name}.br`), brotliCompressSync(bytes, { params: parameters }));
  writeFileSync(join(assets, `${name}.gz`), gzipSync(bytes, { level: 9 }));
}
