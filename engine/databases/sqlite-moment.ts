/**
 * Copies several live databases as they are at one moment:
 *
 * 1. Drafts, while nobody is held off: of databases that are idle, large, or cannot be opened where they are, the files are
 *    copied as they lie there.
 * 2. The moment: read transactions are pinned on all others, on those in rollback mode first. A writer has all databases of
 *    its transaction locked before it changes the first, so that pins that stand at the same time never have half of it.
 *    Nothing holds WAL writers off: that no commit came between their first pin and their last, a second connection says.
 *    Nobody is waited for while anything is pinned, since that one may wait for us.
 * 3. Drafts whose files are still as they were are of that moment. What else is in rollback mode is copied now, within the
 *    hold budget, and let go; then come the pages of the WAL transactions, which keep nobody waiting.
 *
 * Where a draft does not hold, or the budget is too small, all of it begins anew; after a few times each database is copied
 * by itself. One that fails, vanished or is none does not keep the others.
 */

import { fstatSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  DATABASE_LOCKED_ATTEMPTS_MAX,
  DATABASE_MOMENT_ATTEMPTS_MAX,
  DATABASE_PIN_ATTEMPTS_MAX,
} from '../base/limits.ts';
import { parentPath } from '../base/paths.ts';
import type { CaptureMethod } from './sqlite-capture.ts';
import { DatabaseCopier } from './sqlite-copy.ts';
import {
  begin,
  type CopyLimits,
  cannotOpenInPlace,
  copyBytes,
  copyPages,
  copyWithin,
  type FileCopier,
  HoldBudget,
  isBusy,
  isIdleLog,
  isLarge,
  isProbablyHot,
  Moved,
  openConnection,
  recoverImage,
  removeImage,
  removeSideFiles,
  type Subject,
} from './sqlite-copy-steps.ts';
import { liveFiles } from './sqlite-files.ts';
import {
  blaming,
  blamingLater,
  currentVersion,
  haveTwins,
  Member,
  MemberError,
  type MemberOutcome,
  versionOf,
} from './sqlite-moment-member.ts';
import { detachJournal, SuperJournals, superJournalOf } from './sqlite-super-journal.ts';

export interface MomentCopy {
  /** In the order of the subjects. */
  readonly members: readonly MemberOutcome[];
  /** Why they are not of one moment; undefined where they are. */
  readonly apart: string | undefined;
}

const TOO_BUSY =
  'writers came between each time, and holding them off for longer could make their server fail; ' +
  'stop the server for the time of the backup if they have to be of one moment';
const ONE_FILE = 'two of them are one file';

/** Between two looks at who holds a lock. */
const WAIT_MS = 3;
/** Pauses between attempts differ, so that they do not fall in with a writer's. */
const PAUSES_MS = [1, 4, 2, 7, 3, 6, 5];

/** `learned`: what one of them is, or that it cannot be had so; the others are tried without it, or in another way. */
type Attempt = 'copied' | 'again' | 'learned' | 'one-file';

export class MomentCopier {
  readonly #copier: FileCopier;
  readonly #limits: CopyLimits;
  /** How often the hold budget was too small. */
  #overruns = 0;

  constructor(copier: FileCopier, limits: CopyLimits) {
    this.#copier = copier;
    this.#limits = limits;
  }

  async copy(subjects: readonly Subject[]): Promise<MomentCopy> {
    const members = subjects.map((subject) => new Member(subject));
    const left = (): Member[] => members.filter(({ outcome }) => outcome === undefined);
    let apart = TOO_BUSY;
    for (let attempt = 1; attempt <= DATABASE_MOMENT_ATTEMPTS_MAX && left().length > 1; ) {
      const result = await this.#attempt(left());
      if (result === 'copied') break;
      if (result === 'again') attempt++;
      if (result === 'one-file') {
        apart = ONE_FILE;
        break;
      }
    }
    const rest = left();
    const folders = members.map(({ files }) => parentPath(files.main));
    for (const member of rest) {
      removeImage(member.image);
      member.outcome = await this.#copyAlone(member, folders);
    }
    return {
      members: members.map(({ outcome }) => outcome ?? { kind: 'vanished' }),
      // The only one of them that is left is of one moment.
      apart: rest.length > 1 ? apart : undefined,
    };
  }

