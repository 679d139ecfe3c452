/** People who may sign in. Each of them is an admin. */

import { useState } from 'preact/hooks';
import type { User } from '../../api-types.ts';
import { usePage } from '../../context.ts';
import { Button, ErrorNotice, Section, Waiting, When } from '../../ui/basics.tsx';
import { ConfirmDialog, Dialog } from '../../ui/dialog.tsx';
import { TextField } from '../../ui/fields.tsx';
import { useAction, useLoaded } from '../../use-loaded.ts';

export function UsersSection() {
  const page = usePage();
  const loaded = useLoaded((signal) => page.api.users(signal));
  const [isAdding, setAdding] = useState(false);
  const [removed, setRemoved] = useState<User | undefined>();
  const action = useAction();
  const remove = async (user: User): Promise<void> => {
    const went = await action.run(() => page.api.removeUser(user.id));
    if (!went) return;
    page.toasts.show('good', `${user.name} cannot sign in any more.`);
    setRemoved(undefined);
    loaded.reload();
  };
  return (
    <Section
      title="People"
      lead="Everybody here is an admin."
      actions={
        <Button icon="plus" onPress={() => setAdding(true)}>
          Add a person
        </Button>
      }
    >
      <ErrorNotice error={loaded.error} onRetry={loaded.reload} />
      {loaded.data === undefined && loaded.isLoading ? <Waiting what="people" /> : null}
      <ul class="rows">
        {(loaded.data?.items ?? []).map((user) => (
          <li class="row" key={user.id}>
            <div class="row-main">
              <p class="row-title">{user.name}</p>
              <p class="muted">
                added <When at={user.created_at} />
              </p>
            </div>
            <Button kind="quiet" icon="trash" label={`Remove ${user.name}`} onPress={() => setRemoved(user)} />
          </li>
        ))}
      </ul>
      {isAdding ? <AddDialog onClose={() => setAdding(false)} onAdded={loaded.reload} /> : null}
      {removed === undefined ? null : (
        <ConfirmDialog
          title={`Remove ${removed.name}?`}
          action="Remove the person"
          busy="Removing …"
          isBusy={action.isBusy}
          error={action.error}
          onConfirm={() => remove(removed)}
          onClose={() => {
            action.clear();
            setRemoved(undefined);
          }}
        >
          <p>All sessions of {removed.name} end at once. Backups that they made stay.</p>
        </ConfirmDialog>
      )}
    </Section>
  );
}

function AddDialog({ onClose, onAdded }: { readonly onClose: () => void; readonly onAdded: () => void }) {
  const page = usePage();
  const [name, setName] = useState('');
  const [password, setPassword] = useState('');
  const action = useAction();
  const add = async (event: Event): Promise<void> => {
    event.preventDefault();
    const went = await action.run(async () => {
      await page.api.addUser(name, password);
    });
    if (!went) return;
    page.toasts.show('good', `${name} can sign in now.`);
    onAdded();
    onClose();
  };
  return (
    <Dialog title="Add a person" onClose={onClose} canClose={!action.isBusy}>
      <form class="stack" onSubmit={add}>
        <TextField label="Name" value={name} onChange={setName} required />
        <TextField
          label="Password"
          type="password"
          value={password}
          onChange={setPassword}
          autoComplete="new-password"
          minLength={10}
          hint="At least 10 characters. Tell it to them; they can change it."
          required
        />
        <ErrorNotice error={action.error} />
        <div class="dialog-actions">
          <Button onPress={onClose}>Not now</Button>
          <Button kind="main" type="submit" busy={action.isBusy ? 'Adding …' : undefined}>
            Add
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
