/** What scripts come in with. */

import { useState } from 'preact/hooks';
import type { Scope, Token } from '../../api-types.ts';
import { usePage } from '../../context.ts';
import { Button, ErrorNotice, When } from '../../ui/basics.tsx';
import { Dialog } from '../../ui/dialog.tsx';
import { SelectField, TextField } from '../../ui/fields.tsx';
import { useAction } from '../../use-loaded.ts';
import { AccessList } from './access-list.tsx';

const SCOPES: readonly (readonly [Scope, string])[] = [
  ['read', 'Read: see and download'],
  ['backup', 'Back up: begin backups, and read'],
  ['restore', 'Restore: put back, and read'],
  ['admin', 'Everything'],
];

export function TokensSection() {
  const page = usePage();
  return (
    <AccessList<Token>
      title="API tokens"
      lead="For scripts: each may do what its scope says, and nothing else."
      what="tokens"
      addWords="Make a token"
      load={(signal) => page.api.tokens(signal)}
      describe={(token) => (
        <>
          {token.scopes.join(', ')}, made <When at={token.created_at} />
          {token.used_at === null ? ', never used' : ', used '}
          {token.used_at === null ? null : <When at={token.used_at} />}
        </>
      )}
      removalOf={({ id, name }) => ({
        title: `Remove the token ${name}`,
        action: 'Remove the token',
        warning: 'Scripts that use it are refused from now on.',
        said: `The token ${name} is of no use any more.`,
        run: () => page.api.removeToken(id),
      })}
      addDialog={(onClose, onAdded) => <AddDialog onClose={onClose} onAdded={onAdded} />}
    />
  );
}

function AddDialog({ onClose, onAdded }: { readonly onClose: () => void; readonly onAdded: () => void }) {
  const page = usePage();
  const [name, setName] = useState('');
  const [scope, setScope] = useState<Scope>('read');
  const [secret, setSecret] = useState<string | undefined>();
  const action = useAction();
  const add = (event: Event): void => {
    event.preventDefault();
    action.run(async () => {
      const made = await page.api.addToken(name, [scope]);
      setSecret(made.secret);
      onAdded();
    });
  };
  if (secret !== undefined) {
    return (
      <Dialog title="The token was made" onClose={onClose}>
        <div class="stack">
          <p>Copy it now: it is shown this once.</p>
          <TextField label="Token" value={secret} onChange={() => undefined} isReadOnly />
          <div class="dialog-actions">
            <Button kind="main" onPress={onClose}>
              I have copied it
            </Button>
          </div>
        </div>
      </Dialog>
    );
  }
  return (
    <Dialog title="Make a token" onClose={onClose} canClose={!action.isBusy}>
      <form class="stack" onSubmit={add}>
        <TextField label="Name" value={name} onChange={setName} hint="What it is for" maxLength={100} required />
        <SelectField label="May" value={scope} options={SCOPES} onChange={setScope} />
        <ErrorNotice error={action.error} />
        <div class="dialog-actions">
          <Button onPress={onClose}>Not now</Button>
          <Button kind="main" type="submit" busy={action.isBusy ? 'Making it …' : undefined}>
            Make the token
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
