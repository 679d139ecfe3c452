/**
 * What is known of one server's folders and databases. A profile is data: it says where things lie and what they are
 * worth, and names the checks that fit; recognise.ts, plan.ts and the verbs know what to do with that.
 *
 * A server's files lie in parts: folders that may be mounted, and moved, each on its own. Paths in a part are relative
 * to its folder.
 */

export type DatabaseKind = 'sqlite' | 'postgresql' | 'mariadb';

/**
 * - `precious`: nothing else has it.
 * - `secret`: precious, and worth hiding.
 * - `optional`: large or old, and nobody can make it again by itself: it stays unless somebody excludes it.
 * - `rebuildable`: the server makes it again by itself; left out.
 * - `backups`: where the server puts its own backups; left out where the snapshot has the databases themselves.
 * - `server-files`: what a running Postgres or MariaDB keeps on disk, which is worth nothing as a copy; left out where the
 *   snapshot has a dump.
 */
export type PathRole = 'precious' | 'secret' | 'optional' | 'rebuildable' | 'backups' | 'server-files';

export interface PathRule {
  /** `*` stays inside a name. */
  readonly path: string;
  readonly role: PathRole;
  readonly what: string;
  /** Names in the folder that stay although all else in it is left out. */
  readonly keeps?: readonly string[];
}

export interface DatabaseRule {
  /** Undefined where it is no file of the server's (Postgres, MariaDB). */
  readonly path: string | undefined;
  readonly kind: DatabaseKind;
  /** What it is usually called, where it is no file: for the sake of a dump of another one nothing is left out. */
  readonly name?: string;
  readonly what: string;
  /** The server makes it again by itself, though it may take it long; it is captured all the same. */
  readonly rebuildable?: boolean;
  /** Databases with the same word are captured as one moment. */
  readonly moment?: string;
}

/** An entry by which a part is recognised. */
export interface Sign {
  readonly path: string;
  readonly kind: 'file' | 'folder' | 'sqlite';
  /** The file has a line that sets this. */
  readonly setting?: string;
}

export interface Warning {
  /** Given only where this is not in the part, or only where it is. */
  readonly unlessPresent?: string;
  readonly ifPresent?: string;
  /** Not given where a dump of one of these is asked for. */
  readonly unlessDumped?: readonly DatabaseKind[];
  readonly text: string;
}

export interface Part {
  readonly name: string;
  readonly what: string;
  /** Where it lies in the server's folder, likeliest first; '' is that folder itself. */
  readonly places: readonly string[];
  /** All of these are there. */
  readonly signs: readonly Sign[];
  /** So are at least `anyOfMin` (default 1) of these, if there are any. */
  readonly anyOf?: readonly Sign[];
  readonly anyOfMin?: number;
  /**
   * Where it is a source that lies nowhere near the rest, at least two of these are there, too: somebody's own folder may
   * have what is usual. Default: what it was recognised by.
   */
  readonly apart?: readonly Sign[];
  /** Where the server's usual container sees it: paths in its databases may begin with that. */
  readonly container?: string;
  /** Names in it are those of authors and books: nothing right in it is left out. */
  readonly isLibrary?: boolean;
  /** Nobody misses it: there is no warning where it is not found, or not among the sources. */
  readonly isOptional?: boolean;
  /** In the order in which they are captured; all before any file. */
  readonly databases: readonly DatabaseRule[];
  readonly paths: readonly PathRule[];
  readonly warnings?: readonly Warning[];
}

/** Where one value lies in a database. */
export interface Column {
  readonly part: string;
  readonly database: string;
  readonly table: string;
  readonly column: string;
  /** The member of a JSON object. */
  readonly member?: string;
  readonly where?: { readonly column: string; readonly equals: string | number };
}

/** Where one value lies in a file of lines `NAME=value`, as Docker Compose reads them. */
export interface Setting {
  readonly part: string;
  readonly file: string;
  readonly setting: string;
}

interface FolderUse {
  readonly what: string;
  /**
   * - `library`: belongs into the sources.
   * - `backups`: what fits `leftOut` in it stays out, as the server's own backups do.
   * - `server-files`: stays out, as those do, where `signs` are in it: what a setting says may be wrong.
   */
  readonly use: 'library' | 'backups' | 'server-files';
  readonly leftOut?: string;
  readonly signs?: readonly Sign[];
  /** `url`: as `file:` and the path, percent-encoded. */
  readonly form?: 'url';
  /** It is this part of the profile. */
  readonly isPart?: string;
}

/**
 * A folder that the server's database or a file of settings names, which may lie anywhere. A database has the server's
 * paths, which may be a container's; a file has those of this machine, relative ones from the file's folder.
 */
export type NamedFolder = FolderUse & (Column | Setting);

/** Absolute paths that the server keeps: they are rewritten when a library comes up under other paths. */
export interface PathColumn {
  readonly part: string;
  readonly database: string;
  readonly table: string;
  readonly column: string;
  /** `text`: the path. `json`: every text in it that is one. `url`: `file:` and the path, percent-encoded. */
  readonly form: 'text' | 'json' | 'url';
  /** Only some versions of the server have it. */
  readonly someVersions?: boolean;
}

/** What a person does with the server around a restore, in words that end a sentence. */
export interface Handling {
  /** How it is stopped, where it is in the way. */
  readonly stop: string;
  /** How it is started when all is there. */
  readonly start: string;
  /** What is to be done then. */
  readonly afterwards?: string;
  /** What else has to change when its folders have other paths, which no rewriting of its database does. */
  readonly moved?: string;
}

/** Where the database is no file: whether it is restored before the files or after them. Files of databases always come last. */
export type RestoreOrder = 'files first' | 'databases first';

/** Comparisons of rows with files; operations/servers knows how they are made. */
export type CheckName = 'calibre-books' | 'audiobookshelf-items' | 'kavita-files' | 'jellyfin-items';

export interface Profile {
  readonly name: string;
  readonly title: string;
  /** None: the profile fits any folder, and is only used when it is named. */
  readonly parts: readonly Part[];
  /** Parts by any of which the server is recognised, likeliest first; default: the first part. */
  readonly leads?: readonly string[];
  /** Profiles that fit the same folder and say less. */
  readonly supersedes?: readonly string[];
  readonly folders: readonly NamedFolder[];
  readonly pathColumns: readonly PathColumn[];
  readonly checks: readonly CheckName[];
  readonly restoreOrder: RestoreOrder;
  readonly handling: Handling;
  /** Leaves out folders marked by CACHEDIR.TAG. */
  readonly leavesOutCaches?: boolean;
  /** What a person should know once; warnings are of a part. */
  readonly advice: readonly string[];
}
