/**
 * A new password of the repository. It comes beside the old one, since the server goes on with that until somebody starts
 * it with the new one: so the end of it is a list of what is left to do.
 */

import { useState } from 'preact/hooks';
import type { ServerPassword } from '../../api-types.ts';
import { usePage } from '../../context.ts';
import { Button, ErrorNotice } from '../../ui/basics.tsx';
import { Dialog } from '../../ui/dialog.tsx';
import { TextField } from '../../ui/fields.tsx';
import { NewPasswordFields, useNewPassword } from '../../ui/passwords.tsx';
import { useAction } from '../../use-loaded.ts';
import { newServerPasswordWords } from './server-password-words.ts';

export function ChangePasswordDialog(props: {
  readonly server: ServerPassword;
  readonly onClose: () => void;
  readonly onChanged: () => void;
}) {
  const page = usePage();
  const { server, onClose } = props;
  const [present, setPresent] = useState('');
  const [label, setLabel] = useState('');
  const [isDone, setDone] = useState(false);
  const next = useNewPassword();
  const action = useAction();
  const isAsked = server.origin !== 'none';
  const change = (event: Event): void => {
    event.preventDefault();
    if (!next.isSame) return;
    action.run(async () => {
      await page.api.addKey(isAsked ? present : undefined, next.value, label.trim());
      setDone(true);
      props.onChanged();
    });
  };
  if (isDone) return <WhatIsLeft server={server} onClose={onClose} />;
  return (
    <Dialog title="Change the repository's password" onClose={onClose} canClose={!action.isBusy}>
      <form class="stack" onSubmit={change}>
        <p class="muted">
          The new password opens the repository beside the present one, so that nothing breaks. You remove the old one
          when nothing uses it any more.
        </p>
        {isAsked ? (
          <TextField
            label="Present password of the repository"
            type="password"
            value={present}
            onChange={setPresent}
            autoComplete="off"
            required
          />
        ) : null}
        <NewPasswordFields label="New password" password={next} />
        <TextField label="Name" value={label} onChange={setLabel} maxLength={100} hint="What it is for, if you like" />
        <ErrorNotice error={action.error} />
        <div class="dialog-actions">
          <Button onPress={onClose} disabled={action.isBusy}>
            Not now
          </Button>
          <Button kind="main" type="submit" busy={action.isBusy ? 'One moment …' : undefined}>
            Change the password
          </Button>
        </div>
      </form>
    </Dialog>
  );
}

function WhatIsLeft({ server, onClose }: { readonly server: ServerPassword; readonly onClose: () => void }) {
  return (
    <Dialog title="The new password opens the repository" onClose={onClose}>
      <div class="stack">
        <p>The old one does so, too, and this server goes on with it. To finish the change:</p>
        <ol class="steps">
          <li>{newServerPasswordWords(server)}</li>
          <li>Start the server anew.</li>
          <li>Come back here and remove the old password from the list.</li>
        </ol>
        <p class="muted">Keep the new one where you keep what cannot be replaced: nobody can recover it for you.</p>
        <div class="dialog-actions">
          <Button kind="main" onPress={onClose}>
            Understood
          </Button>
        </div>
      </div>
    </Dialog>
  );
}
