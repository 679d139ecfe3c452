/** The way from something that was found to the page that brings it back. */

import type { ComponentChildren } from 'preact';
import type { PathEntry } from '../../api-types.ts';
import { Link } from '../../ui/basics.tsx';
import { pathQuery, type RestoreRule } from '../restore/choice.ts';

export function RestoreLink(props: {
  /** Id of the moment. */
  readonly snapshot: string;
  /** Undefined for all of it. */
  readonly entry?: PathEntry;
  /** What becomes of files that are there, if not what is usual. */
  readonly rule?: RestoreRule;
  readonly label?: string;
  readonly class?: string;
  readonly children: ComponentChildren;
}) {
  const { snapshot, entry } = props;
  // The top is all of it.
  const paths = entry === undefined || entry.path === '/' ? [] : [entry];
  return (
    <Link
      to="/restore"
      query={{ snapshot, ...pathQuery(paths), rule: props.rule }}
      class={props.class ?? 'button plain'}
      label={props.label}
    >
      {props.children}
    </Link>
  );
}
