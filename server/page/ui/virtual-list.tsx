/** A list of any length of which only what is in sight is in the document. Rows are of one height. */

import type { ComponentChildren } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';

/** Rows beyond both ends, so that scrolling by keyboard finds the next one. */
const ROWS_BEYOND = 8;
const ROW_HEIGHT = 56;
const ROWS_SHOWN_MAX = 12;

export function VirtualList<Item>(props: {
  readonly label: string;
  readonly items: readonly Item[];
  /** How many there are; more than are here while some are still to come. */
  readonly total?: number;
  readonly keyOf: (item: Item) => string;
  readonly render: (item: Item) => ComponentChildren;
  /** Called when the end of what is here comes near. */
  readonly onNearEnd?: () => void;
}) {
  const { items, onNearEnd } = props;
  const box = useRef<HTMLDivElement>(null);
  const [top, setTop] = useState(0);
  const first = Math.max(0, Math.floor(top / ROW_HEIGHT) - ROWS_BEYOND);
  const last = Math.min(items.length, Math.ceil(top / ROW_HEIGHT) + ROWS_SHOWN_MAX + ROWS_BEYOND);
  const isNearEnd = last >= items.length - ROWS_BEYOND;
  useEffect(() => {
    if (isNearEnd) onNearEnd?.();
  }, [isNearEnd, items.length]);
  const total = Math.max(props.total ?? 0, items.length);
  return (
    <div
      ref={box}
      class="virtual"
      // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, and must do so by the keyboard, also where no row can have the focus.
      tabIndex={0}
      onScroll={({ currentTarget }) => setTop(currentTarget.scrollTop)}
      style={{ height: `${Math.min(items.length, ROWS_SHOWN_MAX) * ROW_HEIGHT + 2}px` }}
    >
      {/* biome-ignore lint/a11y/useSemanticElements: rows that are not here leave a gap that only a role can tell. */}
      <div role="list" aria-label={props.label} style={{ height: `${items.length * ROW_HEIGHT}px` }}>
        {items.slice(first, last).map((item, offset) => (
          // biome-ignore lint/a11y/useSemanticElements: see above.
          <div
            key={props.keyOf(item)}
            role="listitem"
            aria-setsize={total}
            aria-posinset={first + offset + 1}
            class="virtual-row"
            style={{ transform: `translateY(${(first + offset) * ROW_HEIGHT}px)`, height: `${ROW_HEIGHT}px` }}
          >
            {props.render(item)}
          </div>
        ))}
      </div>
    </div>
  );
}
