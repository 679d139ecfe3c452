/** Every bound of the engine in one place, with its unit. Relations between limits are asserted at the end. */

export const KIB = 1024;
export const MIB = 1024 * KIB;
export const GIB = 1024 * MIB;

// ---- chunker (bytes); FORMAT.md gives the reasons, bench/NOTES.md the figures
export const CHUNK_SMALL_BYTES_MIN = 4 * KIB;
export const CHUNK_SMALL_BYTES_NORMAL = 16 * KIB;
export const CHUNK_SMALL_BYTES_MAX = 64 * KIB;
export const CHUNK_LARGE_BYTES_MIN = 512 * KIB;
export const CHUNK_LARGE_BYTES_NORMAL = 1 * MIB;
export const CHUNK_LARGE_BYTES_MAX = 4 * MIB;
/** Dumps of databases are cut behind rows: those that change lie scattered. A longer row is cut as a small file is. */
export const CHUNK_ROWS_BYTES_NORMAL = 512;
export const CHUNK_ROWS_BYTES_MAX = 8 * KIB;
/** SQLite files are cut at their page size, but never into pieces smaller than this. */
export const CHUNK_PAGE_BYTES_MIN = 4 * KIB;

// ---- files
/** Files up to this size travel to the workers in batches and are one chunk below CHUNK_SMALL_BYTES_MIN. */
export const BATCH_FILE_BYTES_MAX = 256 * KIB;
export const BATCH_FILES_MAX = 128;
export const BATCH_BYTES_MAX = 2 * MIB;
/** Larger files are cut in steps of this many bytes, each by whichever worker is free. */
export const FILE_STEP_BYTES = 8 * MIB;
/** Files that are not of a compressed media type count as large from this size on. */
export const LARGE_CLASS_BYTES_MIN = 64 * MIB;
/** Files of a compressed media type count as large from this size on. */
export const MEDIA_CLASS_BYTES_MIN = 1 * MIB;

// ---- frames and packs (bytes)
/** A frame of small blobs is sealed once it holds this much plaintext. */
export const FRAME_BYTES_TARGET = 256 * KIB;
/** One of trees: whoever reads trees needs few of a frame, and opens all of it for them. */
export const FRAME_TREE_BYTES_TARGET = 64 * KIB;
/** A blob of this size or more gets a frame of its own. */
export const FRAME_ALONE_BYTES_MIN = 128 * KIB;
/** No frame holds more plaintext than this. */
export const FRAME_BYTES_MAX = 8 * MIB;
/** A pack is finished once its frames reach this size. 100 GB make about 4,000 packs. */
export const PACK_BYTES_TARGET = 24 * MIB;
export const PACK_BYTES_MAX = 64 * MIB;
export const PACK_FRAMES_MAX = 65_000;
export const PACK_BLOBS_MAX = 1_000_000;
/** The first part of a large frame is compressed as a trial; when that saves too little, the frame is stored raw. */
export const COMPRESSION_PROBE_BYTES = 64 * KIB;
export const COMPRESSION_LEVEL_DEFAULT = 3;
export const COMPRESSION_LEVEL_MAX = 19;

// ---- trees
export const TREE_PART_BYTES_MIN = 16 * KIB;
export const TREE_PART_BYTES_MAX = 256 * KIB;
/** A row in this many ends a part, once the part has TREE_PART_BYTES_MIN. */
export const TREE_PART_ROWS_AVERAGE = 64;
export const TREE_LEVELS_MAX = 8;
/** A file's blob list is stored inside its node up to this many entries, else in list blobs of its own. */
export const CONTENT_INLINE_ENTRIES_MAX = 64;
export const CONTENT_LIST_ENTRIES_MIN = 128;
export const CONTENT_LIST_ENTRIES_AVERAGE = 256;
export const CONTENT_LIST_ENTRIES_MAX = 2048;
/** Of a dump of a database, whose scattered changes would else renew every list of its little pieces. */
export const CONTENT_ROWS_ENTRIES_MIN = 4;
export const CONTENT_ROWS_ENTRIES_AVERAGE = 8;
export const CONTENT_ROWS_ENTRIES_MAX = 256;
export const NAME_BYTES_MAX = 4096;
export const XATTR_BYTES_MAX = 1 * MIB;
export const DIRECTORY_DEPTH_MAX = 4096;

