/**
 * The folder of a snapshot's tree that lies on no disk: dumps of database servers. No source covers it, so that nothing
 * that goes by sources (a restore in place, a diff with the disk, the shrink guard) takes it for files.
 */

export const DUMP_FOLDER_NAME = Buffer.from('.snap-databases');
export const DUMP_FOLDER_PATH = Buffer.from('/.snap-databases');
