/** Everything that is derived from a repository's two secrets. FORMAT.md, "Keys", is the table behind it. */

import { createHmac } from 'node:crypto';
import type { RepositoryId } from '../base/ids.ts';
import { expandGearTable } from '../codec/gear.ts';
import { createKeyedHasher, type KeyedHasher } from '../codec/hash.ts';
import { deriveKey, Sealer } from '../codec/seal.ts';
import { associatedData, type SealedKind, sealInfo } from '../format/envelope.ts';
import type { BlobKind } from '../format/pack-header.ts';

/** 32 random bytes each. Structured-cloneable: workers get them by message. */
export interface Secrets {
  /** Ids, cut points, tree splits. */
  readonly content: Uint8Array;
  /** Encryption. */
  readonly seal: Uint8Array;
}

export const SECRET_BYTES = 32;
const NO_SALT = Buffer.alloc(0);
const CONTENT_TAG_KIND = 255;
const CONTENT_TAG_BYTES = 16;

export class KeyMaterial {
  readonly repositoryId: RepositoryId;
  readonly secrets: Secrets;
  readonly hashers: { readonly [kind in BlobKind]: KeyedHasher };
  readonly fileHasher: KeyedHasher;
  /** Decides where tree parts end. */
  readonly splitSeed: number;
  readonly #seal: Buffer;

  private constructor(
    repositoryId: RepositoryId,
    secrets: Secrets,
    hashers: { readonly data: KeyedHasher; readonly tree: KeyedHasher; readonly file: KeyedHasher },
  ) {
    this.repositoryId = repositoryId;
    this.secrets = secrets;
    this.hashers = { data: hashers.data, tree: hashers.tree };
    this.fileHasher = hashers.file;
    this.#seal = Buffer.from(secrets.seal);
    this.splitSeed = deriveKey(Buffer.from(secrets.content), NO_SALT, 'snap 1 split').readUInt32LE(0);
  }

  static async create(repositoryId: RepositoryId, secrets: Secrets): Promise<KeyMaterial> {
    const content = Buffer.from(secrets.content);
    const seal = Buffer.from(secrets.seal);
    return new KeyMaterial(repositoryId, secrets, {
      data: await createKeyedHasher(deriveKey(content, NO_SALT, 'snap 1 data id')),
      tree: await createKeyedHasher(deriveKey(content, NO_SALT, 'snap 1 tree id')),
      file: await createKeyedHasher(deriveKey(seal, NO_SALT, 'snap 1 file id')),
    });
  }

  gearTable(): Buffer {
    return expandGearTable(deriveKey(Buffer.from(this.secrets.content), NO_SALT, 'snap 1 gear'));
  }

  /** Seals and opens the parts of one file. */
  sealer(kind: SealedKind, salt: Buffer): Sealer {
    return new Sealer(deriveKey(this.#seal, salt, sealInfo(kind)), associatedData(this.repositoryId, kind, salt));
  }

  /** Hexadecimal HMAC that authenticates the config. */
  configMac(bytes: Buffer): string {
    return createHmac('sha256', deriveKey(this.#seal, NO_SALT, 'snap 1 config'))
      .update(bytes)
      .digest('hex');
  }

  /** A name for something outside of the repository, 32 hexadecimal digits, by what says all of it. */
  contentTag(what: Buffer): string {
    const bytes = Buffer.allocUnsafe(1 + what.length);
    // A file's id begins with its kind, which is never this.
    bytes[0] = CONTENT_TAG_KIND;
    what.copy(bytes, 1);
    return this.fileHasher.digest(bytes, CONTENT_TAG_BYTES).toString('hex');
  }

  /** What a client remembers of a repository, so that it is not fed another one's keys. 32 hexadecimal digits. */
  fingerprint(): string {
    return deriveKey(this.#seal, NO_SALT, 'snap 1 fingerprint').subarray(0, 16).toString('hex');
  }
}
