/** Reads a tar as a stream. */

import { EngineError } from '../../base/errors.ts';
import { TAR_EXTENDED_BYTES_MAX, TAR_GLOBAL_RECORDS_MAX, TAR_REGIONS_MAX } from '../../base/limits.ts';
import type { Region } from '../../format/archive-entry.ts';
import { paddingOf, TAR_BLOCK_BYTES } from '../../format/archive-tar.ts';
import {
  checkedRegions,
  decodeOldSparse,
  decodePaxRecords,
  decodeTarHeader,
  isZeroBlock,
  type PaxRecords,
  sparseKind,
  sparseNumbers,
  sparseSize,
  TAR_TYPE_OLD_SPARSE,
  type TarHeader,
  tarDataBytes,
  tarEntry,
} from '../../format/archive-tar-reader.ts';
import type { ReadItem } from './archive-item.ts';
import type { ByteSource } from './byte-source.ts';

interface Sparse {
  readonly regions: readonly Region[];
  readonly size: number;
}

export class TarReader {
  readonly #source: ByteSource;
  #global: PaxRecords = new Map();
  /** What extended headers said of the next entry. */
  #records: Map<string, Buffer> | undefined;

  constructor(source: ByteSource) {
    this.#source = source;
  }

  /** ARCHIVE_INVALID for what is damaged or was cut off: an archive without its end mark too. */
  async *items(): AsyncGenerator<ReadItem> {
    for (;;) {
      const block = await this.#source.need(TAR_BLOCK_BYTES);
      if (isZeroBlock(block)) return this.#finish();
      const header = decodeTarHeader(block);
      if (await this.#takeExtended(header)) continue;
      const records = this.#records ?? new Map(this.#global);
      this.#records = undefined;
      const left = { bytes: tarDataBytes(header, records) };
      const padding = paddingOf(left.bytes);
      const sparse = await this.#sparse(header, block, { records, left });
      yield this.#item(header, records, { sparse, left });
      await this.#source.skip(left);
      await this.#source.need(padding);
    }
  }

  async #finish(): Promise<void> {
    const second = await this.#source.need(TAR_BLOCK_BYTES);
    if (!isZeroBlock(second))
      throw new EngineError('ARCHIVE_INVALID', 'The tar is damaged: its end mark is half there');
    await this.#source.drain();
  }

  /** True for a header that only says something of what follows. */
  async #takeExtended(header: TarHeader): Promise<boolean> {
    const { type } = header;
    if (type !== 'x' && type !== 'g' && type !== 'L' && type !== 'K') return false;
    if (header.size > TAR_EXTENDED_BYTES_MAX) {
      throw new EngineError(
        'LIMIT_EXCEEDED',
        `An extended header of ${header.size} bytes is longer than any name needs`,
      );
    }
    const body = await this.#source.need(header.size);
    await this.#source.need(paddingOf(header.size));
    if (type === 'g') {
      this.#global = decodePaxRecords(body, this.#global);
      if (this.#global.size > TAR_GLOBAL_RECORDS_MAX) {
        throw new EngineError('LIMIT_EXCEEDED', 'The tar says more of all its entries at once than any tar does');
      }
      return true;
    }
    const before = this.#records ?? new Map(this.#global);
    if (type === 'x') this.#records = decodePaxRecords(body, before);
    else {
      const end = body.indexOf(0);
      before.set(type === 'L' ? 'path' : 'linkpath', end < 0 ? body : body.subarray(0, end));
      this.#records = before;
    }
    return true;
  }

  async #sparse(
    header: TarHeader,
    block: Buffer,
    data: { readonly records: PaxRecords; readonly left: { bytes: number } },
  ): Promise<Sparse | undefined> {
    const { records, left } = data;
    if (header.type === TAR_TYPE_OLD_SPARSE) return this.#oldSparse(block, left.bytes);
    const kind = sparseKind(records);
    if (kind === 'none') return undefined;
    const size = sparseSize(records);
    const numbers = kind === 'records' ? sparseNumbers(records) : await this.#mapInData(left);
    return { size, regions: checkedRegions(numbers, size, left.bytes) };
  }

  async #oldSparse(block: Buffer, dataBytes: number): Promise<Sparse> {
    const first = decodeOldSparse(block, false);
    const numbers = [...first.numbers];
    for (let more = first.more; more; ) {
      const next = decodeOldSparse(await this.#source.need(TAR_BLOCK_BYTES), true);
      numbers.push(...next.numbers);
      requireFew(numbers.length / 2);
      more = next.more;
    }
    return { size: first.size, regions: checkedRegions(numbers, first.size, dataBytes) };
  }

  /** The map of version 1.0: decimal numbers, one a line, in whole blocks in front of the data. */
  async #mapInData(left: { bytes: number }): Promise<number[]> {
    const numbers: number[] = [];
    let text = '';
    // The first number says how many pairs follow.
    while (numbers.length < 1 + 2 * (numbers[0] ?? 0)) {
      if (left.bytes < TAR_BLOCK_BYTES) throw new EngineError('ARCHIVE_INVALID', 'The map of a sparse file is cut off');
      text += (await this.#source.need(TAR_BLOCK_BYTES)).toString('latin1');
      left.bytes -= TAR_BLOCK_BYTES;
      const lines = text.split('\n');
      text = lines.pop() ?? '';
      for (const line of lines) {
        if (numbers.length === 1 + 2 * (numbers[0] ?? 0) && numbers.length > 0) break;
        if (!/^\d{1,16}$/.test(line) || !Number.isSafeInteger(Number(line)))
          throw new EngineError('ARCHIVE_INVALID', 'The map of a sparse file is damaged');
        numbers.push(Number(line));
      }
      requireFew(numbers[0] ?? 0);
      if (text.length > TAR_BLOCK_BYTES)
        throw new EngineError('ARCHIVE_INVALID', 'The map of a sparse file is damaged');
    }
    return numbers.slice(1);
  }

  #item(
    header: TarHeader,
    records: PaxRecords,
    data: { readonly sparse: Sparse | undefined; readonly left: { bytes: number } },
  ): ReadItem {
    const entry = tarEntry(header, records, data.sparse);
    if (entry !== undefined) return { entry, content: () => this.#source.pieces(data.left) };
    const letter = JSON.stringify(header.type);
    return { path: header.name, code: 'TYPE_UNKNOWN', why: `a tar entry of type ${letter} has no meaning here` };
  }
}

function requireFew(regions: number): void {
  if (regions <= TAR_REGIONS_MAX) return;
  throw new EngineError('LIMIT_EXCEEDED', `A sparse file of ${regions} regions is beyond every bound`);
}
