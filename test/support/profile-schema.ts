/** What a profile has to be. Types say what a compiler can know; this says the rest, for every profile there is. */

import * as v from 'valibot';
import { PatternSet } from '../../engine/filesystem/patterns.ts';
import type { PathRule, Profile } from '../../engine/profiles/types.ts';

const word = v.pipe(v.string(), v.regex(/^[a-z][a-z0-9-]*$/, 'a word in small letters'));
const sentence = v.pipe(
  v.string(),
  v.nonEmpty(),
  v.check((text) => text === text.trim() && !/[\n.]$/.test(text), 'a text without a full stop'),
);
const name = v.pipe(v.string(), v.regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'a plain name of SQL'));

/** Below a part's folder, as it is written there. */
const path = v.pipe(
  v.string(),
  v.nonEmpty(),
  v.check(
    (text) => text.split('/').every((step) => !['', '.', '..'].includes(step)),
    'a relative path without "." or ".."',
  ),
);
const plainPath = v.pipe(path, v.regex(/^[^*?[\]\\!]+$/, 'no pattern'));
const place = v.union([v.literal(''), plainPath]);
const absolute = v.pipe(v.string(), v.regex(/^(?:\/[^/]+)+$/, 'an absolute path'));

const kind = v.picklist(['sqlite', 'postgresql', 'mariadb']);

const database = v.pipe(
  v.strictObject({
    path: v.union([plainPath, v.undefined()]),
    kind,
    name: v.optional(name),
    what: sentence,
    rebuildable: v.optional(v.boolean()),
    moment: v.optional(word),
  }),
  v.check((rule) => (rule.kind === 'sqlite') === (rule.path !== undefined), 'a path for SQLite, and none for servers'),
  v.check((rule) => rule.name === undefined || rule.path === undefined, 'a name only in a server'),
);

const sign = v.strictObject({
  path: plainPath,
  kind: v.picklist(['file', 'folder', 'sqlite']),
  setting: v.optional(name),
});

const pathRule = v.pipe(
  v.strictObject({
    path: v.pipe(path, v.regex(/^[^?[\]\\!]+$/, 'no pattern but *')),
    role: v.picklist(['precious', 'secret', 'optional', 'rebuildable', 'backups', 'server-files']),
    what: sentence,
    keeps: v.optional(v.array(plainPath)),
  }),
  v.check((rule) => rule.keeps === undefined || isLeftOut(rule), 'something is kept only of what is left out'),
);

const warning = v.strictObject({
  unlessPresent: v.optional(plainPath),
  ifPresent: v.optional(plainPath),
  unlessDumped: v.optional(v.array(kind)),
  text: sentence,
});

const part = v.pipe(
  v.strictObject({
    name: word,
    what: sentence,
    places: v.pipe(v.array(place), v.minLength(1)),
    signs: v.array(sign),
    anyOf: v.optional(v.array(sign)),
    anyOfMin: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1))),
    apart: v.optional(v.pipe(v.array(sign), v.minLength(2))),
    container: v.optional(absolute),
    isLibrary: v.optional(v.boolean()),
    isOptional: v.optional(v.boolean()),
    databases: v.array(database),
    paths: v.array(pathRule),
    warnings: v.optional(v.array(warning)),
  }),
  v.check(
    ({ signs, anyOf = [], anyOfMin = 1 }) => signs.length > 0 || anyOf.length >= anyOfMin,
    'it can be recognised',
  ),
  v.check(
    ({ anyOf = [], anyOfMin = 1 }) => anyOf.length === 0 || anyOf.length >= anyOfMin,
    'enough signs to choose from',
  ),
  v.check(({ paths }) => isUnique(paths.map((rule) => rule.path)), 'each path once'),
  v.check(({ databases }) => isUnique(databases.map((rule) => rule.path ?? rule.kind)), 'each database once'),
  v.rawCheck(({ dataset, addIssue }) => {
    if (!dataset.typed) return;
    for (const taken of takenWith(dataset.value)) addIssue({ message: `what is left out takes ${taken} with it` });
  }),
);

const column = { part: word, database: plainPath, table: name, column: name };

const folderUse = {
  what: sentence,
  use: v.picklist(['library', 'backups', 'server-files']),
  leftOut: v.optional(v.pipe(v.string(), v.regex(/^[^/!]*\.[^/!]*$/, 'names in one folder, with an ending'))),
  signs: v.optional(v.pipe(v.array(sign), v.minLength(1))),
  form: v.optional(v.literal('url')),
  isPart: v.optional(word),
};

