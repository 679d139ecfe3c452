/** The frame of pages for somebody who is not signed in. */

import type { ComponentChildren } from 'preact';
import { useEffect } from 'preact/hooks';
import { BrandMark } from '../shell.tsx';

export function Alone(props: {
  readonly title: string;
  readonly lead?: ComponentChildren;
  readonly children?: ComponentChildren;
}) {
  useEffect(() => {
    document.title = `${props.title} · snap`;
  }, [props.title]);
  return (
    <main class="alone">
      <div class="card">
        <p class="brand">
          <BrandMark /> snap
        </p>
        <h1>{props.title}</h1>
        {props.lead === undefined ? null : <p class="muted">{props.lead}</p>}
        {props.children}
      </div>
    </main>
  );
}
