/**
 * Passwords that open the repository. A new one comes beside those that are there, and one goes only while the server does
 * not itself open the repository with it: nobody locks the server out from here.
 */

import pLimit from 'p-limit';
import { Type } from 'typebox';
import {
  addKey,
  type Credential,
  EngineError,
  findKey,
  type KeyDescription,
  listKeys,
  type Repository,
  removeKey,
} from '../../engine/index.ts';
import { nameOf } from '../auth/identity.ts';
import type { App, ServerContext } from '../context.ts';
import { KEY_LABEL_CHARACTERS_MAX, PASSWORD_CHARACTERS_MAX, PASSWORD_CHARACTERS_MIN } from '../limits.ts';
import { PASSWORD_ORIGINS } from '../options.ts';
import { ServerError } from '../problems.ts';
import { CLOSED, GivenPassword, Nullable, PROBLEM_RESPONSES, Words } from '../schemas.ts';

const Key = Type.Object({
  id: Type.String(),
  created: Type.String(),
  host: Type.String(),
  label: Type.String(),
  protection: Words(['password', 'none']),
  in_use: Type.Boolean({ description: 'The server opened the repository with it' }),
});

const ServerPassword = Type.Object(
  {
    origin: Words(PASSWORD_ORIGINS),
    name: Nullable(Type.String({ description: 'Of the file or the variable' })),
  },
  { description: 'Where the server has its password from, which has to be changed there, too' },
);

export const Keys = Type.Object({ items: Type.Array(Key), server_password: ServerPassword });

/** None, where the repository has no password at all. */
const Present = Type.Optional(Type.String({ ...GivenPassword, description: 'One that opens the repository now' }));
/** One line: files and variables hold no other. */
const New = Type.String({
  minLength: PASSWORD_CHARACTERS_MIN,
  maxLength: PASSWORD_CHARACTERS_MAX,
  pattern: '^[^\\u0000-\\u001f\\u007f]+$',
});

export function keyRoutes(app: App, context: ServerContext): void {
  const { options, repository } = context;
  /** Deriving one takes as much memory as the key says, so they are judged one after the other. */
  const oneAtATime = pLimit(1);

  app.get(
    '/repository/keys',
    {
      config: { access: 'admin' },
      schema: {
        summary: 'Passwords that open the repository, without themselves',
        response: { 200: Keys, ...PROBLEM_RESPONSES },
      },
    },
    async () => {
      const opened = await repository();
      const keys = await listKeys(opened);
      const { type: origin, name = null } = options.passwordOrigin;
      return { items: keys.map((key) => viewOf(key, opened)), server_password: { origin, name } };
    },
  );

  app.post(
    '/repository/keys',
    {
      config: { access: 'admin' },
      schema: {
        summary: 'Add a password; those that are there go on opening the repository',
        body: Type.Object(
          { password: Present, new_password: New, label: Type.String({ maxLength: KEY_LABEL_CHARACTERS_MAX }) },
          CLOSED,
        ),
        response: { 201: Type.Object({ key: Key }), ...PROBLEM_RESPONSES },
      },
    },
    async ({ body, identity, log }, reply) => {
      const opened = await repository();
      const key = await oneAtATime(async () => {
        await requirePassword(context, opened, body.password);
        const credential = credentialOf(body.new_password);
        if ((await findKey(opened, credential)) !== undefined) {
          throw new ServerError('CONFLICT', 'This password opens the repository already: choose another one');
        }
        return addKey(opened, { credential, label: body.label });
      });
      log.info({ key: key.id, by: nameOf(identity) }, 'A password of the repository was added');
      reply.code(201);
      return { key: viewOf(key, opened) };
    },
  );

  app.post(
    '/repository/keys/remove',
    {
      config: { access: 'admin' },
      schema: {
        summary: 'Remove a password; never the one that the server uses, nor the last one',
        body: Type.Object({ password: Present, id: Type.String({ pattern: '^[0-9a-f]{32}$' }) }, CLOSED),
        response: { 204: Type.Null(), ...PROBLEM_RESPONSES },
      },
    },
    async ({ body, identity, log }, reply) => {
      const opened = await repository();
      await oneAtATime(async () => {
        await requirePassword(context, opened, body.password);
        await requireUnused(opened, body.id, options.credential);
        await removeKey(opened, body.id);
      });
      log.info({ key: body.id, by: nameOf(identity) }, 'A password of the repository was removed');
      return reply.code(204).send(null);
    },
  );
}

/** A session that somebody left open is not enough to let others read the whole repository. SIGN_IN_FAILED. */
async function requirePassword(
  { authentication }: ServerContext,
  opened: Repository,
  given: string | undefined,
): Promise<void> {
  await authentication.judge(['password of the repository'], async () => {
    if ((await findKey(opened, credentialOf(given))) !== undefined) return;
    throw new ServerError('SIGN_IN_FAILED', 'The present password is wrong: it does not open the repository');
  });
}

/** The server, its jobs, and its next start open the repository with what it was started with. CONFLICT. */
async function requireUnused(opened: Repository, id: string, own: Credential): Promise<void> {
  const keys = await listKeys(opened);
  if (!keys.some((key) => key.id === id)) throw new EngineError('KEY_NOT_FOUND', `No key has the id ${id}`);
  // Somebody may have removed the key that opened it, and the same password may open another one.
  const used = await findKey(opened, own);
  if (id === opened.keyId || id === used?.id) {
    throw new ServerError(
      'CONFLICT',
      'The server itself uses this password: give it another one and start it anew, then this one can go',
    );
  }
}

function credentialOf(password: string | undefined): Credential {
  return password === undefined ? { type: 'none' } : { type: 'password', password: Buffer.from(password, 'utf8') };
}

function viewOf(key: KeyDescription, opened: Repository) {
  return { ...key, in_use: key.id === opened.keyId };
}
