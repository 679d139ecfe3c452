/** Name and password. */

import { useState } from 'preact/hooks';
import { usePage } from '../context.ts';
import { Button, ErrorNotice } from '../ui/basics.tsx';
import { TextField } from '../ui/fields.tsx';
import { useAction, useLoaded } from '../use-loaded.ts';
import { Alone } from './alone.tsx';

export function SignInPage() {
  const page = usePage();
  const [name, setName] = useState('');
  const [password, setPassword] = useState('');
  const action = useAction();
  const setup = useLoaded(() => page.api.setupState());
  const signIn = (event: Event): void => {
    event.preventDefault();
    action.run(async () => page.enter(await page.api.signIn(name, password)));
  };
  return (
    <Alone title="Sign in">
      {setup.data?.open === true ? (
        <p class="notice plain">
          First time here? The server wrote a setup link into its log when it started. Open that link to make the first
          admin.
        </p>
      ) : null}
      <form class="stack" onSubmit={signIn}>
        <TextField label="Name" value={name} onChange={setName} autoComplete="username" required autoFocus />
        <TextField
          label="Password"
          type="password"
          value={password}
          onChange={setPassword}
          autoComplete="current-password"
          required
        />
        <ErrorNotice error={action.error} />
        <Button kind="main" type="submit" busy={action.isBusy ? 'Signing in …' : undefined}>
          Sign in
        </Button>
      </form>
    </Alone>
  );
}
