/** Covers that a browser shows: small PNGs, drawn from nothing but a title. */

import { createHash } from 'node:crypto';
import { crc32, deflateSync } from 'node:zlib';

const WIDTH = 240;
const HEIGHT = 360;
const SIGNATURE = Buffer.from('\x89PNG\r\n\x1a\n', 'latin1');
const EIGHT_BITS = 8;
const RGB = 2;

type Color = readonly [number, number, number];

/** Rings on a slope of two colours, like no other title's. `edition` draws the same book anew. */
export function drawCover(title: string, edition = 1): Buffer {
  const seed = createHash('sha256').update(`${title} ${edition}`).digest();
  const byte = (at: number): number => seed[at] ?? 0;
  const from = colorOf(byte(0) * 1.41, 0.32);
  const to = colorOf(byte(0) * 1.41 + 40 + byte(1) / 4, 0.62);
  const ink = colorOf(byte(2) * 1.41, 0.9);
  const [middleX, middleY] = [(byte(3) / 255) * WIDTH, (0.25 + byte(4) / 512) * HEIGHT];
  const width = 10 + byte(5) / 16;
  const reach = 60 + byte(6) / 3;
  return encodePng((x, y) => {
    const distance = Math.hypot(x - middleX, y - middleY);
    const isRing = distance < reach && Math.floor(distance / width) % 2 === 0;
    const isBand = y > HEIGHT * 0.78 && y < HEIGHT * 0.86;
    return isRing || isBand ? ink : mix(from, to, (x + y) / (WIDTH + HEIGHT));
  });
}

/** `hue` in degrees of the circle of colours. */
function colorOf(hue: number, lightness: number): Color {
  const channel = (shift: number): number => {
    const at = (shift + hue / 30) % 12;
    const part = lightness - 0.45 * Math.min(lightness, 1 - lightness) * Math.max(-1, Math.min(at - 3, 9 - at, 1));
    return Math.round(part * 255);
  };
  return [channel(0), channel(8), channel(4)];
}

function mix(from: Color, to: Color, share: number): Color {
  const channel = (at: 0 | 1 | 2): number => Math.round(from[at] + (to[at] - from[at]) * share);
  return [channel(0), channel(1), channel(2)];
}

function encodePng(colorAt: (x: number, y: number) => Color): Buffer {
  const rowBytes = 1 + WIDTH * 3;
  // The first byte of each row, 0, says that no filter was applied to it.
  const rows = Buffer.alloc(rowBytes * HEIGHT);
  for (let y = 0; y < HEIGHT; y++) {
    for (let x = 0; x < WIDTH; x++) rows.set(colorAt(x, y), y * rowBytes + 1 + x * 3);
  }
  const header = Buffer.alloc(13);
  header.writeUInt32BE(WIDTH, 0);
  header.writeUInt32BE(HEIGHT, 4);
  header.set([EIGHT_BITS, RGB], 8);
  return Buffer.concat([
    SIGNATURE,
    pngChunk('IHDR', header),
    pngChunk('IDAT', deflateSync(rows, { level: 9 })),
    pngChunk('IEND', Buffer.alloc(0)),
  ]);
}

function pngChunk(type: string, content: Buffer): Buffer {
  const typed = Buffer.concat([Buffer.from(type, 'latin1'), content]);
  const frame = Buffer.alloc(8);
  frame.writeUInt32BE(content.length, 0);
  frame.writeUInt32BE(crc32(typed), 4);
  return Buffer.concat([frame.subarray(0, 4), typed, frame.subarray(4)]);
}
