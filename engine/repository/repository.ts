/** A repository that is open: where its parts come together. Everything else in this folder is one of them. */

import { randomBytes } from 'node:crypto';
import { EngineError, isEngineError } from '../base/errors.ts';
import type { KeyId, RepositoryId } from '../base/ids.ts';
import { RESERVE_BYTES } from '../base/limits.ts';
import {
  configAuthenticated,
  decodeConfig,
  encodeConfig,
  type KeyFile,
  type RepositoryConfig,
} from '../format/config.ts';
import { FORMAT_VERSION } from '../format/envelope.ts';
import type { Backend } from '../storage/backend.ts';
import { probeBackend } from '../storage/probe.ts';
import { BlobReader } from './blob-reader.ts';
import { ChunkIndex, type IndexLimits, type RefreshOptions } from './chunk-index.ts';
import { CrcFile, type CrcStore } from './crc-store.ts';
import { KeyMaterial, SECRET_BYTES, type Secrets } from './key-material.ts';
import {
  type Credential,
  createKeyFile,
  describeKey,
  type KeyDescription,
  loadKeyFiles,
  openKeyFile,
  type PasswordCost,
  removeKeyFile,
  writeKeyFile,
} from './keys.ts';
import { recogniseRepository, rememberRepository } from './known-repositories.ts';
import type { RepositoryAddress } from './open-store.ts';
import { SnapshotStore } from './snapshots.ts';

const CONFIG_NAMES = ['config', 'config.copy'] as const;

export interface RepositoryOptions {
  readonly backend: Backend;
  readonly credential: Credential;
  /** Derived data and memory of this client. Created when it is needed. */
  readonly cacheDirectory: string;
  /** When the chunk index moves to LevelDB; tests set small ones. */
  readonly indexLimits?: Partial<IndexLimits> | undefined;
  /** Called while a password's key is being derived, which another thread does: time to load what comes next. */
  readonly meanwhile?: (() => Promise<unknown>) | undefined;
  /**
   * Snapshots stay in memory once they were read (some 5 KB each, bounded), and the store is asked for their names alone: for
   * a process that lives long and asks often. What other processes change shows all the same.
   */
  readonly keepsSnapshots?: boolean | undefined;
}

export interface NewRepositoryOptions extends RepositoryOptions {
  /** The engine's own where it is left out. */
  readonly passwordCost?: PasswordCost | undefined;
  /** Of the first key. */
  readonly label?: string | undefined;
  /** Ids, cut points and tree splits are to be those of this repository, so that both know each other's blobs by id. */
  readonly contentOf?: Repository | undefined;
}

export interface NewKeyOptions {
  readonly credential: Credential;
  readonly label?: string | undefined;
  readonly cost?: PasswordCost | undefined;
}

/** The config from whichever copy is whole; what is wrong with the other is returned beside it. */
export async function loadConfig(
  backend: Backend,
): Promise<{ config: RepositoryConfig; damage: { name: string; error: EngineError }[] }> {
  const damage: { name: string; error: EngineError }[] = [];
  let config: RepositoryConfig | undefined;
  for (const name of CONFIG_NAMES) {
    try {
      const decoded = decodeConfig(await backend.read('config', name), name);
      config ??= decoded;
    } catch (error) {
      if (!isEngineError(error) || error.code === 'STORAGE_FAILED' || error.code === 'REPOSITORY_UNSUPPORTED')
        throw error;
      damage.push({ name, error });
    }
  }
  if (config !== undefined) return { config, damage };
  if (damage.every((item) => item.error.code === 'OBJECT_MISSING')) {
    throw new EngineError(
      'REPOSITORY_NOT_FOUND',
      `There is no repository at ${backend.location}. "snap init" makes one`,
    );
  }
  const [first] = damage;
  throw new EngineError(
    'OBJECT_CORRUPT',
    `Both copies of the repository's config are damaged: ${first?.error.message ?? ''}`,
  );
}

export class Repository {
  readonly backend: Backend;
  readonly config: RepositoryConfig;
  readonly keys: KeyMaterial;
  readonly snapshots: SnapshotStore;
  readonly index: ChunkIndex;
  readonly blobs: BlobReader;
  readonly cacheDirectory: string;
  /** The key file that opened it. */
  readonly keyId: KeyId;
  #probed: boolean;
  #checksums: Promise<CrcFile> | undefined;

  private constructor(parts: {
    readonly backend: Backend;
    readonly config: RepositoryConfig;
    readonly keys: KeyMaterial;
    readonly cacheDirectory: string;
    readonly keyId: KeyId;
    readonly indexLimits: Partial<IndexLimits> | undefined;
    readonly keepsSnapshots: boolean | undefined;
    readonly probed: boolean;
  }) {
    this.#probed = parts.probed;
    this.backend = parts.backend;
    this.config = parts.config;
    this.keys = parts.keys;
    this.cacheDirectory = parts.cacheDirectory;
    this.keyId = parts.keyId;
    this.snapshots = new SnapshotStore(this, parts.keepsSnapshots === true);
    this.index = new ChunkIndex(this, { cacheDirectory: parts.cacheDirectory, limits: parts.indexLimits });
    this.blobs = new BlobReader(this, this.index);
  }

