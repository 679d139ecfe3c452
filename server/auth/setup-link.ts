/** The link by which the first admin is made, and by which one who lost the password comes in again. Works once. */

import { equalSecrets, newSecret } from './secrets.ts';

export class SetupLink {
  /** Undefined once it was used, and where none is needed. */
  #token: string | undefined;

  constructor(isNeeded: boolean) {
    this.#token = isNeeded ? newSecret() : undefined;
  }

  /** True while it waits for somebody. */
  get isOpen(): boolean {
    return this.#token !== undefined;
  }

  /** The address for people. What stands behind the # never reaches a server or a proxy's log. */
  addressAt(url: string): string | undefined {
    return this.#token === undefined ? undefined : `${url}/setup#token=${this.#token}`;
  }

  fits(token: string): boolean {
    return this.#token !== undefined && equalSecrets(token, this.#token);
  }

  /** False where somebody was quicker. */
  use(token: string): boolean {
    if (!this.fits(token)) return false;
    this.#token = undefined;
    return true;
  }
}
