/** `snap key add | list | remove | passwd | export | recover` */

import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import {
  addKey,
  changePassword,
  EngineError,
  exportRecoverySheet,
  type KeyDescription,
  listKeys,
  type NewKeyOptions,
  recoverRepository,
  removeKey,
} from '../../engine/index.ts';
import { EXIT_OK } from '../exit-codes.ts';
import { findNewCredential } from '../password.ts';
import { formatTable, printable } from '../render.ts';
import {
  type GlobalOptions,
  type Interruption,
  locationOf,
  newVerb,
  outputOf,
  print,
  printJson,
  run,
  withRepository,
} from '../session.ts';
import { addPasswordCostOptions, type PasswordCostOptions, passwordCostOf } from './init.ts';

interface NewKeyFlags extends GlobalOptions, PasswordCostOptions {
  readonly newPasswordFile?: string;
  readonly newInsecureNoPassword?: boolean;
  readonly label?: string;
}

export function keyCommand(): Command {
  const key = newVerb('key', 'Passwords of the repository. Each opens all of it.', [
    'snap key add --label "second admin"',
    'snap key export > recovery-sheet.txt',
  ]);
  key.addCommand(new Command('list').description('list the keys').action(run<GlobalOptions>(list)));
  key.addCommand(withNewPassword(new Command('add').description('add a password')).action(run<NewKeyFlags>(add)));
  key.addCommand(
    new Command('remove')
      .description('remove a password by its id or the first digits of it')
      .argument('<id>', 'from "snap key list"')
      .action(run<GlobalOptions>(remove)),
  );
  key.addCommand(
    withNewPassword(new Command('passwd').description('replace the password in use')).action(run<NewKeyFlags>(passwd)),
  );
  key.addCommand(
    new Command('export')
      .description('print a recovery sheet: with it, "key recover" opens the repository without a password')
      .action(run<GlobalOptions>(exportSheet)),
  );
  key.addCommand(
    withNewPassword(new Command('recover').description('add a password with a recovery sheet, when all are lost'))
      .argument('<sheet>', 'file that holds the sheet, as it was printed or typed')
      .action(run<NewKeyFlags>(recover)),
  );
  return key;
}

function withNewPassword(command: Command): Command {
  return addPasswordCostOptions(
    command
      .option('--new-password-file <file>', 'file that holds the new password (default: a prompt)')
      .option('--new-insecure-no-password', 'no password at all')
      .option('--label <text>', 'what the key is for'),
  );
}

async function newKeyOf(options: NewKeyFlags): Promise<NewKeyOptions> {
  const credential = await findNewCredential({
    passwordFile: options.newPasswordFile,
    insecureNoPassword: options.newInsecureNoPassword,
  });
  return { credential, label: options.label, cost: passwordCostOf(options) };
}

async function list(options: GlobalOptions): Promise<number> {
  const { keys, current } = await withRepository(options, async (repository) => ({
    keys: await listKeys(repository),
    current: repository.keyId,
  }));
  if (outputOf(options).json) {
    printJson(keys.map((key) => ({ ...key, current: key.id === current })));
    return EXIT_OK;
  }
  const rows = keys.map((key) => [
    `${key.id === current ? '*' : ' '}${key.id.slice(0, 8)}`,
    key.created,
    printable(key.host),
    key.protection,
    printable(key.label),
  ]);
  print(formatTable([[' ID', 'Created', 'Host', 'Protection', 'Label'], ...rows]));
  return EXIT_OK;
}

function told(options: GlobalOptions, key: KeyDescription, sentence: string): number {
  if (outputOf(options).json) printJson(key);
  else if (options.quiet !== true) print(sentence);
  return EXIT_OK;
}

async function add(options: NewKeyFlags): Promise<number> {
  const key = await withRepository(options, async (repository) => addKey(repository, await newKeyOf(options)));
  return told(options, key, `Key ${key.id.slice(0, 8)} added.`);
}

async function remove(
  options: GlobalOptions,
  _interruption: Interruption,
  [id = '']: readonly string[],
): Promise<number> {
  const key = await withRepository(options, (repository) => removeKey(repository, id));
  return told(options, key, `Key ${key.id.slice(0, 8)} removed: its password no longer opens the repository.`);
}

async function passwd(options: NewKeyFlags): Promise<number> {
  const key = await withRepository(options, async (repository) => changePassword(repository, await newKeyOf(options)));
  return told(options, key, `The password was replaced: key ${key.id.slice(0, 8)}.`);
}

async function exportSheet(options: GlobalOptions): Promise<number> {
  if (outputOf(options).json) throw new EngineError('INVALID_ARGUMENT', 'A recovery sheet is text to print: no --json');
  print(await withRepository(options, async (repository) => exportRecoverySheet(repository, new Date())));
  return EXIT_OK;
}

async function recover(
  options: NewKeyFlags,
  _interruption: Interruption,
  [file = '']: readonly string[],
): Promise<number> {
  const sheet = readSheet(file);
  const { location } = locationOf(options);
  const key = await recoverRepository({ location, sheet, ...(await newKeyOf(options)) });
  return told(options, key, `Key ${key.id.slice(0, 8)} added: its password opens the repository.`);
}

function readSheet(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new EngineError('INVALID_ARGUMENT', `The recovery sheet cannot be read: ${why}`, error);
  }
}