// ---- index
/** An index segment names at most this many blobs. */
export const INDEX_SEGMENT_BLOBS_MAX = 100_000;
export const INDEX_SEGMENT_PACKS_MAX = 4096;
/** Blobs that are held in shared memory before they are moved to LevelDB (32 bytes a slot, load 0.7 at most). */
export const YOUNG_BLOBS_MAX = 250_000;
/** Packs of those; each has its frames in memory, some 500 bytes. */
export const YOUNG_PACKS_MAX = 16_384;
/** Sorted runs in LevelDB; more are merged into one. */
export const COLD_RUNS_MAX = 8;
/** Ids of new blobs that a backup holds in memory before they are moved to a LevelDB of its own (16 bytes a slot). */
export const RUN_CLAIMS_MAX = 700_000;

// ---- prune
/** Ids that wait to be looked up together in LevelDB, 16 bytes each: every page of it is read once for all of them. */
export const MARK_IDS_WAITING_MAX = 2_000_000;
/** A mark names at most this many packs. */
export const MARK_PACKS_MAX = 4096;
/** Packs below this are merged once together they make one that is not. */
export const PACK_SMALL_BYTES = 6 * MIB;
/** Segments below half of INDEX_SEGMENT_BLOBS_MAX are merged once there are more than this. */
export const INDEX_SEGMENTS_SMALL_MAX = 16;
/** Frames that a repack reads in one go: sealed or plain, whichever is longer. */
export const REPACK_READ_BYTES_MAX = 8 * MIB;
/** Packs of so many bytes are worth a thread that helps to write them anew. */
export const REPACK_THREAD_BYTES_MIN = 96 * MIB;
/** Packs that are removed at a time: each removal waits for the disk or for the store. */
export const PACKS_REMOVED_AT_ONCE_MAX = 8;
/** Clocks that are further apart are refused by prune. */
export const CLOCK_SKEW_MS_MAX = 10 * 60_000;
/** What prune --now may take from a full disk, to write index segments before it removes packs. */
export const RESERVE_BYTES = 3 * MIB;

// ---- small sealed files
export const SEALED_FILE_BYTES_MAX = 256 * MIB;
/** Small sealed files that are read at a time: the next batch while this one is decoded. */
export const SEALED_FILES_AT_ONCE_MAX = 64;
/** Small sealed files that are written at a time. */
export const SEALED_WRITES_AT_ONCE_MAX = 16;
export const SNAPSHOT_PROBLEMS_MAX = 1000;
/** Records of snapshots that a long-lived process keeps, as they are stored; in memory they take two to three times that. */
export const SNAPSHOTS_KEPT_BYTES_MAX = 32 * MIB;
export const ANNOTATIONS_KEPT_BYTES_MAX = 8 * MIB;
/** Different values (rules, users, mounts) of those that are in memory once for all. */
export const SNAPSHOT_VALUES_SHARED_MAX = 10_000;
export const CONFIG_BYTES_MAX = 64 * KIB;
export const KEY_FILES_MAX = 256;

// ---- retention
/** No rule keeps more than this, but for one that keeps all. */
export const RETENTION_COUNT_MAX = 1_000_000;
/** Clocks may differ by this much before a snapshot counts as one of the future. */
export const CLOCK_AHEAD_MS_MAX = 60 * 60_000;
/** Trees that undelete remembers as whole, some 100 bytes each. */
export const WHOLE_TREES_MAX = 100_000;