  /** Makes a repository in an empty store and opens it. REPOSITORY_EXISTS where one lies there. */
  static async init(options: NewRepositoryOptions): Promise<Repository> {
    const { backend } = options;
    for (const name of CONFIG_NAMES) {
      if ((await backend.size('config', name)) === undefined) continue;
      throw new EngineError(
        'REPOSITORY_EXISTS',
        `There is a repository at ${backend.location} already; it was left as it is`,
      );
    }
    for await (const file of backend.list('key')) {
      throw new EngineError(
        'REPOSITORY_EXISTS',
        `A key (${file.name}) lies at ${backend.location}, but no config: this is a damaged repository, and it was left as it is`,
      );
    }
    await probeBackend(backend);
    const id = randomBytes(16).toString('hex') as RepositoryId;
    const content = options.contentOf?.keys.secrets.content ?? randomBytes(SECRET_BYTES);
    const secrets: Secrets = { content, seal: randomBytes(SECRET_BYTES) };
    const keys = await KeyMaterial.create(id, secrets);
    const now = new Date();
    const key = await createKeyFile({
      repository: id,
      secrets,
      credential: options.credential,
      label: options.label ?? '',
      cost: options.passwordCost,
      now,
    });
    const bare = { id, version: FORMAT_VERSION, created: now.toISOString(), compatible: [], incompatible: [] };
    const config: RepositoryConfig = { ...bare, mac: keys.configMac(configAuthenticated(bare)) };
    // The key first: a config without a key would be a repository that nobody can open.
    await writeKeyFile(backend, key);
    for (const name of CONFIG_NAMES) await backend.write('config', name, [encodeConfig(config)]);
    await backend.reserve(RESERVE_BYTES);
    const { cacheDirectory, indexLimits, keepsSnapshots } = options;
    const seen = { id, fingerprint: keys.fingerprint(), location: backend.location };
    await rememberRepository(cacheDirectory, { ...seen, probed: true });
    const parts = { backend, config, keys, cacheDirectory, keyId: key.id, indexLimits, keepsSnapshots };
    return new Repository({ ...parts, probed: true });
  }

  /** REPOSITORY_NOT_FOUND, REPOSITORY_UNSUPPORTED, REPOSITORY_CHANGED, PASSWORD_WRONG, OBJECT_CORRUPT. */
  static async open(options: RepositoryOptions): Promise<Repository> {
    const { backend, cacheDirectory, credential, indexLimits, keepsSnapshots, meanwhile } = options;
    const { config } = await loadConfig(backend);
    const { keys: files, damage } = await loadKeyFiles(backend);
    const opened = await openAnyKey(files, { config, credential, meanwhile });
    if (opened === undefined) throw keyError(files, { damaged: damage.length, credential });
    const keys = await KeyMaterial.create(config.id, opened.secrets);
    if (!opensConfig(keys, config)) {
      throw new EngineError(
        'OBJECT_CORRUPT',
        'The config is not the one that this repository was made with: somebody changed it',
      );
    }
    const seen = { id: config.id, fingerprint: keys.fingerprint(), location: backend.location };
    const known = await recogniseRepository(cacheDirectory, seen);
    if (known === undefined) await rememberRepository(cacheDirectory, { ...seen, probed: false });
    const probed = known?.probed === true;
    const parts = { backend, config, keys, cacheDirectory, keyId: opened.key.id, indexLimits, keepsSnapshots };
    return new Repository({ ...parts, probed });
  }

