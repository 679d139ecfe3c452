/** `snap profiles detect DIR... | list` */

import { Command } from 'commander';
import { type DetectedServer, detectServers, type PathRole, PROFILES } from '../../engine/index.ts';
import { absolutePath } from '../bytes.ts';
import { EXIT_OK } from '../exit-codes.ts';
import { formatTable, jsonPath, printable } from '../render.ts';
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

export function profilesCommand(): Command {
  const profiles = newVerb('profiles', 'What snap knows of the folders and databases of servers.', [
    'snap profiles detect /srv/audiobookshelf',
    'snap backup /srv/audiobookshelf /srv/audiobooks --profile audiobookshelf',
  ]);
  profiles.addCommand(
    new Command('detect')
      .description('which server these folders are of, why, and what its profile would do')
      .argument('<folders...>', 'folders, as they would be the sources of a backup')
      .action(run<GlobalOptions>(detect)),
  );
  profiles.addCommand(new Command('list').description('the profiles there are').action(run<GlobalOptions>(list)));
  return profiles;
}

async function detect(
  options: GlobalOptions,
  interruption: Interruption,
  parameters: readonly string[],
): Promise<number> {
  const found = await detectServers({
    paths: parameters.map(absolutePath),
    cacheDirectory: cacheDirectoryOf(options),
    signal: interruption.signal,
  });
  if (outputOf(options).json) printJson(found.map(jsonServer));
  else if (found.length === 0) {
    print('No server was recognised. Databases are found all the same; --profile generic leaves out marked caches.');
  } else found.forEach(printServer);
  return EXIT_OK;
}

async function list(options: GlobalOptions): Promise<number> {
  if (outputOf(options).json) {
    printJson(PROFILES.map(({ name, title, parts }) => ({ name, title, databases: parts.flatMap(databasesOf) })));
  } else {
    print(
      formatTable(
        PROFILES.map(({ name, title, parts }) => [
          name,
          title,
          parts
            .flatMap(databasesOf)
            .map(({ path, kind }) => path ?? kind)
            .join(', '),
        ]),
      ),
    );
  }
  return EXIT_OK;
}

function databasesOf({ databases }: (typeof PROFILES)[number]['parts'][number]): { kind: string; path?: string }[] {
  return databases.map(({ kind, path }) => ({ kind, ...(path === undefined ? {} : { path }) }));
}

const LEFT_OUT: ReadonlySet<PathRole> = new Set<PathRole>(['rebuildable', 'backups']);

function jsonServer(server: DetectedServer): object {
  const { profile, title, folder, parts, reasons, databases, paths, folders, warnings, advice } = server;
  return {
    profile,
    title,
    ...jsonPath(folder, 'folder'),
    parts: parts.map((part) => ({ name: part.name, what: part.what, ...jsonPath(part.folder, 'folder') })),
    reasons,
    databases: databases.map(({ path, rule }) => ({
      ...jsonPath(path),
      kind: rule.kind,
      what: rule.what,
      rebuildable: rule.rebuildable === true,
    })),
    paths: paths.map(({ path, rule }) => ({
      ...jsonPath(path),
      role: rule.role,
      what: rule.what,
      left_out: LEFT_OUT.has(rule.role),
    })),
    folders: folders.map(({ rule, said, path }) => ({
      what: rule.what,
      said,
      ...(path === undefined ? { path: null } : jsonPath(path)),
    })),
    warnings,
    advice,
  };
}

function printServer(server: DetectedServer): void {
  const { profile, title, folder, reasons, databases, paths, folders, warnings, advice } = server;
  const show = (path: Buffer): string => printable(path.toString('utf8'));
  print(`${title} in ${show(folder)}: --profile ${profile}`);
  for (const reason of reasons) print(`  since      ${printable(reason)}`);
  for (const { path, rule } of databases) print(`  database   ${show(path)} (${rule.what})`);
  for (const { path, rule } of paths) {
    const role = LEFT_OUT.has(rule.role) ? 'left out' : rule.role;
    print(`  ${role.padEnd(9)}  ${show(path)} (${rule.what})`);
  }
  for (const { rule, said, path } of folders) {
    const where = path === undefined ? ', not found here' : show(path) === said ? '' : ` = ${show(path)}`;
    print(`  named      ${printable(said)}${where} (${rule.what})`);
  }
  for (const warning of warnings) print(`  warning    ${printable(warning)}`);
  for (const one of advice) print(`  note       ${printable(one)}`);
}
