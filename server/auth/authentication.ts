/** Signing in and out, and who a session or token belongs to. */

import type { ServeOptions } from '../options.ts';
import { ServerError } from '../problems.ts';
import type { State } from '../state/state.ts';
import type { User } from '../state/users.ts';
import type { Identity } from './identity.ts';
import { LoginLimit } from './login-limit.ts';
import { PasswordHasher } from './password-hash.ts';
import { SCOPES } from './scopes.ts';
import { csrfTokenOf, hashOfSecret, newSecret } from './secrets.ts';
import { SetupLink } from './setup-link.ts';

/** What a browser gets to keep: the session's token for its cookie, and what changes have to bring. */
export interface NewSession {
  readonly user: User;
  readonly token: string;
  readonly csrfToken: string;
}

export interface Credentials {
  readonly name: string;
  readonly password: string;
  /** Where the request comes from. */
  readonly address: string;
}

export class Authentication {
  readonly setupLink: SetupLink;
  readonly #state: State;
  readonly #nowMs: () => number;
  readonly #passwords: PasswordHasher;
  readonly #logins = new LoginLimit();

  constructor(state: State, options: ServeOptions, nowMs: () => number) {
    this.#state = state;
    this.#nowMs = nowMs;
    this.#passwords = new PasswordHasher(options.passwordCost);
    this.setupLink = new SetupLink(options.setupLink || state.users.count() === 0);
  }

  /** SIGN_IN_FAILED, without saying whether there is such a user; TOO_MANY_REQUESTS; BUSY. */
  async signIn({ name, password, address }: Credentials): Promise<NewSession> {
    const keys = [`address ${address}`, `name ${name.normalize('NFKC').toLowerCase()}`];
    const user = await this.judge(keys, async () => {
      const found = this.#state.users.findByName(name);
      if (!(await this.#passwords.verify(password, found?.passwordHash)) || found === undefined) {
        throw new ServerError('SIGN_IN_FAILED', 'The name or the password is wrong');
      }
      return found.user;
    });
    return this.#newSession(user, address);
  }

  /**
   * Whatever judges a secret and throws for a wrong one: of each of the keys only so many tries fail within a time.
   * TOO_MANY_REQUESTS.
   */
  async judge<Answer>(keys: readonly string[], judge: () => Promise<Answer>): Promise<Answer> {
    this.#logins.require(keys, this.#nowMs());
    this.#logins.count(keys, this.#nowMs());
    const answer = await judge();
    this.#logins.forget(keys);
    return answer;
  }

  /**
   * Uses the setup link: makes an admin, or gives one who is there a new password. SETUP_LINK_INVALID for a link that was
   * used or never was.
   */
  async setUp(token: string, credentials: Credentials): Promise<NewSession> {
    const { name, password, address } = credentials;
    const refused = new ServerError(
      'SETUP_LINK_INVALID',
      'This setup link was used already, or is not the one that the server wrote into its log when it started',
    );
    const keys = [`setup ${address}`];
    this.#logins.require(keys, this.#nowMs());
    if (!this.setupLink.fits(token)) {
      this.#logins.count(keys, this.#nowMs());
      throw refused;
    }
    const hash = await this.#passwords.hash(password);
    // While the password was hashed, somebody else may have used it.
    if (!this.setupLink.use(token)) throw refused;
    const known = this.#state.users.findByName(name)?.user;
    if (known !== undefined) {
      this.#state.users.setPassword(known.id, hash);
      this.#state.sessions.removeOfUser(known.id);
    }
    const user = known ?? this.#state.users.add(name, hash, { nowMs: this.#nowMs() });
    if (user === undefined) throw refused;
    return this.#newSession(user, address);
  }

  /** A user for somebody else. CONFLICT where the name is taken. */
  async addUser(name: string, password: string): Promise<User> {
    const hash = await this.#passwords.hash(password);
    const user = this.#state.users.add(name, hash, { nowMs: this.#nowMs() });
    if (user === undefined) throw new ServerError('CONFLICT', `There is a user ${name} already`);
    return user;
  }

  /** All other sessions of the user end. SIGN_IN_FAILED where the present password is wrong. */
  async changePassword(identity: Identity & { readonly type: 'user' }, present: string, next: string): Promise<void> {
    const { user, sessionHash } = identity;
    await this.judge([`password of ${user.id}`], async () => {
      const found = this.#state.users.findByName(user.name);
      if (await this.#passwords.verify(present, found?.passwordHash)) return;
      throw new ServerError('SIGN_IN_FAILED', 'The present password is wrong');
    });
    this.#state.users.setPassword(user.id, await this.#passwords.hash(next));
    this.#state.sessions.removeOfUser(user.id, sessionHash);
  }

  signOut(identity: Identity): void {
    if (identity.type === 'user') this.#state.sessions.remove(identity.sessionHash);
  }

  /** Whose session this is; undefined for one that is over. */
  ofSession(token: string): Identity | undefined {
    const sessionHash = hashOfSecret(token);
    const session = this.#state.sessions.use(sessionHash, this.#nowMs());
    const user = session === undefined ? undefined : this.#state.users.find(session.userId);
    if (user === undefined) return undefined;
    return { type: 'user', user, scopes: SCOPES, sessionHash, csrfToken: csrfTokenOf(token) };
  }

  /** Whose API token this is; undefined for one that is over or never was. */
  ofToken(text: string): Identity | undefined {
    const token = this.#state.tokens.use(hashOfSecret(text), this.#nowMs());
    return token === undefined ? undefined : { type: 'token', token, scopes: token.scopes };
  }

  /** False once somebody signed out or was removed, or a token was taken back: a stream of events goes on for long. */
  isStillThere(identity: Identity): boolean {
    const nowMs = this.#nowMs();
    if (identity.type === 'token') return this.#state.tokens.find(identity.token.id, nowMs) !== undefined;
    return this.#state.sessions.find(identity.sessionHash, nowMs) !== undefined;
  }

  #newSession(user: User, address: string): NewSession {
    const token = newSecret();
    this.#state.sessions.add(hashOfSecret(token), { userId: user.id, address, nowMs: this.#nowMs() });
    return { user, token, csrfToken: csrfTokenOf(token) };
  }
}
