/** A dialog: the browser's own, which keeps the focus inside, closes with Escape, and gives the focus back. */

import type { ComponentChildren } from 'preact';
import { useEffect, useId, useRef } from 'preact/hooks';
import { Button } from './basics.tsx';

/** What gets the focus: the first field, or else the harmless one of the buttons. */
const FIRST = 'input:not(:disabled), select, textarea, .dialog-actions button';

export function Dialog(props: {
  readonly title: string;
  readonly onClose: () => void;
  /** False while something goes on that closing would not end. */
  readonly canClose?: boolean;
  readonly children: ComponentChildren;
}) {
  const dialog = useRef<HTMLDialogElement>(null);
  const id = useId();
  const { canClose = true } = props;
  useEffect(() => {
    const node = dialog.current;
    const opener = document.activeElement;
    node?.showModal();
    // Not the button that closes it, which comes first.
    node?.querySelector<HTMLElement>(FIRST)?.focus();
    return () => {
      node?.close();
      // Once it is out of the document: until then, or where the focus was on nothing, closing alone does not do it.
      setTimeout(() => {
        if (document.activeElement !== document.body) return;
        if (opener instanceof HTMLElement && opener.isConnected) opener.focus();
      });
    };
  }, []);
  return (
    <dialog
      ref={dialog}
      class="dialog"
      aria-labelledby={id}
      onCancel={(event) => {
        event.preventDefault();
        if (canClose) props.onClose();
      }}
    >
      <div class="dialog-head">
        <h2 id={id}>{props.title}</h2>
        <Button kind="quiet" icon="close" label="Close" disabled={!canClose} onPress={props.onClose} />
      </div>
      {props.children}
    </dialog>
  );
}

/** Asks once more before something that cannot be taken back. */
export function ConfirmDialog(props: {
  readonly title: string;
  readonly action: string;
  readonly busy: string;
  readonly isBusy: boolean;
  readonly error: string | undefined;
  /** False while something is still to be filled in. */
  readonly isReady?: boolean;
  readonly onConfirm: () => void;
  readonly onClose: () => void;
  readonly children: ComponentChildren;
}) {
  return (
    <Dialog title={props.title} onClose={props.onClose} canClose={!props.isBusy}>
      <div class="stack">{props.children}</div>
      {props.error === undefined ? null : (
        <p class="notice bad" role="alert">
          {props.error}
        </p>
      )}
      <div class="dialog-actions">
        <Button onPress={props.onClose} disabled={props.isBusy}>
          Keep it
        </Button>
        <Button
          kind="danger"
          disabled={props.isReady === false}
          busy={props.isBusy ? props.busy : undefined}
          onPress={props.onConfirm}
        >
          {props.action}
        </Button>
      </div>
    </Dialog>
  );
}
