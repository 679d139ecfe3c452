/** The file of a backup comes in: sent, looked through, shown, and only after a word restored. */

import { useEffect, useId, useRef, useState } from 'preact/hooks';
import type { Job, Upload } from '../../api-types.ts';
import { usePage } from '../../context.ts';
import { formatBytes } from '../../format.ts';
import { isOver } from '../../state/jobs-watch.ts';
import { Button, ErrorNotice, Waiting } from '../../ui/basics.tsx';
import { Dialog } from '../../ui/dialog.tsx';
import { JobProgressBar } from '../../ui/job-progress.tsx';
import { useJob } from '../../use-job.ts';
import { useAction, useLoaded } from '../../use-loaded.ts';
import { RestoreSteps } from '../restore/restore-steps.tsx';
import { UploadPreviewStep } from './upload-preview.tsx';

interface Received {
  readonly upload: Upload;
  readonly job: Job;
}

export function UploadDialog({ onClose }: { readonly onClose: () => void }) {
  const page = usePage();
  const [received, setReceived] = useState<Received | undefined>();
  const [restoring, setRestoring] = useState<Job | undefined>();
  const begin = (job: Job): void => {
    page.jobs.put(job);
    setRestoring(job);
  };
  const close = (): void => {
    // What was not wanted need not lie in quarantine. Where it is gone already, nothing is left to do.
    if (received !== undefined && restoring === undefined)
      page.api.removeUpload(received.upload.id).catch(() => undefined);
    onClose();
  };
  return (
    <Dialog title="Upload a backup" onClose={close}>
      <div class="stack">
        {restoring !== undefined ? (
          <RestoreSteps job={restoring} onStarted={setRestoring} undo="Undo the restore">
            {() => <Button onPress={onClose}>Close</Button>}
          </RestoreSteps>
        ) : received === undefined ? (
          <SendStep onReceived={setReceived} onClose={onClose} />
        ) : (
          <JudgeStep received={received} onStarted={begin} onClose={close} onAnother={() => setReceived(undefined)} />
        )}
      </div>
    </Dialog>
  );
}

function SendStep(props: { readonly onReceived: (received: Received) => void; readonly onClose: () => void }) {
  const page = usePage();
  const id = useId();
  const [file, setFile] = useState<File | undefined>();
  const [part, setPart] = useState(0);
  const sending = useRef(new AbortController());
  const action = useAction();
  // Whoever closes the dialog does not want it any more.
  useEffect(() => () => sending.current.abort(), []);
  const send = (event: Event): void => {
    event.preventDefault();
    if (file === undefined) return;
    sending.current = new AbortController();
    setPart(0);
    action.run(async () => {
      const { upload, job } = await page.api.uploadBackup(file, {
        signal: sending.current.signal,
        onProgress: setPart,
      });
      page.jobs.put(job);
      props.onReceived({ upload, job });
    });
  };
  return (
    <form class="stack" onSubmit={send}>
      <p>
        Choose a file that was downloaded here, or from another server. It is looked through first: nothing changes.
      </p>
      <div class="field">
        <label for={id}>File of the backup</label>
        <input
          id={id}
          type="file"
          accept=".zip,application/zip"
          disabled={action.isBusy}
          onChange={(event) => setFile(event.currentTarget.files?.[0])}
        />
      </div>
      {action.isBusy && file !== undefined ? (
        <div class="progress">
          <progress aria-label="Progress of the upload" value={part} max={1} />
          <p class="progress-words">
            <span>
              {formatBytes(file.size * part)} of {formatBytes(file.size)} sent
            </span>
            <span class="muted">{Math.floor(part * 100)} %</span>
          </p>
        </div>
      ) : null}
      <ErrorNotice error={action.error} />
      <div class="dialog-actions">
        <Button onPress={props.onClose}>{action.isBusy ? 'Stop sending' : 'Not now'}</Button>
        <Button kind="main" type="submit" disabled={file === undefined} busy={action.isBusy ? 'Sending …' : undefined}>
          Upload
        </Button>
      </div>
    </form>
  );
}

function JudgeStep(props: {
  readonly received: Received;
  readonly onStarted: (job: Job) => void;
  readonly onClose: () => void;
  readonly onAnother: () => void;
}) {
  const { received } = props;
  const job = useJob(received.job) ?? received.job;
  if (!isOver(job)) {
    return (
      <>
        <p role="status">It is here. Now it is looked through …</p>
        <JobProgressBar job={job} />
      </>
    );
  }
  if (job.status !== 'COMPLETED') {
    return (
      <>
        <ErrorNotice error={`The file was refused: ${job.error?.message ?? 'looking through it was cancelled'}`} />
        <p>Nothing was changed, and the file is gone from the server.</p>
        <div class="dialog-actions">
          <Button onPress={props.onClose}>Close</Button>
          <Button onPress={props.onAnother}>Choose another file</Button>
        </div>
      </>
    );
  }
  return <Judged id={received.upload.id} onStarted={props.onStarted} onClose={props.onClose} />;
}

function Judged(props: { readonly id: number; readonly onStarted: (job: Job) => void; readonly onClose: () => void }) {
  const page = usePage();
  const loaded = useLoaded((signal) => page.api.upload(props.id, signal), { inputs: [props.id] });
  const preview = loaded.data?.preview;
  if (preview === undefined || preview === null) {
    return (
      <>
        <ErrorNotice error={loaded.error} onRetry={loaded.reload} />
        {loaded.isLoading ? <Waiting what="what it holds" /> : null}
      </>
    );
  }
  return <UploadPreviewStep id={props.id} preview={preview} onStarted={props.onStarted} onClose={props.onClose} />;
}