const namedFolder = v.pipe(
  v.union([
    v.strictObject({
      ...folderUse,
      ...column,
      member: v.optional(name),
      where: v.optional(v.strictObject({ column: name, equals: v.union([v.string(), v.number()]) })),
    }),
    v.strictObject({ ...folderUse, part: word, file: plainPath, setting: name }),
  ]),
  v.check((folder) => (folder.use === 'backups') === (folder.leftOut !== undefined), 'backups are left out by name'),
  v.check((folder) => (folder.use === 'server-files') === (folder.signs !== undefined), 'files of servers have signs'),
  v.check((folder) => folder.isPart === undefined || folder.use === 'library', 'a part belongs into the sources'),
);

export const PROFILE_SCHEMA = v.pipe(
  v.strictObject({
    name: word,
    title: v.pipe(v.string(), v.nonEmpty()),
    parts: v.array(part),
    leads: v.optional(v.pipe(v.array(word), v.minLength(1))),
    supersedes: v.optional(v.array(word)),
    folders: v.array(namedFolder),
    pathColumns: v.array(
      v.strictObject({ ...column, form: v.picklist(['text', 'json', 'url']), someVersions: v.optional(v.boolean()) }),
    ),
    restoreOrder: v.picklist(['files first', 'databases first']),
    handling: v.strictObject({
      stop: sentence,
      start: sentence,
      afterwards: v.optional(sentence),
      moved: v.optional(sentence),
    }),
    // Their type is closed, and whoever makes a comparison has one for each.
    checks: v.array(word),
    leavesOutCaches: v.optional(v.boolean()),
    advice: v.array(sentence),
  }),
  v.check(({ parts }) => isUnique(parts.map((one) => one.name)), 'each part once'),
  v.rawCheck(({ dataset, addIssue }) => {
    if (!dataset.typed) return;
    for (const message of danglingIn(dataset.value as Profile)) addIssue({ message });
  }),
);

function isUnique(names: readonly string[]): boolean {
  return new Set(names).size === names.length;
}

function isLeftOut({ role }: Pick<PathRule, 'role'>): boolean {
  return ['rebuildable', 'backups', 'server-files'].includes(role);
}

type PartShape = v.InferOutput<typeof pathRule>;

/** What patterns of left-out paths would take with them although it is to stay: of paths, markers and databases. */
function takenWith(given: {
  readonly paths: readonly PartShape[];
  readonly databases: readonly { readonly path?: string | undefined; readonly rebuildable?: boolean | undefined }[];
}): string[] {
  const out = given.paths.filter(isLeftOut);
  const patterns = new PatternSet(
    out.flatMap(({ path: left, keeps }) =>
      keeps === undefined ? [`/${left}`] : [`/${left}/*`, ...keeps.map((kept) => `!/${left}/${kept}`)],
    ),
  );
  const kept = [
    ...given.paths.filter((rule) => !isLeftOut(rule)).map((rule) => rule.path),
    ...out.flatMap(({ path: left, keeps = [] }) => keeps.map((one) => `${left}/${one}`)),
    ...given.databases.flatMap((rule) => rule.path ?? []),
  ];
  return kept.filter((one) => [one, `${one}/within`].some((text) => patterns.matches(Buffer.from(`/${text}`), false)));
}

/** References to parts and databases that the profile does not have. */
function danglingIn({ parts, leads = [], folders, pathColumns }: Profile): string[] {
  const found = (wanted: string): Profile['parts'][number] | undefined => parts.find((one) => one.name === wanted);
  const columns = [...pathColumns, ...folders.flatMap((folder) => ('file' in folder ? [] : [folder]))];
  const files = folders.flatMap((folder) => ('file' in folder ? [folder] : []));
  return [
    ...leads.filter((lead) => found(lead) === undefined).map((lead) => `there is no part ${lead} to lead`),
    ...columns
      .filter((one) => found(one.part)?.databases.some((rule) => rule.path === one.database) !== true)
      .map((one) => `there is no database ${one.database} in ${one.part}`),
    ...files
      .filter((one) => found(one.part)?.signs.some((each) => each.path === one.file) !== true)
      .map((one) => `${one.file} in ${one.part} is no sign of it`),
    ...folders.flatMap(({ isPart }) =>
      isPart === undefined || found(isPart) !== undefined ? [] : [`there is no part ${isPart}`],
    ),
  ];
}
