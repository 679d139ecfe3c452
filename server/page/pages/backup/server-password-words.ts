/** Where the server has its password from, and what to change there. */

import type { ServerPassword } from '../../api-types.ts';

export function serverPasswordWords({ origin, name }: ServerPassword): string {
  switch (origin) {
    case 'file':
      return `This server takes its password from the file ${name}.`;
    case 'variable':
      return `This server takes its password from the environment variable ${name}.`;
    case 'command':
      return 'This server asks a command for its password (--password-command).';
    case 'prompt':
      return 'This server was told its password when it was started.';
    default:
      return 'This server opens the repository without a password (--insecure-no-password).';
  }
}

/** What has to be done for the server to take a new password at its next start. */
export function newServerPasswordWords({ origin, name }: ServerPassword): string {
  switch (origin) {
    case 'file':
      return `Write the new password into the file ${name}, as its only line.`;
    case 'variable':
      return `Set the environment variable ${name} to the new password where the server is started (its service or compose file).`;
    case 'command':
      return 'Let the command of --password-command answer the new password.';
    case 'prompt':
      return 'Have the new password at hand: the server asks for it at its next start.';
    default:
      return 'Start the server with the new password (--password-file) instead of --insecure-no-password.';
  }
}
