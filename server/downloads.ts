/**
 * Sends bytes of a known length: whole or a range, so that a download that broke off is resumed. What people stored is
 * sent in a way that no browser runs it as a page of ours.
 */

import { Socket } from 'node:net';
import { Readable } from 'node:stream';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { goneSignal } from './client.ts';
import { DOWNLOAD_BUFFER_BYTES, DOWNLOAD_STALL_MS_MAX, DOWNLOADS_MAX } from './limits.ts';
import { ServerError } from './problems.ts';

/** Bytes from `start` to before `end`. */
export interface SentRange {
  readonly start: number;
  readonly end: number;
}

export interface Download {
  readonly bytes: number;
  /** Without quotes; changes when any byte does. */
  readonly tag: string;
  readonly type: string;
  readonly disposition: string;
  /** Exactly the bytes of the range. Pieces are not changed. */
  readonly open: (range: SentRange, signal: AbortSignal) => AsyncGenerator<Buffer>;
}

export class Downloads {
  #underWay = 0;

  /** BUSY where too many are under way; RANGE_INVALID for a range that lies behind the end. */
  async send(request: FastifyRequest, reply: FastifyReply, download: Download): Promise<FastifyReply> {
    const { bytes, tag } = download;
    const { headers, method } = request;
    reply.headers({
      etag: `"${tag}"`,
      'accept-ranges': 'bytes',
      // Kept by whoever asked, and asked about each time.
      'cache-control': 'private, no-cache',
      'content-disposition': download.disposition,
    });
    if (matches(headers['if-none-match'], tag)) return reply.code(304).send();
    const range = rangeOf(headers, download);
    const { start, end } = range ?? { start: 0, end: bytes };
    if (range !== undefined) reply.code(206).header('content-range', `bytes ${start}-${end - 1}/${bytes}`);
    reply.type(download.type).header('content-length', end - start);
    // An answer to HEAD tells the length of what it does not send: an empty text would say that it is zero.
    if (method === 'HEAD') return reply.send(Readable.from([]));
    if (start === end) return reply.send('');
    return reply.send(await this.#stream(reply, (signal) => download.open({ start, end }, signal)));
  }

  /** What is made while it is sent, and nobody knows how long it will be. BUSY. */
  async sendUnmeasured(
    reply: FastifyReply,
    { name, open }: { readonly name: Buffer; readonly open: (signal: AbortSignal) => AsyncGenerator<Buffer, unknown> },
  ): Promise<FastifyReply> {
    const { type, disposition } = presentationOf(name, { inline: false });
    reply.headers({ 'cache-control': 'private, no-store', 'content-disposition': disposition });
    reply.type(type);
    return reply.send(await this.#stream(reply, open));
  }

  async #stream(
    reply: FastifyReply,
    open: (signal: AbortSignal) => AsyncGenerator<Buffer, unknown>,
  ): Promise<Readable> {
    if (this.#underWay >= DOWNLOADS_MAX) {
      throw new ServerError('BUSY', 'Too many downloads are under way: try again', { 'retry-after': '10' });
    }
    this.#underWay++;
    const pieces = open(goneSignal(reply));
    try {
      // What cannot be read at all is answered as a problem; later the answer can only be cut off.
      const first = await pieces.next();
      const stream = Readable.from(startingWith(first, pieces), {
        objectMode: false,
        highWaterMark: DOWNLOAD_BUFFER_BYTES,
      });
      stream.once('close', () => this.#underWay--);
      // A client that takes nothing any more holds memory for nothing.
      const { socket } = reply.raw;
      if (socket instanceof Socket) socket.setTimeout(DOWNLOAD_STALL_MS_MAX);
      return stream;
    } catch (error) {
      this.#underWay--;
      for (const name of ['content-length', 'content-range', 'content-disposition', 'etag']) reply.removeHeader(name);
      throw error;
    }
  }
}

async function* startingWith(
  first: IteratorResult<Buffer, unknown>,
  rest: AsyncGenerator<Buffer, unknown>,
): AsyncGenerator<Buffer> {
  try {
    if (first.done === true) return;
    yield first.value;
    yield* rest;
  } finally {
    await rest.return(undefined);
  }
}

/** If-None-Match: a list of tags, or any. */
function matches(header: string | undefined, tag: string): boolean {
  if (header === undefined) return false;
  const tags = header.split(',').map((one) => one.trim().replace(/^W\//, ''));
  return tags.includes('*') || tags.includes(`"${tag}"`);
}

const RANGE = /^bytes=(\d{0,15})-(\d{0,15})$/;

/** Undefined: all of it. Several ranges at once, and what is no range, are answered with all, as the standard allows. */
function rangeOf(headers: FastifyRequest['headers'], { bytes, tag }: Download): SentRange | undefined {
  const found = RANGE.exec((headers.range ?? '').replaceAll(' ', ''));
  const ifRange = headers['if-range'];
  if (found === null || (ifRange !== undefined && ifRange !== `"${tag}"`)) return undefined;
  const [, first = '', last = ''] = found;
  if (first === '' && last === '') return undefined;
  if (first !== '' && last !== '' && Number(last) < Number(first)) return undefined;
  const start = first === '' ? Math.max(0, bytes - Number(last)) : Number(first);
  const end = first === '' || last === '' ? bytes : Math.min(bytes, Number(last) + 1);
  if (start < end) return { start, end };
  throw new ServerError('RANGE_INVALID', `There are ${bytes} bytes, and none in the range ${headers.range}`, {
    'content-range': `bytes */${bytes}`,
  });
}

/** Types that a browser shows and never runs; everything else is only saved. */
const SHOWN_TYPES: { readonly [extension: string]: string } = {
  png: 'image/png',
  jpg: 'image/jpeg',
  jpeg: 'image/jpeg',
  gif: 'image/gif',
  webp: 'image/webp',
  avif: 'image/avif',
  bmp: 'image/bmp',
  mp3: 'audio/mpeg',
  m4a: 'audio/mp4',
  m4b: 'audio/mp4',
  aac: 'audio/aac',
  flac: 'audio/flac',
  ogg: 'audio/ogg',
  oga: 'audio/ogg',
  opus: 'audio/ogg',
  wav: 'audio/wav',
  mp4: 'video/mp4',
  m4v: 'video/mp4',
  webm: 'video/webm',
};
/** Shown as plain text, whatever they are the source of. */
const TEXT_EXTENSIONS = new Set(
  'txt text md markdown log nfo cue m3u m3u8 json jsonl csv tsv yaml yml toml ini conf cfg srt vtt lrc opf xml ncx'.split(
    ' ',
  ),
);
const SAVED_TYPE = 'application/octet-stream';

/** `inline`: shown where that is harmless. */
export function presentationOf(
  name: Buffer,
  { inline }: { readonly inline: boolean },
): { readonly type: string; readonly disposition: string } {
  const text = name.toString('utf8');
  const extension = /\.([A-Za-z0-9]{1,10})$/.exec(text)?.[1]?.toLowerCase() ?? '';
  const shown = TEXT_EXTENSIONS.has(extension) ? 'text/plain; charset=utf-8' : SHOWN_TYPES[extension];
  const isShown = inline && shown !== undefined;
  return {
    type: isShown ? shown : SAVED_TYPE,
    disposition: `${isShown ? 'inline' : 'attachment'}; ${fileNameOf(text)}`,
  };
}

/** The name in ASCII for old clients, and as it is for all others (RFC 6266). */
function fileNameOf(name: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is to go
  const plain = name.replace(/[\x00-\x1f\x7f"\\/%]/g, '_').replace(/[^\x20-\x7e]/g, '_');
  const whole = encodeURIComponent(name).replace(/['()*]/g, (one) => `%${one.charCodeAt(0).toString(16)}`);
  return `filename="${plain}"; filename*=UTF-8''${whole}`;
}
