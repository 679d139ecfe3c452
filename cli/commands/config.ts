/** `snap config validate|show|generate` */

import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { Command } from 'commander';
import { EngineError } from '../../engine/index.ts';
import { absolutePath } from '../bytes.ts';
import { defaultConfigPlaces, findConfigFile } from '../config/find.ts';
import { detectFindings } from '../config/findings.ts';
import { generateConfig } from '../config/generate.ts';
import { faultText, loadConfig, readConfig } from '../config/read.ts';
import { settingsInForce } from '../config/settings.ts';
import { environment } from '../environment.ts';
import { EXIT_OK, EXIT_USAGE } from '../exit-codes.ts';
import { formatTable, printable } from '../render.ts';
import {
  cacheDirectoryOf,
  type GlobalOptions,
  type Interruption,
  newVerb,
  outputOf,
  print,
  printJson,
  run,
} from '../session.ts';

interface GenerateOptions extends GlobalOptions {
  readonly output?: string;
}

export function configCommand(): Command {
  const command = newVerb('config', 'The configuration file: check it, see what is in force, write a first one.', [
    'snap config generate /srv/audiobooks /srv/config --output ~/.config/snap/config.yaml',
    'snap config validate && snap config show',
  ]);
  // What a file says is judged by these, so none of them may fail at it before.
  const ownReading = { readsConfig: false };
  command
    .command('validate')
    .description('check the file: every fault with its line and column (exit code 2)')
    .argument('[file]', 'the file (default: --config, SNAP_CONFIG, or a default place)')
    .action(run<GlobalOptions>(validate, ownReading));
  command
    .command('show')
    .description('what is in force, and whether a flag, the environment or the file says so')
    .action(run<GlobalOptions>(show, ownReading));
  command
    .command('generate')
    .description('write a commented file for folders that are to be backed up')
    .argument('[directories...]', 'folders; without any, an example is written')
    .option('-o, --output <file>', 'write it there, where nothing is yet (default: standard output)')
    .action(run<GenerateOptions>(generate, ownReading));
  return command;
}

function fileOf(options: GlobalOptions, named?: string): string {
  const file = named === undefined ? findConfigFile(options.config) : absolutePath(named).toString('utf8');
  if (file !== undefined) return file;
  throw new EngineError(
    'INVALID_ARGUMENT',
    `There is no configuration file: give --config or SNAP_CONFIG, or make ${defaultConfigPlaces().join(' or ')} ("snap config generate")`,
  );
}

async function validate(options: GlobalOptions, _: Interruption, [named]: readonly string[]): Promise<number> {
  const file = fileOf(options, named);
  const { loaded, faults } = readConfig(file);
  const { json, quiet } = outputOf(options);
  if (json) printJson({ file, valid: loaded !== undefined, errors: faults });
  else {
    for (const fault of faults) process.stderr.write(`${printable(faultText(file, fault))}\n`);
    if (loaded !== undefined && !quiet) print(`${printable(file)} is valid.`);
  }
  return loaded === undefined ? EXIT_USAGE : EXIT_OK;
}

async function show(options: GlobalOptions): Promise<number> {
  const file = findConfigFile(options.config);
  const settings = settingsInForce({ ...options }, file === undefined ? undefined : loadConfig(file));
  if (outputOf(options).json) {
    const values = settings.map(({ key, value, source }) => [key, { value, source }] as const);
    printJson({ file: file ?? null, settings: Object.fromEntries(values) });
    return EXIT_OK;
  }
  print(file === undefined ? 'No configuration file.' : `Configuration file: ${printable(file)}`);
  if (settings.length === 0) return EXIT_OK;
  const rows = settings.map(({ key, value, source }) => [key, printable(inWords(value)), printable(source)]);
  print(formatTable([['Key', 'Value', 'From'], ...rows]));
  return EXIT_OK;
}

function inWords(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

async function generate(
  options: GenerateOptions,
  interruption: Interruption,
  folders: readonly string[],
): Promise<number> {
  const findings = await detectFindings(
    folders.map((folder) => absolutePath(folder).toString('utf8')),
    { cacheDirectory: cacheDirectoryOf(options), signal: interruption.signal },
  );
  const text = generateConfig(findings, {
    repository: absoluteLocation(options.repo ?? environment('SNAP_REPOSITORY')),
    passwordFile: absoluteLocation(options.passwordFile ?? process.env['SNAP_PASSWORD_FILE']),
  });
  const { json, quiet } = outputOf(options);
  const { output } = options;
  if (output !== undefined) writeNew(output, text);
  if (json) printJson({ file: output ?? null, ...findings, ...(output === undefined ? { text } : {}) });
  else if (output === undefined) process.stdout.write(text);
  else if (!quiet) print(`${printable(output)} written. Read it, then: snap config validate ${printable(output)}`);
  if (!json) for (const warning of findings.warnings) process.stderr.write(`snap: ${printable(warning)}\n`);
  return EXIT_OK;
}

/** As the file wants it: a night begins in any folder. */
function absoluteLocation(place: string | undefined): string | undefined {
  if (place === undefined || place === '') return undefined;
  return /^[a-z][a-z0-9+.-]+:/.test(place) ? place : resolve(place);
}

/** A configuration that somebody wrote is never written over. */
function writeNew(file: string, text: string): void {
  try {
    mkdirSync(dirname(resolve(file)), { recursive: true, mode: 0o700 });
    writeFileSync(file, text, { flag: 'wx', mode: 0o600 });
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new EngineError('INVALID_ARGUMENT', `${file} was not written: ${why}`, error);
  }
}
