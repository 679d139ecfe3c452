/** Rows of one table of a database that came, went or changed, cell by cell. */

import { Fragment } from 'preact';
import { placeOf } from '../../api.ts';
import type { Diff, DiffItem, DiffRow, DiffTable } from '../../api-types.ts';
import { usePage } from '../../context.ts';
import type { Tone } from '../../state/toasts.ts';
import { Badge, Button } from '../../ui/basics.tsx';
import { Dialog } from '../../ui/dialog.tsx';
import { PagedRows } from '../../ui/paged-rows.tsx';
import { usePages } from '../../use-pages.ts';
import { rowCountWords } from './tree-row.tsx';

const CHANGES: { readonly [change in DiffRow['change']]: readonly [Tone, string] } = {
  added: ['good', 'new'],
  removed: ['bad', 'gone'],
  changed: ['plain', 'changed'],
};

export function RowsDialog(props: {
  readonly table: DiffTable;
  readonly before: string;
  readonly after: string | undefined;
  readonly onClose: () => void;
}) {
  const page = usePage();
  const { table, before, after } = props;
  const place = placeOf(table);
  const list = usePages<DiffItem, Diff>(
    (cursor, signal) => page.api.diff({ before, after, place, cursor, withRows: true, signal }),
    [before, after, table.path],
  );
  const rows = list.items.filter((item): item is DiffRow => item.event === 'row' && item.table === table.table);
  return (
    <Dialog title={`Table ${table.table}`} onClose={props.onClose}>
      <div class="stack">
        <p class="path muted">{table.path}</p>
        <p>{rowCountWords(table)}</p>
        <PagedRows
          list={{ ...list, items: rows }}
          label="Rows"
          what="rows"
          moreWords="More rows"
          keyOf={({ change, key }) => `${change} ${JSON.stringify(key)}`}
          render={(row) => <RowChange row={row} />}
        />
        <div class="dialog-actions">
          <Button onPress={props.onClose}>Close</Button>
        </div>
      </div>
    </Dialog>
  );
}

const CELL_CHARACTERS_MAX = 300;

function cellWords(cell: unknown): string {
  if (cell === undefined || cell === null) return 'nothing';
  const text = typeof cell === 'string' ? cell : JSON.stringify(cell);
  return text.length <= CELL_CHARACTERS_MAX ? text : `${text.slice(0, CELL_CHARACTERS_MAX)} …`;
}

/** Of a row that changed only the cells that differ; what it was before stands struck out. */
function RowChange({ row: { change, key, before, after } }: { readonly row: DiffRow }) {
  const [tone, words] = CHANGES[change];
  // What differs from the other side: of a row that came or went that is whatever it holds.
  const names = Object.keys(after ?? before ?? {}).filter(
    (name) => JSON.stringify(before?.[name] ?? null) !== JSON.stringify(after?.[name] ?? null),
  );
  return (
    <div class="row-main">
      <p class="row-title">
        {Object.entries(key)
          .map(([name, cell]) => `${name} ${cellWords(cell)}`)
          .join(', ')}{' '}
        <Badge tone={tone}>{words}</Badge>
      </p>
      <dl class="facts cells">
        {names.map((name) => (
          <Fragment key={name}>
            <dt>{name}</dt>
            <dd>
              {change === 'added' ? null : <del>{cellWords(before?.[name])}</del>}{' '}
              {change === 'removed' ? null : <ins>{cellWords(after?.[name])}</ins>}
            </dd>
          </Fragment>
        ))}
      </dl>
    </div>
  );
}
