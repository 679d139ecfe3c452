/** Every bound of the server in one place, with its unit. The engine's own stand in engine/base/limits.ts. */

const KIB = 1024;
const MIB = 1024 * KIB;
const SECOND_MS = 1000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

// ---- requests
/** Of a JSON body; uploads have a bound of their own. */
export const BODY_BYTES_MAX = 256 * KIB;
/** A request whose head does not come within this time is ended. */
export const REQUEST_HEAD_MS_MAX = 30 * SECOND_MS;
export const CONNECTIONS_MAX = 1024;
/** Requests of one address within RATE_WINDOW_MS that come without a session or token. */
export const ANONYMOUS_REQUESTS_MAX = 300;
/** Requests of one person or token within RATE_WINDOW_MS: a program that runs wild. */
export const IDENTIFIED_REQUESTS_MAX = 30_000;
export const RATE_WINDOW_MS = MINUTE_MS;
/** Addresses and identities whose requests are counted at a time. */
export const RATE_KEYS_MAX = 5000;
/** Beyond this delay of the event loop the server says that it is not ready. */
export const EVENT_LOOP_DELAY_MS_MAX = 2000;
/** Requests under way when the server stops are waited for this long. */
export const CLOSE_MS_MAX = 5 * SECOND_MS;

// ---- lists
export const PAGE_ITEMS_DEFAULT = 100;
export const PAGE_ITEMS_MAX = 1000;
export const CURSOR_CHARACTERS_MAX = 1000;

// ---- reading
/** Of one path in a request, as text or as base64. */
export const PATH_CHARACTERS_MAX = 8000;
export const TAG_CHARACTERS_MAX = 300;
export const TAGS_MAX = 100;
export const PATTERN_CHARACTERS_MAX = 1000;
/** Snapshots that cannot be read of which an answer tells. */
export const DAMAGE_TOLD_MAX = 20;
/** Hosts, labels, tags or paths that one filter names. */
export const FILTER_VALUES_MAX = 50;
/** Files and archives that are sent at a time, and bytes of one that wait for its client. */
export const DOWNLOADS_MAX = 128;
export const DOWNLOAD_BUFFER_BYTES = 256 * KIB;
/** A client that takes nothing for this long is let go; it can resume. */
export const DOWNLOAD_STALL_MS_MAX = 2 * MINUTE_MS;
/** Lists that are found as they are read (a diff, a search): at a time, of each kind, */
export const LISTS_UNDER_WAY_MAX = 8;
/** that wait for the question after their next page, each kind, */
export const KEPT_LISTS_MAX = 4;
/** and how long one waits. */
export const KEPT_LIST_MS_MAX = 60 * SECOND_MS;
/** A page of one is told after this time although it is not full. */
export const LIST_PAGE_MS = SECOND_MS;
/** Bytes of the repository's files are counted anew no more often: there are many files. */
export const REPOSITORY_SIZE_MS = 30 * SECOND_MS;
export const GROWTH_DAYS_DEFAULT = 400;
export const GROWTH_DAYS_MAX = 4000;
/** Jobs among which the last audits are looked for. */
export const JOBS_SEARCHED_MAX = 500;
/** Snapshots that one request changes. */
export const SNAPSHOTS_CHANGED_MAX = 1000;

// ---- people
export const USERS_MAX = 100;
export const TOKENS_MAX = 200;
export const USER_NAME_CHARACTERS_MAX = 64;
export const PASSWORD_CHARACTERS_MIN = 10;
export const PASSWORD_CHARACTERS_MAX = 256;
/** A session ends when it was not used for this long, */
export const SESSION_IDLE_MS_MAX = 7 * DAY_MS;
/** and in any case after this. */
export const SESSION_MS_MAX = 30 * DAY_MS;
/** That a session was used is written down no more often. */
export const SESSION_SEEN_MS = MINUTE_MS;
export const SESSIONS_MAX = 1000;
/** Failed sign-ins of one address, or with one name, within LOGIN_WINDOW_MS. */
export const LOGIN_FAILURES_MAX = 10;
export const LOGIN_WINDOW_MS = 15 * MINUTE_MS;
export const LOGIN_KEYS_MAX = 10_000;
/** Passwords that are judged at a time; each takes PASSWORD_MEMORY_KIB. */
export const PASSWORDS_UNDER_WAY_MAX = 2;
/** Passwords that wait for it. */
export const PASSWORDS_WAITING_MAX = 20;
export const PASSWORD_MEMORY_KIB = 64 * KIB;
export const PASSWORD_ITERATIONS = 3;

