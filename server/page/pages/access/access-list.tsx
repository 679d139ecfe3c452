/** People or tokens: a list to which one is added and from which one goes, after a question. */

import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';
import { usePage } from '../../context.ts';
import { Button, ErrorNotice, Section, Waiting } from '../../ui/basics.tsx';
import { ConfirmDialog } from '../../ui/dialog.tsx';
import { useAction, useLoaded } from '../../use-loaded.ts';

/** How one of them goes. */
export interface Removal {
  /** Of the button and of the dialog. */
  readonly title: string;
  readonly action: string;
  readonly warning: string;
  /** Said once it is gone. */
  readonly said: string;
  readonly run: () => Promise<void>;
}

export function AccessList<Item extends { readonly id: number; readonly name: string }>(props: {
  readonly title: string;
  readonly lead: string;
  /** What is loaded, in the plural. */
  readonly what: string;
  readonly addWords: string;
  readonly load: (signal: AbortSignal) => Promise<{ readonly items: readonly Item[] }>;
  readonly describe: (item: Item) => ComponentChildren;
  readonly removalOf: (item: Item) => Removal;
  readonly addDialog: (onClose: () => void, onAdded: () => void) => ComponentChildren;
}) {
  const loaded = useLoaded(props.load);
  const [isAdding, setAdding] = useState(false);
  const [removed, setRemoved] = useState<Item | undefined>();
  const items = loaded.data?.items ?? [];
  return (
    <Section
      title={props.title}
      lead={props.lead}
      actions={
        <Button icon="plus" onPress={() => setAdding(true)}>
          {props.addWords}
        </Button>
      }
    >
      <ErrorNotice error={loaded.error} onRetry={loaded.reload} />
      {loaded.data === undefined && loaded.isLoading ? <Waiting what={props.what} /> : null}
      {loaded.data !== undefined && items.length === 0 ? <p class="muted">There are no {props.what}.</p> : null}
      {items.length === 0 ? null : (
        <ul class="rows" aria-label={props.title}>
          {items.map((item) => (
            <li class="row" key={item.id}>
              <div class="row-main">
                <p class="row-title">{item.name}</p>
                <p class="muted">{props.describe(item)}</p>
              </div>
              <Button kind="quiet" icon="trash" label={props.removalOf(item).title} onPress={() => setRemoved(item)} />
            </li>
          ))}
        </ul>
      )}
      {isAdding ? props.addDialog(() => setAdding(false), loaded.reload) : null}
      {removed === undefined ? null : (
        <RemoveDialog
          removal={props.removalOf(removed)}
          onClose={() => setRemoved(undefined)}
          onRemoved={loaded.reload}
        />
      )}
    </Section>
  );
}

function RemoveDialog(props: {
  readonly removal: Removal;
  readonly onClose: () => void;
  readonly onRemoved: () => void;
}) {
  const page = usePage();
  const action = useAction();
  const { title, action: words, warning, said, run } = props.removal;
  const remove = async (): Promise<void> => {
    if (!(await action.run(run))) return;
    page.toasts.show('good', said);
    props.onClose();
    props.onRemoved();
  };
  return (
    <ConfirmDialog
      title={`${title}?`}
      action={words}
      busy="Removing …"
      isBusy={action.isBusy}
      error={action.error}
      onConfirm={remove}
      onClose={props.onClose}
    >
      <p>{warning}</p>
    </ConfirmDialog>
  );
}
