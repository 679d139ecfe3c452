/** People who may sign in. Each of them is an admin. */

import { useState } from 'preact/hooks';
import type { User } from '../../api-types.ts';
import { usePage } from '../../context.ts';
import { Button, ErrorNotice, When } from '../../ui/basics.tsx';
import { Dialog } from '../../ui/dialog.tsx';
import { TextField } from '../../ui/fields.tsx';
import { PASSWORD_CHARACTERS_MIN } from '../../ui/passwords.tsx';
import { useAction } from '../../use-loaded.ts';
import { AccessList } from './access-list.tsx';

export function UsersSection() {
  const page = usePage();
  return (
    <AccessList<User>
      title="People"
      lead="Everybody here is an admin."
      what="people"
      addWords="Add a person"
      load={(signal) => page.api.users(signal)}
      describe={(user) => (
        <>
          added <When at={user.created_at} />
        </>
      )}
      removalOf={({ id, name }) => ({
        title: `Remove ${name}`,
        action: 'Remove the person',
        warning: `All sessions of ${name} end at once. Backups that they made stay.`,
        said: `${name} cannot sign in any more.`,
        run: () => page.api.removeUser(id),
      })}
      addDialog={(onClose, onAdded) => <AddDialog onClose={onClose} onAdded={onAdded} />}
    />
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
          minLength={PASSWORD_CHARACTERS_MIN}
          hint={`At least ${PASSWORD_CHARACTERS_MIN} characters. Tell it to them; they can change it.`}
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
