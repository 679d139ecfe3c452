/** What opens the repository: which passwords there are, a new one beside them, and the old one's end. */

import { useState } from 'preact/hooks';
import type { Key, Keys, ServerPassword } from '../../api-types.ts';
import { usePage } from '../../context.ts';
import { Badge, Button, ErrorNotice, Link, Section, Waiting, When } from '../../ui/basics.tsx';
import { ConfirmDialog } from '../../ui/dialog.tsx';
import { TextField } from '../../ui/fields.tsx';
import { useAction, useLoaded } from '../../use-loaded.ts';
import { ChangePasswordDialog } from './change-password-dialog.tsx';
import { serverPasswordWords } from './server-password-words.ts';

export function PasswordsSection() {
  const page = usePage();
  const loaded = useLoaded((signal) => page.api.keys(signal));
  const [isChanging, setChanging] = useState(false);
  const [removed, setRemoved] = useState<Key | undefined>();
  const keys = loaded.data;
  return (
    <Section
      title="Passwords of the repository"
      anchor="passwords"
      lead={
        <>
          Each of them opens all that is stored. Your own password, for signing in here, is under{' '}
          <Link to="/settings/access">Access</Link>.
        </>
      }
      actions={
        <Button disabled={keys === undefined} onPress={() => setChanging(true)}>
          Change the password
        </Button>
      }
    >
      <ErrorNotice error={loaded.error} onRetry={loaded.reload} />
      {keys === undefined ? (
        loaded.isLoading ? (
          <Waiting what="passwords" />
        ) : null
      ) : (
        <KeyList keys={keys} onRemove={setRemoved} />
      )}
      {isChanging && keys !== undefined ? (
        <ChangePasswordDialog
          server={keys.server_password}
          onClose={() => setChanging(false)}
          onChanged={loaded.reload}
        />
      ) : null}
      {removed === undefined || keys === undefined ? null : (
        <RemoveDialog
          removed={removed}
          server={keys.server_password}
          onClose={() => setRemoved(undefined)}
          onRemoved={() => {
            setRemoved(undefined);
            loaded.reload();
          }}
        />
      )}
    </Section>
  );
}

function nameOf({ label, protection }: Key): string {
  if (protection === 'none') return 'No password: whoever has the files can read them';
  return label === '' ? 'Password without a name' : label;
}

function KeyList({ keys, onRemove }: { readonly keys: Keys; readonly onRemove: (key: Key) => void }) {
  return (
    <>
      <ul class="rows" aria-label="Passwords">
        {keys.items.map((key) => (
          <li class="row" key={key.id}>
            <div class="row-main">
              <p class="row-title">
                {nameOf(key)} {key.in_use ? <Badge tone="plain">this server uses it</Badge> : null}
              </p>
              <p class="muted">
                made <When at={key.created} /> on {key.host}, <span class="path">{key.id.slice(0, 8)}</span>
              </p>
            </div>
            {key.in_use ? null : (
              <Button
                kind="quiet"
                icon="trash"
                label={`Remove ${nameOf(key)} (${key.id.slice(0, 8)})`}
                onPress={() => onRemove(key)}
              />
            )}
          </li>
        ))}
      </ul>
      <p class="muted">{serverPasswordWords(keys.server_password)}</p>
    </>
  );
}

function RemoveDialog(props: {
  readonly removed: Key;
  readonly server: ServerPassword;
  readonly onClose: () => void;
  readonly onRemoved: () => void;
}) {
  const page = usePage();
  const { removed, server } = props;
  const [present, setPresent] = useState('');
  const action = useAction();
  const isAsked = server.origin !== 'none';
  const remove = async (): Promise<void> => {
    const went = await action.run(() => page.api.removeKey(isAsked ? present : undefined, removed.id));
    if (!went) return;
    page.toasts.show('good', 'That password opens the repository no more.');
    props.onRemoved();
  };
  return (
    <ConfirmDialog
      title="Remove this password?"
      action="Remove the password"
      busy="Removing …"
      isBusy={action.isBusy}
      error={action.error}
      isReady={!isAsked || present !== ''}
      onConfirm={remove}
      onClose={props.onClose}
    >
      <p>
        {nameOf(removed)}, made <When at={removed.created} /> on {removed.host}. Whoever knows only this one cannot open
        the repository any more, on any machine.
      </p>
      {isAsked ? (
        <TextField
          label="Password of the repository"
          type="password"
          value={present}
          onChange={setPresent}
          hint="One that stays"
          required
        />
      ) : null}
    </ConfirmDialog>
  );
}