// ---- run
export const WORKERS_DEFAULT_MAX = 4;
export const WORKERS_MAX = 64;
/** Files that may be under way between the scan and the trees. */
export const FILES_UNDER_WAY_MAX = 8192;
export const OPEN_DIRECTORIES_MAX = 256;
export const RELIST_ROUNDS_MAX = 3;
export const READ_ATTEMPTS_MAX = 3;
/** Images of databases found in the walk that lie in the scratch folder at a time. */
export const CAPTURED_IMAGES_MAX = 2;
export const PROGRESS_INTERVAL_MS = 100;
/** How long what reads much of what is in memory keeps its thread before others get a turn. */
export const THREAD_TURN_MS_MAX = 10;
/** Times this close to the start of the parent snapshot are not trusted as "unchanged": the kernel's clock ticks at 4-10 ms. */
export const CLOCK_TICK_MS_MAX = 20;
/** Snapshots of what was there before, the newest first, among which the one of a rollback that was cut off is looked for. */
export const ROLLBACK_SNAPSHOTS_MAX = 20;
/** Some file systems keep whole seconds (ext3), two of them (FAT) or hundredths (exFAT): their times are multiples of this. */
export const COARSE_NANOSECONDS = 10_000_000;
export const COARSE_TICK_SECONDS_MAX = 2;

// ---- shrink guard
/** A backup whose sources lost more than this share of their files or bytes is suspect. */
export const SHRINK_PERCENT_DEFAULT = 50;
/** Folders that a suspicion names. */
export const SHRINK_EXAMPLES_MAX = 5;

// ---- copy, export, import
/** Blobs that are read as one batch, and their plaintext bytes; two batches are in memory at a time. */
export const READ_BATCH_BLOBS_MAX = 16_384;
export const READ_BATCH_BYTES = 8 * MIB;
/** Blobs that a copy gathers before it reads them in the order in which they lie. */
export const COPY_WISHES_MAX = 16_384;
/** Directories and blobs of which a copy remembers that they are done; the rest is looked up again. */
export const COPY_REMEMBERED_MAX = 50_000;
/** Packs are named by a segment before the end of a run once they are this many bytes and this part of all (one in so many). */
export const SEGMENT_EARLY_BYTES_MIN = 64 * MIB;
export const SEGMENT_EARLY_SHARE = 8;

/** Files up to this size are put into a zip as a whole, with their length and CRC-32 in front. */
export const ZIP_WHOLE_BYTES_MAX = 1 * MIB;
/** Of a zip that is read from anywhere, one entry in so many is remembered with its place; those before it are walked again. */
export const ZIP_PLACE_ENTRIES = 1024;
/** What a zip has no place for, as far as it is named. */
export const ZIP_LEFT_OUT_TOLD_MAX = 1000;
/** CRC-32 sums of files that are remembered, some 100 bytes each. */
export const CRCS_REMEMBERED_MAX = 200_000;
/** Pieces that an export hands out, or a database server's client is fed, are gathered up to this size. */
export const EXPORT_PIECE_BYTES = 256 * KIB;
/** Inodes with several names that an export remembers; beyond that, names become files of their own. */
export const EXPORT_LINK_GROUPS_MAX = 1_000_000;
/** Memory that decompressing an archive may take: 2 to the power of this. zstd's own default. */
export const ZSTD_WINDOW_LOG_MAX = 27;

