/** Label of the snapshots that are backups. */
export const BACKUP_LABEL = 'library-backup';
