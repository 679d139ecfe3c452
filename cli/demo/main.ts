/**
 * `npm run demo`: the page of a server, on a made-up library with some weeks behind it, and a link that signs in whoever
 * opens it. Ctrl-C ends it and removes all that it made.
 */

import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { initRepository, isEngineError } from '../../engine/index.ts';
import { type RunningServer, type ServeOptions, serve } from '../../server/index.ts';
import { endProcess } from '../end-process.ts';
import { beginning, fill, HOST, PROFILE, storeNights } from './history.ts';
import { MadeUpLibrary } from './library.ts';
import { LINK_MINUTES_MAX, SignInDoor } from './sign-in-door.ts';
import { NIGHTS } from './story.ts';
import { type Account, signIn, Visitor } from './visitor.ts';

const CREDENTIAL = { type: 'none' } as const;
/** A server of the same host at the top keeps its cookies: those of the demonstration are for this path alone. */
const BASE_PATH = '/demo';
const PASSWORD_BYTES = 9;

function say(text = ''): void {
  process.stdout.write(`${text}\n`);
}

/** The library with its nights, stored. */
async function prepare(scratch: string, signal: AbortSignal): Promise<MadeUpLibrary> {
  say(`Making a library, and ${NIGHTS} nights of it …`);
  const now = new Date();
  const library = new MadeUpLibrary(join(scratch, 'library'), beginning(now));
  fill(library, now);
  const repository = await initRepository({ ...placeIn(scratch), credential: CREDENTIAL });
  try {
    await storeNights(repository, { library, now, signal });
  } finally {
    await repository.close();
  }
  return library;
}

function placeIn(scratch: string): { readonly location: string; readonly cacheDirectory: string } {
  return { location: join(scratch, 'repository'), cacheDirectory: join(scratch, 'cache') };
}

function serveOptions(scratch: string, library: MadeUpLibrary, log: string[]): ServeOptions {
  return {
    ...placeIn(scratch),
    credential: CREDENTIAL,
    passwordOrigin: { type: 'none', name: undefined },
    listen: { host: '127.0.0.1', port: 0 },
    basePath: BASE_PATH,
    trustedProxies: [],
    stateDirectory: join(scratch, 'state'),
    sources: library.sources,
    backup: { host: HOST, profiles: [PROFILE] },
    hooks: [],
    hookEnvironment: {},
    retention: undefined,
    night: {
      schedule: { pruneEveryMs: undefined, checkEveryMs: undefined, checkParts: 12, rehearseEveryMs: undefined },
      copies: [],
      expectedDatabases: [],
    },
    scheduleDefaults: { cron: '0 2 * * *', zone: Intl.DateTimeFormat().resolvedOptions().timeZone },
    setupLink: false,
    log: { level: 'warn', format: 'json', write: (line) => log.push(line) },
  };
}

/** An account, and one night that the server itself had, so that there is something to see of nights. */
async function furnish(api: string, log: readonly string[], signal: AbortSignal): Promise<Account> {
  const account = { name: 'demo', password: randomBytes(PASSWORD_BYTES).toString('base64url') };
  const links = log.map((line) => (JSON.parse(line) as { readonly setup?: string }).setup);
  const visitor = await Visitor.setUp(api, links.find((link) => link !== undefined) ?? '', account);
  await visitor.untilDetected(signal);
  if (!signal.aborted) await visitor.haveNight(signal);
  await visitor.signOut();
  return account;
}

async function show(scratch: string, server: RunningServer, account: Account, signal: AbortSignal): Promise<void> {
  const door = await SignInDoor.open({
    signIn: () => signIn(`${server.url}/api/v1`, account),
    page: `${server.url}/`,
  });
  say();
  say(`Open this link. It signs you in, once, within ${LINK_MINUTES_MAX} minutes:`);
  say();
  say(`  ${door.link}`);
  say();
  say(`To sign in again: ${server.url}/ with the name ${account.name} and the password ${account.password}`);
  say(`All of it lies in ${scratch} and is gone after Ctrl-C.`);
  try {
    if (!signal.aborted) await once(signal, 'abort');
  } finally {
    await door.close();
  }
}

async function run(scratch: string, signal: AbortSignal): Promise<void> {
  const library = await prepare(scratch, signal);
  const log: string[] = [];
  const server = await serve(serveOptions(scratch, library, log));
  try {
    const account = await furnish(`${server.url}/api/v1`, log, signal);
    if (!signal.aborted) await show(scratch, server, account, signal);
  } finally {
    await server.close();
  }
}

/** The first signal ends everything in order, the second one at once. */
function endBySignal(scratch: string): AbortSignal {
  const ending = new AbortController();
  const received = (): void => {
    if (ending.signal.aborted) {
      process.stderr.write(`demo: ended at once; what it made lies in ${scratch}\n`);
      process.exit(1);
    }
    ending.abort();
  };
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, received);
  return ending.signal;
}

async function main(): Promise<void> {
  const scratch = mkdtempSync(join(tmpdir(), 'snap-demo-'));
  const signal = endBySignal(scratch);
  try {
    mkdirSync(join(scratch, 'library'));
    await run(scratch, signal);
  } catch (error) {
    if (!signal.aborted) throw error;
    if (!isEngineError(error) || error.code !== 'INTERRUPTED') process.stderr.write(`demo: ${String(error)}\n`);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
  say();
  say('All that it made is removed.');
  // Threads that are left over must not keep the terminal waiting.
  endProcess(Number(process.exitCode ?? 0));
}

await main();