/** An archive may unfold to so many times its compressed length, beyond the first bytes that are free (trap 33). */
export const IMPORT_EXPANSION_MAX = 200;
export const IMPORT_EXPANSION_BYTES_FREE = 1 * GIB;
/** An extended header of a tar, and a name that stands in an entry of its own. */
export const TAR_EXTENDED_BYTES_MAX = 4 * MIB;
/** Records that hold for all entries of a tar that follow. */
export const TAR_GLOBAL_RECORDS_MAX = 1000;
/** Regions of data in one sparse file of a tar. */
export const TAR_REGIONS_MAX = 1_000_000;
/** Longer files than any file system holds are refused: a sparse entry can claim anything. */
export const IMPORT_FILE_BYTES_MAX = 16 * 1024 * GIB;
/** The lines that say what a server's backup is: four short ones. */
export const SERVER_DETAILS_BYTES_MAX = 4 * KIB;
/** What a server's database says of its settings, of which the version is looked for. */
export const SERVER_SETTINGS_BYTES_MAX = 1 * MIB;
/** Databases that are named where one of several has to be chosen. */
export const SERVER_DATABASES_NAMED_MAX = 5;
/** Rows of an import that are in memory before they go to a database in the cache directory. */
export const SCRATCH_ROWS_PENDING_MAX = 2048;

// ---- times
/** Furthest from 1970 that a calendar date is told. */
export const DATE_SECONDS_MAX = 8.64e12;

// ---- reading through a server
export const PAGE_ENTRIES_DEFAULT = 1000;
export const PAGE_ENTRIES_MAX = 10_000;
/** Entries of a folder that is shown in another order than that of its names: all of them are read for each page. */
export const PAGE_SORTED_ENTRIES_MAX = 10_000;

// ---- diff, find and log
/** Changes of a diff that are held to be told in order of their paths; of more, the first come as they are found. */
export const DIFF_CHANGES_HELD_MAX = 50_000;
/** Entries on each side, gone or new, among which moved ones are looked for. */
export const DIFF_MOVE_CANDIDATES_MAX = 50_000;
/** Entries of two directories that are compared to tell whether they are one. */
export const DIFF_LIKENESS_ENTRIES_MAX = 1000;
/** Of a text file whose lines are compared. */
export const DIFF_TEXT_BYTES_MAX = 32 * MIB;
/** Lines that may differ before two texts count as having nothing in common between their equal ends. */
export const DIFF_TEXT_EDITS_MAX = 2000;
/** Rows of one table that are shown. */
export const DIFF_TABLE_ROWS_MAX = 1000;
/** Distinct trees of a search whose lack of matches is remembered, 16 bytes each. */
export const FIND_TREES_REMEMBERED_MAX = 1_000_000;

// ---- leases
export const LEASE_REFRESH_MS = 5 * 60_000;
export const LEASE_STALE_MS = 30 * 60_000;

