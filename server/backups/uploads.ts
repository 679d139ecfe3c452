/** Uploads on their way: received, judged, restored, and gone. */

import type { Readable } from 'node:stream';
import { isWithin } from '../../engine/index.ts';
import type { ServerContext } from '../context.ts';
import { isOver, type Job } from '../jobs/job.ts';
import { ServerError } from '../problems.ts';
import { serverPlaces } from './audiobookshelf.ts';
import { LIBRARY_LISTS, libraryOf } from './library.ts';
import type { UploadPreview } from './preview.ts';
import { Quarantine, type Upload } from './quarantine.ts';
import { rescanBackups } from './rescan.ts';
import { type RestorePlace, restoreOptionsOf } from './restore.ts';

export class Uploads {
  readonly #context: ServerContext;
  readonly #quarantine: Quarantine;

  constructor(context: ServerContext) {
    this.#context = context;
    this.#quarantine = new Quarantine(context.options.stateDirectory);
    context.jobs.onEnd((job) => this.#ended(job));
  }

  list(): Upload[] {
    return this.#quarantine.list();
  }

  get(id: number): Upload {
    return this.#quarantine.get(id);
  }

  /** Of an upload that was judged; undefined until then. */
  previewOf({ jobId }: Upload): UploadPreview | undefined {
    const job = jobId === undefined ? undefined : this.#context.jobs.find(jobId)?.job;
    return job?.status === 'COMPLETED' ? (job.result as UploadPreview) : undefined;
  }

  /** Takes the bytes, then starts the job that judges them. */
  async receive(
    body: Readable,
    given: { readonly declaredBytes: number | undefined; readonly createdBy: string },
  ): Promise<{ readonly upload: Upload; readonly job: Job }> {
    const { jobs, state, nowMs } = this.#context;
    const received = await this.#quarantine.receive(body, { ...given, nowMs: nowMs() });
    try {
      const job = jobs.start({
        kind: 'judge',
        request: {
          file: received.file,
          taken: state.backups.listWithStatus('COMPLETED').map(({ backupId }) => backupId),
          known: this.#knownFolders(),
        },
        title: 'Judge an upload',
        trigger: 'manual',
        createdBy: given.createdBy,
      });
      const upload = { ...received, jobId: job.id };
      this.#quarantine.set(upload);
      return { upload, job };
    } catch (error) {
      this.#quarantine.remove(received);
      throw error;
    }
  }

  /** Takes the backup file of an Audiobookshelf server, then starts the job that makes a backup of it. CONFLICT where the library is none of that server. */
  async importServerBackup(body: Readable, { createdBy }: { readonly createdBy: string }): Promise<Job> {
    const { jobs, settings, nowMs } = this.#context;
    const places = serverPlaces(libraryOf(settings).library);
    if (places === undefined) {
      throw new ServerError(
        'CONFLICT',
        'The library is not known as one of Audiobookshelf: there is no place for its backup',
      );
    }
    const received = await this.#quarantine.receive(body, { declaredBytes: undefined, nowMs: nowMs(), createdBy });
    try {
      const job = jobs.start({
        kind: 'import',
        request: { file: received.file, places, createdBy },
        title: 'Take a backup of Audiobookshelf',
        trigger: 'manual',
        createdBy,
      });
      this.#quarantine.set({ ...received, jobId: job.id });
      return job;
    } catch (error) {
      this.#quarantine.remove(received);
      throw error;
    }
  }

  /** CONFLICT where it was not judged, where it is being restored, and where a folder of it has no place here. */
  restore(upload: Upload, { place, createdBy }: { readonly place: RestorePlace; readonly createdBy: string }): Job {
    const { jobs, options } = this.#context;
    const preview = this.previewOf(upload);
    if (preview === undefined) throw new ServerError('CONFLICT', `Upload ${upload.id} was not judged yet`);
    this.#requireIdle(upload);
    if (jobs.isUnderWay('restore') || jobs.isUnderWay('restore-upload')) {
      throw new ServerError('CONFLICT', 'A restore is under way already');
    }
    requirePlaces(preview, place);
    const { hooks, hookEnvironment } = options;
    const { file, key } = upload;
    const job = jobs.start({
      kind: 'restore-upload',
      request: { file, key, createdBy, options: restoreOptionsOf('', place), confirmed: true, hooks, hookEnvironment },
      title: `Restore of the upload ${preview.backup_id ?? preview.snapshot_id.slice(0, 12)}`,
      trigger: 'manual',
      createdBy,
    });
    this.#quarantine.set({ ...upload, restoreJobId: job.id });
    return job;
  }

  remove(upload: Upload): void {
    this.#requireIdle(upload);
    this.#quarantine.remove(upload);
  }

  #requireIdle({ id, jobId, restoreJobId }: Upload): void {
    for (const job of [jobId, restoreJobId]) {
      const found = job === undefined ? undefined : this.#context.jobs.find(job);
      if (found === undefined || isOver(found.job)) continue;
      throw new ServerError('CONFLICT', `Upload ${id} is in use by job ${job}`);
    }
  }

  #knownFolders(): Buffer[] {
    const { settings, options } = this.#context;
    const { library } = libraryOf(settings);
    return [...options.sources, ...LIBRARY_LISTS.flatMap((list) => library[list].map((path) => Buffer.from(path)))];
  }

  /** What was refused goes at once, and what was used; what only waits for its server to be stopped stays. */
  #ended(job: Job): void {
    if (job.kind !== 'judge' && job.kind !== 'restore-upload' && job.kind !== 'import') return;
    const { log, events } = this.#context;
    const judged = this.#quarantine.findByJob(job.id);
    if (judged !== undefined && (job.status !== 'COMPLETED' || job.kind === 'import')) this.#quarantine.remove(judged);
    // Another job may have gone on with what the first one was asked for.
    const { upload_key: key } = (job.result ?? {}) as { readonly upload_key?: string };
    const used = key === undefined ? undefined : this.#quarantine.findByKey(key);
    if (used !== undefined && job.status === 'COMPLETED') this.#quarantine.remove(used);
    events.publish('uploads', {});
    if (job.kind === 'judge') return;
    rescanBackups(this.#context).catch((error: unknown) => log.warn({ err: error }, 'The list of backups may be old'));
  }
}

/** Somebody else's file must not write to folders that nobody here named. */
function requirePlaces({ places }: UploadPreview, { mappings }: RestorePlace): void {
  for (const { path, path_base64: base64, is_known: isKnown } of places) {
    const bytes = base64 === undefined ? Buffer.from(path) : Buffer.from(base64, 'base64');
    if (isKnown || mappings.some(({ from }) => isWithin(bytes, from))) continue;
    throw new ServerError(
      'CONFLICT',
      `The backup holds ${path}, which is not of this server's library: say with a mapping where it goes`,
    );
  }
}
