/** `snap init` */

import type { Command } from 'commander';
import {
  type Credential,
  initRepository,
  openRepository,
  PASSWORD_COST_DEFAULT,
  type PasswordCost,
  type Repository,
} from '../../engine/index.ts';
import { EXIT_OK } from '../exit-codes.ts';
import { findCredential } from '../password.ts';
import { type GlobalOptions, locationOf, newVerb, outputOf, print, printJson, run } from '../session.ts';
import { parsePositive, parseSize } from '../values.ts';

export interface PasswordCostOptions {
  readonly passwordMemory?: number;
  readonly passwordIterations?: number;
}

interface InitOptions extends GlobalOptions, PasswordCostOptions {
  readonly label?: string;
  readonly copyChunkerParams?: string;
  readonly fromPasswordFile?: string;
  readonly fromPasswordCommand?: string;
  readonly fromInsecureNoPassword?: boolean;
}

export function addPasswordCostOptions(command: Command): Command {
  return command
    .option('--password-memory <size>', 'memory that trying a password takes (default 64M)', parseSize)
    .option('--password-iterations <n>', 'passes over it (default 3)', parsePositive);
}

/** Argon2id's parameters; undefined for the engine's own. */
export function passwordCostOf(options: PasswordCostOptions): PasswordCost | undefined {
  if (options.passwordMemory === undefined && options.passwordIterations === undefined) return undefined;
  const memoryKiB =
    options.passwordMemory === undefined ? PASSWORD_COST_DEFAULT.memoryKiB : Math.ceil(options.passwordMemory / 1024);
  const iterations = options.passwordIterations ?? PASSWORD_COST_DEFAULT.iterations;
  // Argon2 wants 8 KiB for each lane.
  const parallelism = Math.max(1, Math.min(PASSWORD_COST_DEFAULT.parallelism, Math.floor(memoryKiB / 8)));
  return { memoryKiB: Math.max(8, memoryKiB), iterations, parallelism };
}

export function initCommand(): Command {
  const command = newVerb('init', 'Make a repository in a folder, which is made where it does not exist.', [
    'snap init -r /mnt/backup/snap --password-file /etc/snap.password',
    'SNAP_REPOSITORY=/mnt/backup/snap snap init',
  ])
    .option('--label <text>', "label of the first password's key")
    .option('--copy-chunker-params <repo>', 'cut and name content as that repository does, so that copies share it')
    .option('--from-password-file <file>', "file that holds that repository's password (default: the same password)")
    .option('--from-password-command <command>', "program that prints that repository's password")
    .option('--from-insecure-no-password', 'that repository has no password');
  return addPasswordCostOptions(command).action(run<InitOptions>(init));
}

async function init(options: InitOptions): Promise<number> {
  const place = locationOf(options);
  const credential = await findCredential(options, true);
  const model = await openModel(options, credential);
  const { label } = options;
  const passwordCost = passwordCostOf(options);
  const repository = await initRepository({ ...place, credential, passwordCost, label, contentOf: model });
  await model?.close();
  const id = repository.config.id;
  const { location } = repository.backend;
  await repository.close();
  if (outputOf(options).json) {
    printJson({ message_type: 'initialized', id, repository: location });
    return EXIT_OK;
  }
  print(`Repository ${id.slice(0, 8)} made in ${location}`);
  if (credential.type === 'password' && options.quiet !== true) {
    print('Without the password nothing in it can be read. "snap key export" prints a recovery sheet to lock away.');
  }
  return EXIT_OK;
}

/** The repository whose way of cutting and naming is taken over. */
async function openModel(options: InitOptions, own: Credential): Promise<Repository | undefined> {
  const { copyChunkerParams, fromPasswordFile, fromPasswordCommand, fromInsecureNoPassword } = options;
  if (copyChunkerParams === undefined) return undefined;
  const { cacheDirectory } = locationOf(options);
  const isNamed = [fromPasswordFile, fromPasswordCommand, fromInsecureNoPassword].some((flag) => flag !== undefined);
  const credential = isNamed
    ? await findCredential({
        passwordFile: fromPasswordFile,
        passwordCommand: fromPasswordCommand,
        insecureNoPassword: fromInsecureNoPassword,
      })
    : own;
  return openRepository({ location: copyChunkerParams, credential, cacheDirectory });
}