// ---- bounds of single modules
export const PASSWORD_ITERATIONS_MAX = 100; // codec/password.ts
export const PASSWORD_PARALLELISM_MAX = 16; // codec/password.ts
export const COLD_CLONE_ATTEMPTS_MAX = 10; // repository/cold-home.ts
export const FILTER_BUCKET_BITS_MAX = 28; // repository/run-filter.ts
export const CLAIM_SLOTS_MAX = 1 << 19; // repository/run-claims.ts
export const FRAME_CACHE_BYTES_MAX = 16 * MIB; // repository/frame-cache.ts
/** Frames from FRAME_ALONE_BYTES_MIN on that single reads have under way: sealed and opened bytes of each. */
export const FRAMES_LARGE_AT_ONCE_MAX = 16;
/** Frames of many small blobs fit into this; larger ones get memory of their own (repository/frame-memory.ts). */
export const FRAME_MEMORY_PIECE_BYTES_MAX = FRAME_BYTES_TARGET + FRAME_ALONE_BYTES_MIN;
/** What waits to be used again. */
export const FRAME_MEMORY_FREE_BYTES_MAX = 8 * MIB;
/** Tables grow to this, and further only where blobs cannot be moved to LevelDB. */
export const INDEX_TABLE_SLOTS_USUAL_MAX = 1 << 18;
export const INDEX_TABLES_USUAL_MAX = 8; // repository/young-index.ts
export const INDEX_TABLE_SLOTS_MAX = 1 << 21; // repository/young-index.ts
/** Dead packs are one bit each, in memory of this size that is shared before it is known how many there will be. */
export const PACKS_MAX = 1 << 23;
/** Names between two pauses. */
export const MERGE_BATCH_NAMES_MAX = 256;
export const COLD_BATCH_BYTES_MAX = 1 * MIB; // repository/cold-database.ts
/** What a scan of LevelDB leaves mapped into memory of its tables. */
export const COLD_MAPPED_BYTES_MAX = 16 * MIB;
export const SEALERS_MAX = 64; // repository/frame-reader.ts
export const COLD_FRAMES_CACHED_MAX = 2048; // repository/cold-index.ts
export const COLD_PUBLISH_ATTEMPTS_MAX = 3; // repository/cold-index.ts
/** Long enough for any thread that is running; one that was stopped half-way is not waited for. */
export const ID_TABLE_TURNS_MAX = 1_000_000;
/** Frames this close are read together with what lies between them. */
export const READ_GAP_BYTES_MAX = 64 * KIB;
export const READ_RUN_BYTES_MAX = 8 * MIB; // repository/batch-reader.ts
/** Buffers that are kept for later batches: one is at work, one is being read into. */
export const READ_BUFFERS_MAX = 2;
/** Listings of one refresh, where segments vanish between listing and reading. */
export const INDEX_RELISTINGS_MAX = 5;
/** Packs of which is remembered when the index was last listed because of them. */
export const CATCH_UPS_REMEMBERED_MAX = 1000;
/** Packs being written at the same time by one writer. */
export const PACKS_IN_FLIGHT_MAX = 4;
/** Pieces that one writer holds before settle() makes it wait: one that grows, one that is written, one that waits. */
export const PACK_PIECES_MAX = 3;
export const ID_SET_SLOTS_MAX = 1 << 22; // repository/id-set.ts
export const ATTRIBUTE_BYTES_MAX = 65_536; // filesystem/posix.ts
/** Verdicts that the matcher may remember before it is renewed; it never forgets one by itself. */
export const PATTERN_VERDICTS_CACHED_MAX = 8192;
export const ZIP_LINK_BYTES_MAX = 64 * KIB; // operations/import/zip-reader.ts
/** More names at the archive's root than this, and the snapshot names `/` as its path. */
export const IMPORT_PATHS_MAX = 16;
/** Names at the root that are remembered. */
export const IMPORT_TOP_NAMES_MAX = 64;
export const JOURNAL_BLOCK_DIGESTS_MAX = 1 << 16; // operations/restore/journal-format.ts
/** Two windows are in memory at a time, with the row and the state of each file: larger ones cost memory and win nothing. */
export const WINDOW_FILES_MAX = 8192;
export const WINDOW_SLICES_MAX = 262_144; // operations/restore/window.ts
/** 8 bytes a slot: 64 MiB at most. What does not fit is not known, and then its content decides. */
export const KNOWN_SLOTS_MAX = 1 << 23;
export const COMPARE_TASK_FILES_MAX = 1024; // operations/restore/comparer.ts
export const COMPARE_TASK_HANDLES_MAX = 128; // operations/restore/comparer.ts
export const COMPARE_TASK_BYTES_MAX = 16 * MIB; // operations/restore/comparer.ts
/** A changed file from this size on is built from what it holds already; a smaller one is one or two reads of the repository. */
export const REUSE_FILE_BYTES_MIN = 1 * MIB;
/** Of a file that one task builds, and pieces of it. */
export const REUSE_TASK_BYTES_MAX = 16 * MIB;
export const REUSE_TASK_PIECES_MAX = 8192;
/** How far beyond such a part, on each side, the old file is cut to find pieces that moved; the first chunks are lost to falling into step. */
export const REUSE_REACH_BYTES = 8 * MIB;
/** Distances by which pieces moved that are tried before the old file is cut. */
export const REUSE_DISTANCES_MAX = 4;
/** Files that were built as far as the old ones went, and wait for the rest: they take room on the target's disk. */
export const REUSE_WAITING_BYTES_MAX = 1 * GIB;
export const REUSE_WAITING_FILES_MAX = 1024;
/** Inodes with several names that are remembered; beyond that, names become files of their own. */
export const LINK_GROUPS_MAX = 1_000_000;
export const RESTORE_TASK_FILES_MAX = 512; // operations/restore/window-executor.ts
/** Directories and open files that one task needs; descriptors in flight are this, times the tasks of the pool. */
export const RESTORE_TASK_HANDLES_MAX = 128;
export const RESTORE_TASK_BYTES_MAX = 4 * MIB; // operations/restore/window-executor.ts
/** A search through all packs for another copy of a damaged blob is slow: this much of it in one restore. */
export const SALVAGE_SEARCH_MS_MAX = 60_000;
export const LARGE_FILES_OPEN_MAX = 128; // operations/restore/large-files.ts
/** Names of hard links that are waited for; beyond that the oldest are forgotten, and their other names read again. */
export const HARD_LINKS_WAITING_MAX = 50_000;
/** How long a run that failed waits for its workers; one that is cut off leaves half a pack behind for a day. */
export const DRAIN_MS_MAX = 10_000;
/** How long an interrupted run waits for them: somebody is waiting, too. */
export const DRAIN_INTERRUPTED_MS_MAX = 600;
export const PATH_BYTES_MAX = 1 * MIB; // operations/backup/left-out.ts
/** Directories that one batch keeps open. */
export const BATCH_DIRECTORIES_MAX = 32;
export const SETTLE_ATTEMPTS_MAX = 5; // operations/backup/directory-log.ts
/** Directories that are remembered, 32 bytes each; those beyond are read again when they moved. */
export const MOVED_DIRECTORY_SLOTS_MAX = 1 << 20;

