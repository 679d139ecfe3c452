/** Which snapshots are one series, of which retention keeps some. */

import { SAFETY_LABEL, type Snapshot } from '../../repository/snapshots.ts';

export const GROUP_FIELDS = ['host', 'label', 'tags', 'paths'] as const;
export type GroupField = (typeof GROUP_FIELDS)[number];
/** Fields that all snapshots of a group share; none: all snapshots are one group. */
export type GroupBy = readonly GroupField[];

/** What the snapshots of a group have in common: only the fields that they are grouped by. */
export interface GroupKey {
  readonly host?: string;
  readonly label?: string;
  readonly tags?: readonly string[];
  /** As text; a name that is not UTF-8 in hexadecimal digits. */
  readonly paths?: readonly string[];
}

/**
 * Without `groupBy`: by label, and where there is none by paths. Never by host unless that is asked for: a container
 * has another host name each night, each would be a group of its own, and nothing would ever go (trap 23).
 */
export function groupKeyOf(snapshot: Snapshot, groupBy: GroupBy | undefined): GroupKey {
  const usual = groupBy ?? (snapshot.label === '' ? ['paths'] : ['label']);
  // What was there before a restore is no night of its library, and pushes none out.
  const fields: readonly GroupField[] = snapshot.label === SAFETY_LABEL ? [...usual, 'label'] : usual;
  return {
    ...(fields.includes('host') ? { host: snapshot.host } : {}),
    ...(fields.includes('label') ? { label: snapshot.label } : {}),
    ...(fields.includes('tags') ? { tags: [...snapshot.tags].sort() } : {}),
    ...(fields.includes('paths') ? { paths: snapshot.paths.map(pathText).sort() } : {}),
  };
}

function pathText(path: Buffer): string {
  const text = path.toString('utf8');
  return Buffer.from(text, 'utf8').equals(path) ? text : path.toString('hex');
}

/** Names that containers get: Docker's id, or a Kubernetes pod's name with its random end. */
const RANDOM_HOST = /^(?:[0-9a-f]{12}|[0-9a-f]{64}|[a-z0-9-]+-[0-9a-f]{8,10}-[a-z0-9]{5})$/;

/** A warning where hosts change as those of containers do; undefined where all is well. */
export function warnOfHosts(snapshots: readonly Snapshot[], groupBy: GroupBy | undefined): string | undefined {
  const random = [...new Set(snapshots.map(({ host }) => host))].filter((host) => RANDOM_HOST.test(host));
  if (random.length < 2) return undefined;
  const some = `${random.length} host names look random (${random.slice(0, 3).join(', ')}), as those of containers do`;
  const cure = 'Give backups a name that lasts, with --host or SNAP_HOST';
  return groupBy?.includes('host') === true
    ? `${some}: grouped by host each is a group of its own, and its newest snapshot never goes. ${cure}, or group by label or paths`
    : `${some}. ${cure}`;
}
