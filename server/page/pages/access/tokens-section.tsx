/** What scripts come in with. */

import { useState } from 'preact/hooks';
import type { Scope, Token } from '../../api-types.ts';
import { usePage } from '../../context.ts';
import { Button, ErrorNotice, Section, Waiting, When } from '../../ui/basics.tsx';
import { ConfirmDialog, Dialog } from '../../ui/dialog.tsx';
import { SelectField, TextField } from '../../ui/fields.tsx';
import { useAction, useLoaded } from '../../use-loaded.ts';

const SCOPES: readonly (readonly [Scope, string])[] = [
  ['read', 'Read: see and download'],
  ['backup', 'Back up: begin backups, and read'],
  ['restore', 'Restore: put back, and read'],
  ['admin', 'Everything'],
];

export function TokensSection() {
  const page = usePage();
  const loaded = useLoaded((signal) => page.api.tokens(signal));
  const [isAdding, setAdding] = useState(false);
  const [removed, setRemoved] = useState<Token | undefined>();
  const action = useAction();
  const remove = async (token: Token): Promise<void> => {
    const went = await action.run(() => page.api.removeToken(token.id));
    if (!went) return;
    page.toasts.show('good', `The token ${token.name} is of no use any more.`);
    setRemoved(undefined);
    loaded.reload();
  };
  const tokens = loaded.data?.items ?? [];
  return (
    <Section
      title="API tokens"
      lead="For scripts: each may do what its scope says, and nothing else."
      actions={
        <Button icon="plus" onPress={() => setAdding(true)}>
          Make a token
        </Button>
      }
    >
      <ErrorNotice error={loaded.error} onRetry={loaded.reload} />
      {loaded.data === undefined && loaded.isLoading ? <Waiting what="tokens" /> : null}
      {loaded.data !== undefined && tokens.length === 0 ? <p class="muted">There is none.</p> : null}
      <ul class="rows">
        {tokens.map((token) => (
          <li class="row" key={token.id}>
            <div class="row-main">
              <p class="row-title">{token.name}</p>
              <p class="muted">
                {token.scopes.join(', ')}, made <When at={token.created_at} />
                {token.used_at === null ? ', never used' : ', used '}
                {token.used_at === null ? null : <When at={token.used_at} />}
              </p>
            </div>
            <Button
              kind="quiet"
              icon="trash"
              label={`Remove the token ${token.name}`}
              onPress={() => setRemoved(token)}
            />
          </li>
        ))}
      </ul>
      {isAdding ? <AddDialog onClose={() => setAdding(false)} onAdded={loaded.reload} /> : null}
      {removed === undefined ? null : (
        <ConfirmDialog
          title={`Remove the token ${removed.name}?`}
          action="Remove the token"
          busy="Removing …"
          isBusy={action.isBusy}
          error={action.error}
          onConfirm={() => remove(removed)}
          onClose={() => {
            action.clear();
            setRemoved(undefined);
          }}
        >
          <p>Scripts that use it are refused from now on.</p>
        </ConfirmDialog>
      )}
    </Section>
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
          <TextField label="Token" value={secret} onChange={() => undefined} />
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
