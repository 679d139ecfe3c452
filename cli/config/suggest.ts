/** The word that was meant by one that is not known. */

/** What other programs, and other habits, call our keys. */
const OTHER_WORDS: { readonly [word: string]: string } = {
  repositories: 'repository',
  repo: 'repository',
  paths: 'source_directories',
  sources: 'source_directories',
  exclude: 'exclude_patterns',
  excludes: 'exclude_patterns',
  exclude_file: 'exclude_from',
  before_backup: 'commands',
  after_backup: 'commands',
  hooks: 'commands',
  cache_dir: 'cache_directory',
  encryption_passcommand: 'password_command',
  hostname: 'host',
  nice: 'priority',
  copy_to: 'copies',
  profile: 'profiles',
  timezone: 'zone',
  postgres_databases: 'postgresql_databases',
  mysql_databases: 'mariadb_databases',
  healthcheck: 'healthchecks',
};

/** The known word that is nearest; undefined where none is near. */
export function suggest(word: string, known: readonly string[]): string | undefined {
  const plain = word
    .replace(/([a-z])([A-Z])/g, '$1_$2')
    .replaceAll(/[-\s.]/g, '_')
    .toLowerCase();
  const other = OTHER_WORDS[plain];
  if (other !== undefined && known.includes(other)) return other;
  const distances = known
    .map((candidate) => ({ candidate, distance: editDistance(plain, candidate) }))
    .sort((a, b) => a.distance - b.distance);
  const [nearest] = distances;
  if (nearest === undefined) return undefined;
  return nearest.distance <= Math.max(1, Math.floor(nearest.candidate.length / 3)) ? nearest.candidate : undefined;
}

/** Letters to add, remove, replace, or swap with their neighbours, until one word is the other. */
export function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row++) {
    const current = [row];
    for (let column = 1; column <= b.length; column++) {
      const same = a[row - 1] === b[column - 1] ? 0 : 1;
      let least = Math.min((last[column] ?? 0) + 1, (current[column - 1] ?? 0) + 1, (last[column - 1] ?? 0) + same);
      if (row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1]) {
        least = Math.min(least, (beforeLast[column - 2] ?? 0) + 1);
      }
      current.push(least);
    }
    [beforeLast, last] = [last, current];
  }
  return last[b.length] ?? 0;
}
