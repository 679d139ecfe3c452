/** Small parts that every page is made of. */

import type { ComponentChildren } from 'preact';
import { useEffect, useId, useRef } from 'preact/hooks';
import { usePage } from '../context.ts';
import { formatExact, formatRelative } from '../format.ts';
import type { PlaceParameters } from '../router.ts';
import type { Tone } from '../state/toasts.ts';
import { useStore } from '../store.ts';
import { Icon, type IconName } from './icon.tsx';

export function Link(props: {
  readonly to: string;
  readonly query?: PlaceParameters;
  readonly class?: string;
  readonly current?: boolean;
  /** Where the words alone do not say which one is meant. */
  readonly label?: string | undefined;
  readonly onFollow?: () => void;
  readonly children: ComponentChildren;
}) {
  const { router } = usePage();
  const follow = (event: MouseEvent): void => {
    if (event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    props.onFollow?.();
    router.go(props.to, props.query);
  };
  return (
    <a
      href={router.address(props.to, props.query)}
      class={props.class}
      aria-label={props.label}
      aria-current={props.current === true ? 'page' : undefined}
      onClick={follow}
    >
      {props.children}
    </a>
  );
}

export function Button(props: {
  readonly kind?: 'main' | 'plain' | 'quiet' | 'danger';
  readonly type?: 'button' | 'submit';
  readonly icon?: IconName;
  readonly disabled?: boolean;
  /** Says what goes on while it cannot be pressed again. */
  readonly busy?: string | undefined;
  /** Where the words alone do not say which one is meant. */
  readonly label?: string;
  readonly onPress?: () => void;
  readonly children?: ComponentChildren;
}) {
  const { kind = 'plain', type = 'button', busy } = props;
  return (
    <button
      type={type}
      class={`button ${kind}`}
      disabled={props.disabled === true || busy !== undefined}
      aria-label={busy === undefined ? props.label : undefined}
      title={props.children === undefined ? props.label : undefined}
      onClick={props.onPress}
    >
      {props.icon === undefined ? null : <Icon name={props.icon} />}
      {busy ?? props.children}
    </button>
  );
}

/** A moment: relative, the exact one on hover. */
export function When({ at }: { readonly at: string | number }) {
  const { nowMs } = usePage();
  const now = Math.max(useStore(nowMs), Date.now());
  const ms = typeof at === 'number' ? at : Date.parse(at);
  return (
    <time dateTime={new Date(ms).toISOString()} title={formatExact(ms)}>
      {formatRelative(ms, now)}
    </time>
  );
}

export function Badge({ tone, children }: { readonly tone: Tone; readonly children: ComponentChildren }) {
  return <span class={`badge ${tone}`}>{children}</span>;
}

/** A message that stands in the page. `bad` ones are spoken at once. */
export function Notice({ tone, children }: { readonly tone: Tone; readonly children: ComponentChildren }) {
  return (
    <div class={`notice ${tone}`} role={tone === 'bad' ? 'alert' : 'status'}>
      {children}
    </div>
  );
}

export function ErrorNotice({ error, onRetry }: { readonly error: string | undefined; readonly onRetry?: () => void }) {
  if (error === undefined) return null;
  return (
    <Notice tone="bad">
      <p>{error}</p>
      {onRetry === undefined ? null : <Button onPress={onRetry}>Try again</Button>}
    </Notice>
  );
}

/** While the first answer is on its way: words, after a moment. */
export function Waiting({ what }: { readonly what: string }) {
  return (
    <p class="waiting" role="status">
      Loading {what} …
    </p>
  );
}

export function Empty({ title, children }: { readonly title: string; readonly children?: ComponentChildren }) {
  return (
    <div class="empty">
      <p class="empty-title">{title}</p>
      {children}
    </div>
  );
}

/** The top of a page: its name, which gets the focus when one comes here, and what can be done. */
export function PageHead(props: {
  readonly title: string;
  readonly children?: ComponentChildren;
  readonly actions?: ComponentChildren;
}) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    document.title = `${props.title} · snap`;
  }, [props.title]);
  useEffect(() => {
    heading.current?.focus({ preventScroll: true });
    scrollTo(0, 0);
  }, []);
  return (
    <header class="page-head">
      <div>
        <h1 ref={heading} tabIndex={-1}>
          {props.title}
        </h1>
        {props.children === undefined ? null : <p class="lead">{props.children}</p>}
      </div>
      {props.actions === undefined ? null : <div class="actions">{props.actions}</div>}
    </header>
  );
}

export function Section(props: {
  readonly title: string;
  readonly lead?: ComponentChildren;
  readonly actions?: ComponentChildren;
  readonly children: ComponentChildren;
}) {
  const id = useId();
  return (
    <section class="section" aria-labelledby={id}>
      <div class="section-head">
        <div>
          <h2 id={id}>{props.title}</h2>
          {props.lead === undefined ? null : <p class="muted">{props.lead}</p>}
        </div>
        {props.actions === undefined ? null : <div class="actions">{props.actions}</div>}
      </div>
      {props.children}
    </section>
  );
}
