/** `snap profiles detect DIR... | list` */

import { Command } from 'commander';
import { type DetectedServer, detectServers, type PathRole, PROFILES, type Profile } from '../../engine/index.ts';
import { absolutePath } from '../bytes.ts';
import { dumpFlag } from '../database-servers.ts';
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
    printJson(
      PROFILES.map((profile) => ({ name: profile.name, title: profile.title, databases: databasesOf(profile) })),
    );
  } else {
    print(
      formatTable(
        PROFILES.map((profile) => [
          profile.name,
          profile.title,
          databasesOf(profile)
            .map(({ path, kind }) => path ?? kind)
            .join(', '),
        ]),
      ),
    );
  }
  return EXIT_OK;
}

/** Each once: parts that are found by themselves may name the same one. */
function databasesOf({ parts }: Profile): { kind: string; path?: string }[] {
  const all = parts.flatMap(({ databases }) => databases);
  return all
    .filter(({ path, kind }, index) => all.findIndex((one) => one.path === path && one.kind === kind) === index)
    .map(({ kind, path }) => ({ kind, ...(path === undefined ? {} : { path }) }));
}

/** What a path is worth, where it stays in. */
const ROLES: { readonly [role in PathRole]: string } = {
  precious: 'precious',
  secret: 'secret',
  optional: 'optional',
  rebuildable: 'kept',
  backups: 'kept',
  'server-files': 'kept',
};

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
    server_databases: server.serverDatabases.map((rule) => ({
      kind: rule.kind,
      name: rule.name ?? null,
      what: rule.what,
      flag: dumpFlag(rule),
    })),
    paths: paths.map(({ path, rule, isLeftOut }) => ({
      ...jsonPath(path),
      role: rule.role,
      what: rule.what,
      left_out: isLeftOut,
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
  const flags = [`--profile ${profile}`, ...server.serverDatabases.map(dumpFlag)];
  print(`${title} in ${show(folder)}: ${flags.join(' ')}`);
  for (const reason of reasons) print(`  since      ${printable(reason)}`);
  for (const { path, rule } of databases) print(`  database   ${show(path)} (${rule.what})`);
  for (const { kind, name, what } of server.serverDatabases) {
    print(`  dump       ${kind}${name === undefined ? '' : ` database ${name}`} (${what})`);
  }
  for (const { path, rule, isLeftOut } of paths) {
    print(`  ${(isLeftOut ? 'left out' : ROLES[rule.role]).padEnd(9)}  ${show(path)} (${rule.what})`);
  }
  for (const { rule, said, path } of folders) {
    const where = path === undefined ? ', not found here' : show(path) === said ? '' : ` = ${show(path)}`;
    print(`  named      ${printable(said)}${where} (${rule.what})`);
  }
  for (const warning of warnings) print(`  warning    ${printable(warning)}`);
  for (const one of advice) print(`  note       ${printable(one)}`);
}
