/** A list of some pages, of which the next one comes when somebody asks for it. */

import type { ComponentChildren } from 'preact';
import type { Pages } from '../api-types.ts';
import type { PagedList } from '../use-pages.ts';
import { Button, ErrorNotice, Waiting } from './basics.tsx';

type Paged = Pick<PagedList<never, Pages<never>>, 'error' | 'isLoading' | 'isWhole' | 'more' | 'reload'>;

export function PagedRows<Item>(props: {
  readonly list: Paged & { readonly items: readonly Item[]; readonly first: unknown };
  readonly label: string;
  /** What is loaded, in the plural. */
  readonly what: string;
  readonly moreWords: string;
  readonly keyOf: (item: Item) => string;
  readonly render: (item: Item) => ComponentChildren;
}) {
  const { list } = props;
  const { items } = list;
  return (
    <>
      <ErrorNotice error={list.error} onRetry={list.reload} />
      {list.isLoading && items.length === 0 ? <Waiting what={props.what} /> : null}
      {items.length === 0 ? null : (
        <ul class="rows" aria-label={props.label}>
          {items.map((item) => (
            <li class="row" key={props.keyOf(item)}>
              {props.render(item)}
            </li>
          ))}
        </ul>
      )}
      {list.isWhole || list.error !== undefined || list.first === undefined ? null : (
        <Button busy={list.isLoading ? `Loading ${props.what} …` : undefined} onPress={list.more}>
          {props.moreWords}
        </Button>
      )}
    </>
  );
}