  async #copyAlone(member: Member, folders: readonly Buffer[]): Promise<MemberOutcome> {
    try {
      return await new DatabaseCopier(this.#copier).copy(member, this.#limits, folders);
    } catch (error) {
      return { kind: 'failed', error };
    }
  }

  async #attempt(members: readonly Member[]): Promise<Attempt> {
    try {
      for (const member of members) {
        if (!blaming(member, () => member.open())) return 'learned';
      }
      if (haveTwins(members)) return 'one-file';
      for (const member of members) await blamingLater(member, () => this.#makeDraft(member));
      if (members.some(({ isPrivate, draft }) => isPrivate && draft === undefined)) return 'again';
      return await this.#find(members);
    } catch (error) {
      if (error instanceof Moved) return 'again';
      if (!(error instanceof MemberError)) throw error;
      const { member, cause } = error;
      if (cannotOpenInPlace(cause) && !member.isPrivate) member.isPrivate = true;
      else member.outcome = { kind: 'failed', error: cause };
      return 'learned';
    } finally {
      for (const member of members) member.closeConnections();
      for (const member of members) member.closeFile();
    }
  }

  // ---- drafts

  /** A draft that still holds is kept. */
  async #makeDraft(member: Member): Promise<void> {
    const live = liveFiles(member.files);
    if (live === undefined) throw new Moved('it vanished');
    if (member.isDraftGood()) return;
    if (member.draft !== undefined) member.isInUse = true;
    member.draft = undefined;
    const { wal, isPrivate, isTooLarge, isInUse } = member;
    const isHot = !wal && isProbablyHot(live);
    const isIdle = wal && !isInUse && isIdleLog(member, live);
    const isSlow = !wal && (isTooLarge || isLarge(member));
    if (!isPrivate && !isHot && !isIdle && !isSlow) return;
    const seen = await this.#copier.copyTogether(member);
    if (seen !== undefined) {
      const isOfMain = !wal && !isPrivate && !isHot;
      member.draft = { live: seen, superJournal: superJournalOf(member.image), isOfMain };
      return;
    }
    member.isInUse = true;
    if (isSlow && !member.wasRead) {
      // So that the disk is not waited for while writers wait.
      await copyBytes(member.fd, undefined, () => true);
      member.wasRead = true;
    }
  }

  // ---- the moment

  async #find(members: readonly Member[]): Promise<Attempt> {
    const inPlace = members.filter(({ draft }) => draft === undefined || draft.isOfMain);
    for (const member of inPlace) {
      blaming(member, () => {
        member.connection = openConnection(member, 0);
        if (member.wal) member.witness = openConnection(member, 0);
      });
      // Whatever takes its time, a recovery say, is done before anybody is held off.
      await this.#waitFor(member);
    }
    for (let attempt = 1; attempt <= DATABASE_PIN_ATTEMPTS_MAX; attempt++) {
      const superJournals = new SuperJournals(members.map(({ files }) => parentPath(files.main)));
      try {
        const result = this.#pinAll(members, superJournals);
        if (result === 'had') {
          // A log grows while it is pinned, so those come first.
          const isPinned = ({ connection }: Member): boolean => connection !== undefined;
          for (const member of members.filter(isPinned)) await this.#finish(member, superJournals);
          for (const member of members) await this.#finish(member, superJournals);
          return 'copied';
        }
        if (result === 'stale') return 'again';
        await sleep(PAUSES_MS[attempt % PAUSES_MS.length]);
      } catch (error) {
        if (!(error instanceof MemberError) || !isBusy(error.cause)) throw error;
        await this.#waitFor(error.member);
      }
    }
    return 'again';
  }

  /** Until nobody has it locked, with nothing pinned. */
  async #waitFor(member: Member): Promise<void> {
    const { connection, witness } = member;
    if (connection === undefined) return;
    const end = performance.now() + this.#limits.busyTimeoutMs;
    for (;;) {
      try {
        begin(connection);
        if (witness !== undefined) versionOf(witness);
        return;
      } catch (error) {
        if (!isBusy(error) || performance.now() >= end) throw new MemberError(member, error);
      } finally {
        member.unpin();
      }
      await sleep(WAIT_MS);
    }
  }

  /**
   * Pins, looks, copies what has to be copied meanwhile, and lets go of what is in rollback mode. `had`: those in WAL mode
   * are still pinned. `moved`: a commit came between. `stale`: a draft does not hold, or the budget is too small.
   */
  #pinAll(members: readonly Member[], superJournals: SuperJournals): 'had' | 'moved' | 'stale' {
    const budget = new HoldBudget(this.#limits.holdMsMax);
    const held = members.filter(({ wal, connection }) => !wal && connection !== undefined);
    const logs = members.filter(({ wal, connection }) => wal && connection !== undefined);
    let result: 'had' | 'moved' | 'stale' | undefined;
    try {
      for (const member of [...held, ...logs]) blaming(member, () => member.pin());
      for (const { draft } of members) {
        if (draft?.superJournal !== undefined && !draft.isOfMain) superJournals.mustRollBack(draft.superJournal);
      }
      const stale = members.filter((member) => !logs.includes(member) && !member.isDraftGood());
      const isSame = logs
        .slice(0, -1)
        .every((member) => blaming(member, () => member.version === currentVersion(member)));
      if (stale.some((member) => !held.includes(member))) result = 'stale';
      else if (!isSame) result = 'moved';
      else result = this.#copyHeld(held, stale, budget) ? 'had' : 'stale';
      return result;
    } finally {
      const pinned = result === 'had' ? held : members;
      for (const member of pinned) member.unpin();
    }
  }

  /** Copies those that are stale, while none of them can change. False where the budget is too small. */
  #copyHeld(held: readonly Member[], stale: readonly Member[], budget: HoldBudget): boolean {
    const outcomes = new Map<Member, MemberOutcome>();
    const letGo = (member: Member, method: CaptureMethod): void => {
      member.unpin();
      const { live } = member;
      if (live !== undefined) outcomes.set(member, { kind: 'copied', method, holdMs: budget.heldMs, wal: false, live });
    };
    for (const member of held) if (!stale.includes(member)) letGo(member, 'between-writers');
    if (this.#overruns >= DATABASE_LOCKED_ATTEMPTS_MAX && stale.some(({ isTooLarge }) => isTooLarge)) return false;
    budget.expect(stale.reduce((bytes, { fd }) => bytes + fstatSync(fd).size, 0));
    const copy = (member: Member): boolean => {
      member.draft = undefined;
      removeImage(member.image);
      const isCloned = this.#copier.clone(member.files.main, member.image, member.fd);
      if (!isCloned && !copyWithin(budget, member)) return false;
      letGo(member, isCloned ? 'reflink' : 'under-lock');
      return true;
    };
    if (!stale.every((member) => blaming(member, () => copy(member)))) {
      for (const member of stale) member.isTooLarge = true;
      this.#overruns++;
      return false;
    }
    for (const [member, outcome] of outcomes) {
      removeSideFiles(member.image);
      member.outcome = outcome;
    }
    return true;
  }

  /** What may take its time: pages of a WAL, the recovery of a draft. */
  async #finish(member: Member, superJournals: SuperJournals): Promise<void> {
    const { connection, draft, live, wal, image } = member;
    if (member.outcome !== undefined) return;
    try {
      if (draft !== undefined) {
        detachJournal(image, superJournals);
        const isLog = recoverImage(image, draft.live);
        member.outcome = { kind: 'copied', method: 'private-copy', holdMs: 0, wal: isLog, live: draft.live };
      } else if (connection !== undefined && live !== undefined) {
        removeImage(image);
        await copyPages(connection, image);
        member.outcome = { kind: 'copied', method: 'wal-transaction', holdMs: 0, wal, live };
      }
    } catch (error) {
      member.outcome = { kind: 'failed', error };
    } finally {
      member.unpin();
    }
  }
}
