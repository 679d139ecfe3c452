/** What a component asks the server for, and asks again when something happened. */

import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import { usePage } from './context.ts';
import { isAbort, wordsOf } from './http.ts';
import type { LiveType } from './live.ts';

export interface Loaded<Data> {
  /** Undefined until the first answer; an older one stays while a newer one is on its way. */
  readonly data: Data | undefined;
  readonly error: string | undefined;
  readonly isLoading: boolean;
  readonly reload: () => void;
  readonly put: (data: Data) => void;
}

export interface LoadOptions {
  /** Asked anew when one of these changes. */
  readonly inputs?: readonly unknown[];
  /** Asked anew at these events; after a gap in any case. */
  readonly live?: readonly LiveType[];
}

export function useLoaded<Data>(
  load: (signal: AbortSignal) => Promise<Data>,
  { inputs = [], live = [] }: LoadOptions = {},
): Loaded<Data> {
  const page = usePage();
  const [state, setState] = useState<{ data?: Data; error?: string; isLoading: boolean }>({ isLoading: true });
  const [round, setRound] = useState(0);
  const reload = useCallback(() => setRound((count) => count + 1), []);
  const put = useCallback((data: Data) => setState({ data, isLoading: false }), []);
  const lastInputs = useRef<readonly unknown[]>(inputs);

  useEffect(() => {
    const controller = new AbortController();
    // Of another question: the old answer is of no use any more.
    const isOther = inputs.some((input, position) => !Object.is(input, lastInputs.current[position]));
    lastInputs.current = inputs;
    setState(({ data }) => (isOther || data === undefined ? { isLoading: true } : { data, isLoading: true }));
    load(controller.signal).then(
      (data) => {
        if (!controller.signal.aborted) setState({ data, isLoading: false });
      },
      (error: unknown) => {
        if (controller.signal.aborted || isAbort(error)) return;
        setState(({ data }) => ({ ...(data === undefined ? {} : { data }), error: wordsOf(error), isLoading: false }));
      },
    );
    return () => controller.abort();
  }, [round, ...inputs]);

  useEffect(() => {
    const ends = [...new Set<LiveType>([...live, 'gap'])].map((type) => page.live.on(type, reload));
    return () => {
      for (const end of ends) end();
    };
  }, [live.join(' ')]);

  return { data: state.data, error: state.error, isLoading: state.isLoading, reload, put };
}

/** Something that a person started: whether it goes on, and why it failed. */
export interface Action {
  readonly isBusy: boolean;
  readonly error: string | undefined;
  /** True when it went well. */
  readonly run: (work: () => Promise<void>) => Promise<boolean>;
  readonly clear: () => void;
}

export function useAction(): Action {
  const [state, setState] = useState<{ isBusy: boolean; error?: string }>({ isBusy: false });
  const run = async (work: () => Promise<void>): Promise<boolean> => {
    setState({ isBusy: true });
    try {
      await work();
      setState({ isBusy: false });
      return true;
    } catch (error) {
      setState(isAbort(error) ? { isBusy: false } : { isBusy: false, error: wordsOf(error) });
      return false;
    }
  };
  return { isBusy: state.isBusy, error: state.error, run, clear: () => setState({ isBusy: false }) };
}
