/** A list that comes in pages, the next one when somebody comes near its end. */

import { useEffect, useRef, useState } from 'preact/hooks';
import type { Pages } from './api-types.ts';
import { isAbort, wordsOf } from './http.ts';

export interface PagedList<Item, Page extends Pages<Item>> {
  readonly items: readonly Item[];
  /** The first page: what it says of the whole. Undefined until it is there. */
  readonly first: Page | undefined;
  /** The newest page: some say at the end how it all went. */
  readonly newest: Page | undefined;
  readonly error: string | undefined;
  readonly isLoading: boolean;
  readonly isWhole: boolean;
  readonly more: () => void;
  readonly reload: () => void;
}

interface State<Item, Page> {
  readonly items: readonly Item[];
  readonly first?: Page;
  readonly newest?: Page;
  readonly error?: string;
  readonly isLoading: boolean;
}

export function usePages<Item, Page extends Pages<Item>>(
  load: (cursor: string | undefined, signal: AbortSignal) => Promise<Page>,
  inputs: readonly unknown[],
): PagedList<Item, Page> {
  const [state, setState] = useState<State<Item, Page>>({ items: [], isLoading: true });
  const [round, setRound] = useState(0);
  const controller = useRef(new AbortController());
  const isBusy = useRef(false);

  const ask = (cursor: string | undefined): void => {
    const { signal } = controller.current;
    isBusy.current = true;
    setState((known) => ({ ...known, isLoading: true }));
    load(cursor, signal).then(
      (page) => {
        if (signal.aborted) return;
        isBusy.current = false;
        setState(({ items, first }) => ({
          items: cursor === undefined ? page.items : [...items, ...page.items],
          first: cursor === undefined ? page : (first ?? page),
          newest: page,
          isLoading: false,
        }));
      },
      (error: unknown) => {
        if (signal.aborted || isAbort(error)) return;
        isBusy.current = false;
        setState((known) => ({ ...known, error: wordsOf(error), isLoading: false }));
      },
    );
  };

  useEffect(() => {
    controller.current = new AbortController();
    setState({ items: [], isLoading: true });
    ask(undefined);
    return () => controller.current.abort();
  }, [round, ...inputs]);

  const cursor = state.newest?.next_cursor ?? null;
  return {
    items: state.items,
    first: state.first,
    newest: state.newest,
    error: state.error,
    isLoading: state.isLoading,
    isWhole: state.newest !== undefined && cursor === null,
    more: () => {
      if (cursor !== null && !isBusy.current && state.error === undefined) ask(cursor);
    },
    reload: () => setRound((count) => count + 1),
  };
}