/** Files that can be taken over from interrupted runs; those beyond are read again. */
export const JOURNAL_FILES_MAX = 2_000_000;
/** Records are written out in pieces of this size, and whenever a pack is durable. */
export const JOURNAL_UNWRITTEN_BYTES_MAX = 64 * KIB;
export const DATABASE_HOLD_MS_MAX = 1000; // databases/sqlite.ts
/** Rows are counted table by table for so long; a table whose turn does not come is left out. */
export const DATABASE_COUNT_MS_MAX = 2000;
export const DATABASE_TABLES_COUNTED_MAX = 1000; // databases/sqlite-inspect.ts
/** Tables that a record names because they could not be checked. */
export const DATABASE_MESSAGES_MAX = 100;
/** databases/sqlite-copy.ts, databases/sqlite-moment.ts */
export const DATABASE_LOCKED_ATTEMPTS_MAX = 2;
export const DATABASE_UNLOCKED_ATTEMPTS_MAX = 6; // databases/sqlite-copy.ts
export const DATABASE_PRIVATE_ATTEMPTS_MAX = 5; // databases/sqlite-copy.ts
/** databases/sqlite-super-journal.ts: a path as SQLite can have one. */
export const SUPER_JOURNAL_NAME_BYTES_MAX = 4 * KIB;
/** Attempts to have several databases as of one moment, for each of which large ones may be copied anew. */
export const DATABASE_MOMENT_ATTEMPTS_MAX = 4;
/** Looks for that moment in each attempt: how often a commit may come between, or a lock be met. */
export const DATABASE_PIN_ATTEMPTS_MAX = 200;
/** Databases of one moment: each is open while the others are looked at. */
export const DATABASE_MOMENT_MEMBERS_MAX = 64;
/** Attempts at a private copy before SQLite is asked to open the database in place. */
export const DATABASE_IDLE_ATTEMPTS_MAX = 2;
/** Swaps that begin anew because another file took the name meanwhile. */
export const DATABASE_SWAP_ATTEMPTS_MAX = 3;
/** How long a program that has the database open is waited for before a swap: it may only be reading it once. */
export const DATABASE_HOLDERS_WAIT_MS_MAX = 2000;
/** How long a swap keeps the old database locked for those who opened it just before: most give up and open the new one. */
export const DATABASE_LINGER_MS_MAX = 5000;
/** Names that are tried for a side file which is put aside. */
export const DATABASE_ASIDE_NAMES_MAX = 1000;
/** How long a database server may take to answer at first. */
export const DUMP_CONNECT_SECONDS_MAX = 30;
/** How long a dump, or what replaces a database, waits for a lock that somebody holds. */
export const DUMP_LOCK_WAIT_MS_MAX = 60_000;
/** What a client program says of its failure: the end of it counts. */
export const CLIENT_MESSAGE_BYTES_MAX = 16 * KIB;
/** What a client program answers to a question. */
export const CLIENT_ANSWER_BYTES_MAX = 16 * MIB;
/** Names of columns in a statement that begins rows; a longer one has its rows left uncounted. */
export const DUMP_STATEMENT_BYTES_MAX = 256 * KIB;
/** Triggers, routines, events and views of one MariaDB database, which are in memory while it is put in its place. */
export const DUMP_CODE_BYTES_MAX = 64 * MIB;
/** Rows that a child process hands over at a time. */
export const DATABASE_ROWS_BATCH = 500;
/** How long rows of an image are waited for, a sort of all of them included. */
export const DATABASE_ROWS_WAIT_MS_MAX = 15 * 60_000;
/** Pairs of tables between which references that lead nowhere are named. */
export const DATABASE_REFERENCES_MAX = 100;
/** Values of one column of a profile that are read: library folders of a server, say. */
export const PROFILE_VALUES_MAX = 1000;
/** Folders in which servers are looked for, in all sources; sources themselves are always looked at. */
export const PROFILE_FOLDERS_MAX = 1000;
/** Entries of one of those that are looked at. */
export const PROFILE_ENTRIES_MAX = 1000;
/** The same where servers are only mentioned: a night must not be later for it. */
export const PROFILE_MENTION_FOLDERS_MAX = 50;
export const PROFILE_MENTION_ENTRIES_MAX = 200;
/** A file of settings (`.env`) that is read: a larger one is none. */
export const PROFILE_SETTINGS_BYTES_MAX = 64 * KIB;
/** A longer text of a database is not searched for paths: it is decoded in memory as a whole. */
export const PATH_VALUE_BYTES_MAX = 64 * MIB;
/** Columns of a table that one statement searches for paths: no expression of SQLite is deeper than a thousand. */
export const PATH_COLUMNS_AT_ONCE_MAX = 200;
/** Mappings of one restore that are rewritten in a database, for the same reason. */
export const PATH_MAPPINGS_MAX = 100;
/** Servers that are named where one of several has to be chosen. */
export const SERVERS_NAMED_MAX = 10;
/** Folders of a snapshot at which a server is looked for. */
export const SNAPSHOT_SERVER_FOLDERS_MAX = 300;
/** Longer paths of a server's rows are no paths. */
export const SERVER_PATH_BYTES_MAX = 16 * KIB;
/** Of a title, or of what is said instead of a path. */
export const SERVER_TITLE_CHARACTERS_MAX = 300;
/** Misses of one comparison of a server's rows with files that are named; all are counted. */
export const SERVER_MISSES_MAX = 1000;
/** Of those, how many a backup tells. */
export const SERVER_MISSES_TOLD_MAX = 5;
/** Paths of a library by which its folder is found in a snapshot. */
export const SERVER_SAMPLE_MAX = 24;
/** Where nothing of a library is found and this much was looked for, one line stands for all of it. */
export const SERVER_LIBRARY_ENTRIES_MIN = 10;
/** Of a snapshot that left out more, what is missing is not looked up among it. */
export const SERVER_LEFT_OUT_MAX = 250_000;
/** Symbolic links that are followed on the way to one folder of a snapshot: as many as the kernel's. */
export const SNAPSHOT_LINKS_MAX = 40;
/** How deep below a source a server's folder may lie to be found. */
export const PROFILE_DEPTH_MAX = 2;
export const HOLDER_COMMAND_CHARACTERS_MAX = 64; // databases/open-holders.ts

