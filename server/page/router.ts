/** Which page is shown: the path of the address below the base path. */

import { Store } from './store.ts';

export interface Place {
  /** Begins with a slash; without the base path. */
  readonly path: string;
  readonly query: URLSearchParams;
}

/** One that has several values stands there as often. */
export type PlaceParameters = { readonly [name: string]: string | readonly string[] | undefined };

export class Router {
  readonly #basePath: string;
  readonly place: Store<Place>;

  constructor(basePath: string) {
    this.#basePath = basePath;
    this.place = new Store(this.#read());
    addEventListener('popstate', () => this.place.set(this.#read()));
  }

  /** The address of a page, for links. */
  address(path: string, query: PlaceParameters = {}): string {
    const parameters = new URLSearchParams();
    for (const [name, value = []] of Object.entries(query)) {
      for (const one of typeof value === 'string' ? [value] : value) parameters.append(name, one);
    }
    const text = parameters.toString();
    return `${this.#basePath}${path}${text === '' ? '' : `?${text}`}`;
  }

  go(path: string, query: PlaceParameters = {}, { replace = false }: { readonly replace?: boolean } = {}): void {
    const address = this.address(path, query);
    if (replace) history.replaceState(null, '', address);
    else history.pushState(null, '', address);
    this.place.set(this.#read());
  }

  #read(): Place {
    const { pathname, search } = location;
    const inside = pathname.startsWith(this.#basePath) ? pathname.slice(this.#basePath.length) : pathname;
    const path = inside.length > 1 && inside.endsWith('/') ? inside.slice(0, -1) : inside;
    return { path: path === '' ? '/' : path, query: new URLSearchParams(search) };
  }
}
