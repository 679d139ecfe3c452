/** What a new backup is to hold. */

import { useState } from 'preact/hooks';
import { usePage } from '../../context.ts';
import { Button, ErrorNotice } from '../../ui/basics.tsx';
import { Dialog } from '../../ui/dialog.tsx';
import { Checkbox } from '../../ui/fields.tsx';
import { useAction } from '../../use-loaded.ts';

export function CreateDialog({ onClose }: { readonly onClose: () => void }) {
  const page = usePage();
  const [books, setBooks] = useState(false);
  const [covers, setCovers] = useState(false);
  const action = useAction();
  const create = async (event: Event): Promise<void> => {
    event.preventDefault();
    const went = await action.run(async () => {
      const { job } = await page.api.createBackup({ books, covers });
      page.jobs.put(job);
    });
    if (!went) return;
    page.toasts.show('plain', 'The backup has begun. You may leave this page: it goes on.');
    onClose();
  };
  return (
    <Dialog title="Create Backup" onClose={onClose} canClose={!action.isBusy}>
      <form class="stack" onSubmit={create}>
        <p>The database is always part of it: users, progress, bookmarks, and what is known of each book.</p>
        <Checkbox
          label="Include book files"
          hint="Audio files and e-books. Takes a while the first time; later only what is new is stored."
          checked={books}
          onChange={setBooks}
        />
        <Checkbox
          label="Include covers"
          hint="Pictures and other files that the server keeps about books and authors."
          checked={covers}
          onChange={setCovers}
        />
        <ErrorNotice error={action.error} />
        <div class="dialog-actions">
          <Button onPress={onClose} disabled={action.isBusy}>
            Not now
          </Button>
          <Button kind="main" type="submit" busy={action.isBusy ? 'Starting …' : undefined}>
            Create Backup
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