/** Paths of directories that were listed, in memory; what is more lies in a file of the cache. */
export const DIRECTORY_LOG_BYTES_MAX = 4 * MIB;

/** How long a thread that is still loading is waited for before it is ended. */
export const THREAD_LOAD_MS_MAX = 5000;

// ---- night
/** How long a part of a night that was interrupted is waited for before what comes after it runs. */
export const NIGHT_DRAIN_MS_MAX = 5000;
/** A command past its time is asked to end, and killed after this. */
export const HOOK_GRACE_MS_MAX = 5000;
export const HOOK_TIMEOUT_MS_DEFAULT = 5 * 60_000;
/** Of a snapshot, that one rehearsal restores. */
export const REHEARSAL_FILES_MAX = 24;
/** Files are restored one by one, so a scratch folder holds no more than the largest of them. */
export const REHEARSAL_BYTES_DEFAULT = 512 * MIB;
/** How often a night prunes, checks and rehearses. */
export const NIGHT_EVERY_MS_DEFAULT = 7 * 24 * 60 * 60_000;
/** A check of a night reads one of so many parts of the data. */
export const CHECK_PARTS_DEFAULT = 12;
export const PING_TIMEOUT_MS_DEFAULT = 10_000;
export const PING_RETRIES_DEFAULT = 2;
/** A night that begins this much of an interval early is not put off to the next one. */
export const NIGHT_EARLY_SHARE = 0.1;
export const NIGHT_EARLY_MS_MAX = 3 * 60 * 60_000;