  /**
   * Finds out once whether the store, reached from this client, keeps the backend's contract (trap 31): a share that
   * was sound where the repository was made need not be so here. STORAGE_FAILED, before anything is written.
   */
  async probe(): Promise<void> {
    if (this.#probed) return;
    await probeBackend(this.backend);
    this.#probed = true;
    const { id } = this.config;
    const seen = { id, fingerprint: this.keys.fingerprint(), location: this.backend.location };
    await rememberRepository(this.cacheDirectory, { ...seen, probed: true });
  }

  /**
   * Adds a password with the secrets of a recovery sheet: no other password and no whole key file is needed.
   * REPOSITORY_NOT_FOUND, OBJECT_CORRUPT (the config), PASSWORD_WRONG where the secrets are another repository's.
   */
  static async recover(backend: Backend, secrets: Secrets, options: NewKeyOptions): Promise<KeyDescription> {
    const { config } = await loadConfig(backend);
    const keys = await KeyMaterial.create(config.id, secrets);
    if (!opensConfig(keys, config)) {
      throw new EngineError('PASSWORD_WRONG', `The recovery sheet does not belong to the repository ${config.id}`);
    }
    const { id: repository } = config;
    const { credential, label = '', cost } = options;
    const key = await createKeyFile({ repository, secrets, credential, label, cost, now: new Date() });
    await writeKeyFile(backend, key);
    return describeKey(key);
  }

  /** What a worker thread opens; undefined for a store that other threads cannot reach. */
  get address(): RepositoryAddress | undefined {
    const backend = this.backend.address;
    if (backend === undefined) return undefined;
    return { backend, repositoryId: this.config.id, secrets: this.keys.secrets };
  }

  /** Brings the chunk index up to date with the store. */
  loadIndex(options: RefreshOptions = {}): Promise<void> {
    return this.index.refresh(options);
  }

  /**
   * Takes in what other processes wrote and pruned since; for one that reads for a long time. Calls that read do so by
   * themselves before they begin, and again where a blob is not in its place any more, so this is for doing it ahead: when a
   * backup or a prune is known to have ended, say. STORAGE_FAILED.
   */
  refresh(): Promise<void> {
    return this.index.refresh();
  }

  async listKeys(): Promise<KeyDescription[]> {
    const { keys } = await loadKeyFiles(this.backend);
    return keys.map(describeKey).sort((a, b) => (a.created < b.created ? -1 : 1));
  }

  async addKey(options: NewKeyOptions): Promise<KeyDescription> {
    await this.probe();
    return Repository.recover(this.backend, this.keys.secrets, options);
  }

  /** By id or unique prefix. KEY_LAST for the only one. */
  async removeKey(prefix: string): Promise<KeyDescription> {
    const { keys } = await loadKeyFiles(this.backend);
    const fitting = keys.filter((key) => key.id.startsWith(prefix));
    const [key] = fitting;
    // Copies of one key may differ, and are listed both.
    const isOne = (list: readonly KeyFile[]): boolean => new Set(list.map(({ id }) => id)).size === 1;
    if (key === undefined || !isOne(fitting)) {
      throw new EngineError(
        'KEY_NOT_FOUND',
        `${fitting.length === 0 ? 'No key has' : 'More than one key has'} an id that begins with "${prefix}"`,
      );
    }
    if (isOne(keys)) {
      throw new EngineError(
        'KEY_LAST',
        `Key ${key.id} is the only one: without it nobody could open the repository. Add another one first`,
      );
    }
    await removeKeyFile(this.backend, key.id);
    return describeKey(key);
  }

  /** CRC-32 sums of files that were made before, by this process or another one of this machine. */
  checksums(): Promise<CrcStore> {
    this.#checksums ??= CrcFile.open(this.cacheDirectory, this.config.id);
    return this.#checksums;
  }

  async close(): Promise<void> {
    (await this.#checksums)?.close();
    await this.index.close();
    await this.backend.close();
  }
}

function opensConfig(keys: KeyMaterial, config: RepositoryConfig): boolean {
  return keys.configMac(configAuthenticated(config)) === config.mac;
}

async function openAnyKey(
  files: readonly KeyFile[],
  options: { readonly config: RepositoryConfig; readonly credential: Credential } & Pick<
    RepositoryOptions,
    'meanwhile'
  >,
): Promise<{ secrets: Secrets; key: KeyFile } | undefined> {
  let { meanwhile } = options;
  for (const key of files) {
    if (key.repository !== options.config.id) continue;
    const opening = openKeyFile(key, options.credential);
    // What fails here fails again where it is needed.
    meanwhile?.().catch(() => undefined);
    meanwhile = undefined;
    const secrets = await opening;
    if (secrets !== undefined) return { secrets, key };
  }
  return undefined;
}

function keyError(
  files: readonly KeyFile[],
  facts: { readonly damaged: number; readonly credential: Credential },
): EngineError {
  if (files.length === 0) {
    const why = facts.damaged > 0 ? 'all its key files are damaged' : 'it has no key file';
    return new EngineError('OBJECT_CORRUPT', `The repository cannot be opened: ${why}`);
  }
  if (facts.credential.type === 'none') {
    return new EngineError('PASSWORD_WRONG', 'This repository has a password: --insecure-no-password does not open it');
  }
  if (files.every((file) => file.kdf.type === 'none')) {
    return new EngineError(
      'PASSWORD_WRONG',
      'This repository was made with --insecure-no-password: open it with that flag too',
    );
  }
  const more = facts.damaged > 0 ? ` (${facts.damaged} key files are damaged)` : '';
  const keys = files.length === 1 ? 'does not open the only key' : `opens none of the ${files.length} keys`;
  return new EngineError('PASSWORD_WRONG', `The password is wrong: it ${keys} of this repository${more}`);
}