// ---- jobs
/** Jobs that only read run beside each other, and beside the one that writes. */
export const READING_JOBS_MAX = 2;
export const JOBS_WAITING_MAX = 50;
/** Jobs that are over and still listed. */
export const JOBS_KEPT_MAX = 2000;
/** Lines of a job's log, and characters of one. */
export const JOB_LINES_MAX = 1000;
export const JOB_LINE_CHARACTERS_MAX = 2000;
export const JOB_PROBLEMS_MAX = 200;
/** Of each server, that rows name and nobody has. */
export const JOB_MISSES_MAX = 50;
/** A job that was told to stop is killed after this, */
export const JOB_GRACE_MS_MAX = 10 * SECOND_MS;
/** unless commands must run after it, which have times of their own: a server that was stopped is started again. */
export const JOB_GRACE_WITH_COMMANDS_MS_MAX = 15 * MINUTE_MS;
/** Progress of a job is told to browsers no more often. */
export const JOB_PROGRESS_MS = 250;

// ---- restores
/** Paths that one restore brings back. */
export const RESTORE_PATHS_MAX = 100;
/** Entries of each kind that the plan of a restore names. */
export const PLAN_ENTRIES_MAX = 100;
/** Of a path in the title of a job. */
export const TITLE_PATH_CHARACTERS_MAX = 200;

// ---- events
/** Events that a client which lost its connection can still have. */
export const EVENTS_KEPT_MAX = 2000;
export const EVENT_HEARTBEAT_MS = 15 * SECOND_MS;
/** A client that is so far behind is let go; it comes back and is told what it missed. */
export const EVENT_BACKLOG_BYTES_MAX = 1024 * KIB;
export const EVENT_CLIENTS_MAX = 256;

// ---- backups
/** Folders of the sources that are looked into for what the library's own paths leave out. */
export const UNCOVERED_FOLDERS_MAX = 1000;
/** Backups that a client of Audiobookshelf is told of, the newest first: it knows no pages. */
export const SERVER_BACKUPS_LISTED_MAX = 1000;
/** Plans of zips that are kept, some kilobytes each, so that a download that goes on need not be planned anew. */
export const ZIP_PLANS_MAX = 16;
/** Files that the manifest of a backup's file names one by one. */
export const MANIFEST_FILES_MAX = 20_000;
export const MANIFEST_BYTES_MAX = 16 * MIB;
/** Uploads that lie in quarantine at a time. */
export const UPLOADS_MAX = 4;
export const UPLOAD_BYTES_MAX = 64 * 1024 * 1024 * MIB;
/** So much of the disk of the state stays free, whatever is uploaded. */
export const UPLOAD_FREE_BYTES_MIN = 64 * MIB;
/** Files that a preview of a restore names. */
export const PREVIEW_EXAMPLES_MAX = 20;

// ---- schedule
/** The clock is looked at this often: a machine may have slept, or its clock been set. */
export const SCHEDULE_TICK_MS_MAX = 30 * SECOND_MS;
/** A night that was missed is made up for this long after the start, so that disks and other servers are there. */
export const MISSED_RUN_DELAY_MS = 30 * SECOND_MS;
export const NEXT_RUNS_SHOWN = 5;
export const RETENTION_DAYS_MAX = 36_500;
/** Snapshots that one rule of a plan keeps. */
export const RETENTION_KEPT_MAX = 100_000;
export const RETENTION_DAYS_DEFAULT = 30;
/** Snapshots of the server's own state, one a day. */
export const STATE_SNAPSHOTS_KEPT = 14;

// ---- notifications
export const NOTIFICATION_TRIES_MAX = 3;
/** Before the second try, and three times as long before each further one. */
export const NOTIFICATION_RETRY_MS = 2 * SECOND_MS;
export const NOTIFICATION_MS_MAX = 15 * SECOND_MS;
/** Messages that wait to be sent; what comes beyond is only in the log. */
export const NOTIFICATIONS_WAITING_MAX = 100;
/** How often it is looked whether the last backup is too old, */
export const STALE_CHECK_MS = 15 * MINUTE_MS;
/** and how often people are told of the same again. */
export const STALE_AGAIN_MS = DAY_MS;
export const STALE_DAYS_DEFAULT = 3;
export const STALE_DAYS_MAX = 3650;
export const MAIL_RECIPIENTS_MAX = 20;
