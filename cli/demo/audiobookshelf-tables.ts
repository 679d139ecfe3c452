/** The main tables of an Audiobookshelf server's database, as the server's own models declare them. */

const TIMES = '`createdAt` DATETIME NOT NULL, `updatedAt` DATETIME NOT NULL';
export const AUDIOBOOKSHELF_TABLES: readonly string[] = [
  'CREATE TABLE `users` (`id` UUID PRIMARY KEY, `username` VARCHAR(255), `email` VARCHAR(255), `pash` VARCHAR(255), ' +
    '`type` VARCHAR(255), `token` VARCHAR(255), `isActive` TINYINT(1) DEFAULT 0, `isLocked` TINYINT(1) DEFAULT 0, ' +
    `\`lastSeen\` DATETIME, \`permissions\` JSON, \`bookmarks\` JSON, \`extraData\` JSON, ${TIMES})`,
  'CREATE TABLE `libraries` (`id` UUID PRIMARY KEY, `name` VARCHAR(255), `displayOrder` INTEGER, `icon` VARCHAR(255), ' +
    '`mediaType` VARCHAR(255), `provider` VARCHAR(255), `lastScan` DATETIME, `lastScanVersion` VARCHAR(255), ' +
    `\`settings\` JSON, \`extraData\` JSON, ${TIMES})`,
  'CREATE TABLE `libraryFolders` (`id` UUID PRIMARY KEY, `path` VARCHAR(255), ' +
    `${TIMES}, \`libraryId\` UUID REFERENCES \`libraries\` (\`id\`) ON DELETE CASCADE ON UPDATE CASCADE)`,
  'CREATE TABLE `books` (`id` UUID PRIMARY KEY, `title` VARCHAR(255), `titleIgnorePrefix` VARCHAR(255), ' +
    '`subtitle` VARCHAR(255), `publishedYear` VARCHAR(255), `publishedDate` VARCHAR(255), `publisher` VARCHAR(255), ' +
    '`description` TEXT, `isbn` VARCHAR(255), `asin` VARCHAR(255), `language` VARCHAR(255), `explicit` TINYINT(1), ' +
    '`abridged` TINYINT(1), `coverPath` VARCHAR(255), `duration` FLOAT, `narrators` JSON, `audioFiles` JSON, ' +
    `\`ebookFile\` JSON, \`chapters\` JSON, \`tags\` JSON, \`genres\` JSON, ${TIMES})`,
  'CREATE INDEX `books_title` ON `books` (`title` COLLATE `NOCASE`)',
  'CREATE TABLE `libraryItems` (`id` UUID PRIMARY KEY, `ino` VARCHAR(255), `path` VARCHAR(255), `relPath` VARCHAR(255), ' +
    '`mediaId` UUID, `mediaType` VARCHAR(255), `isFile` TINYINT(1), `isMissing` TINYINT(1), `isInvalid` TINYINT(1), ' +
    '`mtime` DATETIME, `ctime` DATETIME, `birthtime` DATETIME, `size` BIGINT, `lastScan` DATETIME, ' +
    '`lastScanVersion` VARCHAR(255), `libraryFiles` JSON, `extraData` JSON, `title` VARCHAR(255), ' +
    '`titleIgnorePrefix` VARCHAR(255), `authorNamesFirstLast` VARCHAR(255), `authorNamesLastFirst` VARCHAR(255), ' +
    `${TIMES}, \`libraryId\` UUID REFERENCES \`libraries\` (\`id\`) ON DELETE SET NULL ON UPDATE CASCADE, ` +
    '`libraryFolderId` UUID REFERENCES `libraryFolders` (`id`) ON DELETE SET NULL ON UPDATE CASCADE)',
  'CREATE INDEX `library_items_created_at` ON `libraryItems` (`createdAt`)',
  'CREATE TABLE `authors` (`id` UUID PRIMARY KEY, `name` VARCHAR(255), `lastFirst` VARCHAR(255), `asin` VARCHAR(255), ' +
    `\`description\` TEXT, \`imagePath\` VARCHAR(255), ${TIMES}, ` +
    '`libraryId` UUID REFERENCES `libraries` (`id`) ON DELETE CASCADE ON UPDATE CASCADE)',
  'CREATE TABLE `mediaProgresses` (`id` UUID PRIMARY KEY, `mediaItemId` UUID, `mediaItemType` VARCHAR(255), ' +
    '`duration` FLOAT, `currentTime` FLOAT, `isFinished` TINYINT(1), `hideFromContinueListening` TINYINT(1), ' +
    '`ebookLocation` VARCHAR(255), `ebookProgress` FLOAT, `finishedAt` DATETIME, `extraData` JSON, ' +
    `${TIMES}, \`userId\` UUID REFERENCES \`users\` (\`id\`) ON DELETE CASCADE ON UPDATE CASCADE, \`podcastId\` UUID)`,
  `CREATE TABLE \`settings\` (\`key\` VARCHAR(255) PRIMARY KEY, \`value\` JSON, ${TIMES})`,
];
