/** Names of users and groups, from /etc/passwd and /etc/group. */

import { readFileSync } from 'node:fs';

export interface OwnerNames {
  user(uid: number): string | undefined;
  group(gid: number): string | undefined;
}

function load(path: string): Map<number, string> {
  const names = new Map<number, string>();
  let text = '';
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    return names;
  }
  for (const line of text.split('\n')) {
    const [name, , id] = line.split(':');
    if (name !== undefined && id !== undefined && /^\d+$/.test(id) && !names.has(Number(id)))
      names.set(Number(id), name);
  }
  return names;
}

/** Reads each file once, when it is first needed. */
export function createOwnerNames(files = { users: '/etc/passwd', groups: '/etc/group' }): OwnerNames {
  let users: Map<number, string> | undefined;
  let groups: Map<number, string> | undefined;
  return {
    user: (uid) => {
      users ??= load(files.users);
      return users.get(uid);
    },
    group: (gid) => {
      groups ??= load(files.groups);
      return groups.get(gid);
    },
  };
}