function assertLimits(): void {
  const relations: readonly (readonly [string, boolean])[] = [
    ['a batched file needs no list blobs', BATCH_FILE_BYTES_MAX / CHUNK_SMALL_BYTES_MIN <= CONTENT_INLINE_ENTRIES_MAX],
    ['a chunk of rows fits below a frame of its own', CHUNK_ROWS_BYTES_MAX <= CHUNK_SMALL_BYTES_MAX],
    ['a small chunk fits below a frame of its own', CHUNK_SMALL_BYTES_MAX <= FRAME_ALONE_BYTES_MIN],
    ['a large chunk fits into a frame', CHUNK_LARGE_BYTES_MAX <= FRAME_BYTES_MAX],
    ['an open frame cannot pass the largest', FRAME_BYTES_TARGET + FRAME_ALONE_BYTES_MIN <= FRAME_BYTES_MAX],
    ['a full pack stays below the largest', PACK_BYTES_TARGET + 2 * FRAME_BYTES_MAX <= PACK_BYTES_MAX],
    ['a step holds more than one chunk', FILE_STEP_BYTES >= 2 * CHUNK_LARGE_BYTES_MAX],
    ['a tree part fits into a frame', TREE_PART_BYTES_MAX + XATTR_BYTES_MAX <= FRAME_BYTES_MAX],
    ['clocks that are let through cannot make a live lease look dead', 2 * CLOCK_SKEW_MS_MAX < LEASE_STALE_MS],
    ['a lease that is not refreshed at once lives for long', 4 * LEASE_REFRESH_MS < LEASE_STALE_MS],
    ['a small pack is none once it is full', PACK_SMALL_BYTES < PACK_BYTES_TARGET],
    ['the old file is cut far enough to fall into step', REUSE_REACH_BYTES >= 2 * CHUNK_LARGE_BYTES_MAX],
    ['a batch holds its largest file', BATCH_FILE_BYTES_MAX <= BATCH_BYTES_MAX],
  ];
  for (const [name, holds] of relations) if (!holds) throw new Error(`limits.ts: it does not hold that ${name}`);
}
assertLimits();
