/** What a server is started with. Everything else is a setting that people change in the page. */

import type { BackupOptions, Credential, ForgetOptions, Hook, NightOptions } from '../engine/index.ts';
import type { PasswordHashCost } from './auth/password-hash.ts';

export interface ServeOptions {
  readonly listen: { readonly host: string; readonly port: number };
  /** Where the server lies behind a proxy, such as `/snap`; empty at the top. Never ends with a slash. */
  readonly basePath: string;
  /** Addresses or networks of proxies whose X-Forwarded headers are believed; none by default. */
  readonly trustedProxies: readonly string[];
  /** The folder of the server's own state: users, tokens, settings, failed runs. */
  readonly stateDirectory: string;
  readonly location: string;
  readonly cacheDirectory: string;
  readonly credential: Credential;
  /** Where the password came from: people are told what to change with it. */
  readonly passwordOrigin: PasswordOrigin;
  /** Folders and files that are backed up. */
  readonly sources: readonly Buffer[];
  /** What every backup is made with: exclusions, compression and the like. */
  readonly backup: Omit<BackupOptions, 'paths' | 'stdin' | 'monitor' | 'signal'>;
  /** Commands before and after a part of a night. */
  readonly hooks: readonly Hook[];
  readonly hookEnvironment: { readonly [name: string]: string | undefined };
  /** Rules of the configuration file; they hold where nobody set retention days in the page. */
  readonly retention: Pick<ForgetOptions, 'policy' | 'groupBy' | 'zone'> | undefined;
  /** The rest of what a night does beside backup and retention. */
  readonly night: NightParts;
  /** What a new server is set to. */
  readonly scheduleDefaults: { readonly cron: string; readonly zone: string };
  /** Makes a setup link although there are users: for those who lost their password. */
  readonly setupLink: boolean;
  readonly log: LogOptions;
  /** Of the passwords of people; tests take a cheap one. */
  readonly passwordCost?: PasswordHashCost;
  /** The clock, in milliseconds since 1970; tests set their own. */
  readonly nowMs?: () => number;
}

export const PASSWORD_ORIGINS = ['file', 'variable', 'command', 'prompt', 'none'] as const;
export interface PasswordOrigin {
  readonly type: (typeof PASSWORD_ORIGINS)[number];
  /** Of the file or the variable. */
  readonly name: string | undefined;
}

export interface NightParts extends Pick<NightOptions, 'schedule' | 'prune' | 'priority' | 'ping' | 'rehearsalBytes'> {
  readonly copies: readonly { readonly location: string; readonly credential: Credential }[];
  readonly expectedDatabases: readonly Buffer[];
}

export interface LogOptions {
  readonly level: 'debug' | 'info' | 'warn' | 'silent';
  /** Lines for people, or one JSON object a line. */
  readonly format: 'text' | 'json';
  /** Where lines go; each ends with a line break. */
  readonly write: (line: string) => void;
}
