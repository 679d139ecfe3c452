/** The files of the web page, as the build left them: small enough to be kept in memory, compressed already. */

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { brotliCompressSync, gzipSync } from 'node:zlib';

export interface PageFile {
  readonly type: string;
  readonly plain: Buffer;
  readonly brotli: Buffer;
  readonly gzip: Buffer;
}

export interface PageFiles {
  /** The document that every address of the page answers. */
  readonly document: PageFile;
  /** By name. A name holds a hash of what the file holds. */
  readonly assets: ReadonlyMap<string, PageFile>;
}

const TYPES: { readonly [extension: string]: string } = {
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
};

/** Undefined where the page was not built. */
export function readPageFiles(basePath: string): PageFiles | undefined {
  const folder = new URL('./page/', import.meta.url);
  const document = new URL('index.html', folder);
  if (!existsSync(document)) return undefined;
  // A base path is letters, digits and a few signs that mean nothing in a document.
  const text = readFileSync(document, 'utf8').replaceAll('{{BASE_PATH}}', basePath);
  const assets = new URL('assets/', folder);
  const names = readdirSync(fileURLToPath(assets)).filter((name) => extname(name) in TYPES);
  return {
    document: fileOf(Buffer.from(text), 'text/html; charset=utf-8'),
    assets: new Map(names.map((name) => [name, readAsset(new URL(name, assets), TYPES[extname(name)] ?? '')])),
  };
}

function readAsset(url: URL, type: string): PageFile {
  return {
    type,
    plain: readFileSync(url),
    brotli: readFileSync(new URL(`${url.href}.br`)),
    gzip: readFileSync(new URL(`${url.href}.gz`)),
  };
}

function fileOf(plain: Buffer, type: string): PageFile {
  return { type, plain, brotli: brotliCompressSync(plain), gzip: gzipSync(plain) };
}
