/** Reads a configuration file and judges all of it: this module is loaded only where there is a file. */

import { readFileSync, type Stats, statSync } from 'node:fs';
import * as v from 'valibot';
import { EngineError } from '../../engine/index.ts';
import { ConfigDocument, type ConfigPath, type Position } from './document.ts';
import { suggestProfile } from './profile-names.ts';
import { type Config, SCHEMA } from './schema.ts';
import { findUnknownKeys } from './unknown-keys.ts';

export interface ConfigFault extends Position {
  /** `commands[0].run`; empty for the file as a whole. */
  readonly path: string;
  readonly message: string;
  /** The key that was meant, or the profile. */
  readonly suggestion: string | undefined;
}

export interface LoadedConfig {
  readonly file: string;
  readonly config: Config;
  /** As it stands in the file. */
  readonly written: { readonly [key: string]: unknown };
  readonly positionOf: (key: string) => Position;
}

const FILE_BYTES_MAX = 1024 * 1024;

/** Faults, or the configuration where there is none. INVALID_ARGUMENT for a file that cannot be read at all. */
export function readConfig(file: string): { readonly loaded?: LoadedConfig; readonly faults: readonly ConfigFault[] } {
  const { text, stats } = readText(file);
  const document = new ConfigDocument(text);
  if (document.errors.length > 0) {
    const faults = document.errors.map(({ message, at }) => ({ ...at, path: '', message, suggestion: undefined }));
    return { faults };
  }
  const faults = judge(document);
  const given = document.value() ?? {};
  if (faults.length > 0) return { faults };
  const config = v.parse(SCHEMA, given);
  const danger = dangerOf(config, stats);
  if (danger !== undefined) {
    return { faults: [{ line: 1, column: 1, path: '', message: danger, suggestion: undefined }] };
  }
  const written = given as LoadedConfig['written'];
  return { loaded: { file, config, written, positionOf: (key) => document.positionOf([key], 'key') }, faults };
}

/** The configuration. INVALID_ARGUMENT that names the first fault by file, line and column. */
export function loadConfig(file: string): LoadedConfig {
  const { loaded, faults } = readConfig(file);
  if (loaded !== undefined) return loaded;
  const [first] = faults;
  const more = faults.length > 1 ? ` ("snap config validate" names ${faults.length - 1} more)` : '';
  throw new EngineError('INVALID_ARGUMENT', `${first === undefined ? file : faultText(file, first)}${more}`);
}

export function faultText(file: string, { line, column, message }: ConfigFault): string {
  return `${file}:${line}:${column}: ${message}`;
}

function readText(file: string): { readonly text: string; readonly stats: Stats } {
  try {
    const stats = statSync(file);
    if (stats.size > FILE_BYTES_MAX) {
      throw new EngineError('INVALID_ARGUMENT', `${file} is too large for a configuration file: ${stats.size} bytes`);
    }
    return { text: readFileSync(file, 'utf8'), stats };
  } catch (error) {
    if (error instanceof EngineError) throw error;
    const why = error instanceof Error ? error.message : String(error);
    throw new EngineError('INVALID_ARGUMENT', `The configuration file ${file} cannot be read: ${why}`, error);
  }
}

function judge(document: ConfigDocument): ConfigFault[] {
  const given = document.value() ?? {};
  const unknown = findUnknownKeys(SCHEMA, given).map(({ path, message, suggestion }) => ({
    ...document.positionOf(path, 'key'),
    path: pathText(path),
    message,
    suggestion,
  }));
  // A list counts as an object, but has no keys.
  const { issues = [] } = v.safeParse(SCHEMA, Array.isArray(given) ? 'a list' : given);
  // What is said of the whole around a misspelt key follows from the spelling.
  const spelt = new Set(unknown.map(({ path }) => path.slice(0, Math.max(0, path.lastIndexOf('.')))));
  const wrong = issues.flatMap((issue) => {
    const path = (issue.path ?? []).map(({ key }) => key as string | number);
    const name = pathText(path);
    if (path.length > 0 && spelt.has(name)) return [];
    const got = issue.received === 'undefined' ? 'nothing' : inWords(issue.input);
    const message = `${name === '' ? '' : `${name}: `}expected ${issue.message}${got === undefined ? '' : `, not ${got}`}`;
    const isProfile = path[0] === 'profiles' && path.length > 1;
    const suggestion = isProfile && typeof issue.input === 'string' ? suggestProfile(issue.input) : undefined;
    return [{ ...document.positionOf(path, 'value'), path: name, message, suggestion }];
  });
  return [...unknown, ...wrong].sort((a, b) => a.line - b.line || a.column - b.column);
}

function pathText(path: ConfigPath): string {
  return path.map((step, index) => (typeof step === 'number' ? `[${step}]` : index === 0 ? step : `.${step}`)).join('');
}

/** What stands there, unless it could be a secret or is long. */
function inWords(input: unknown): string | undefined {
  if (Array.isArray(input)) return 'a list';
  if (input === null) return 'nothing';
  if (typeof input === 'object') return undefined;
  const words = typeof input === 'string' ? JSON.stringify(input) : String(input);
  return words.length > WORDS_MAX || words.includes('@') ? undefined : words;
}

const WORDS_MAX = 60;

/** A file that names programs is a program: who may write it may run them. */
function dangerOf(config: Config, stats: Stats): string | undefined {
  const programs = [
    config.commands,
    config.password_command,
    ...(config.copies ?? []).map((copy) => copy.password_command),
  ];
  if (programs.every((one) => one === undefined)) return undefined;
  const isOpen = (stats.mode & 0o002) !== 0;
  return isOpen ? 'everybody may write this file, and it names programs to run: chmod o-w' : undefined;
}
