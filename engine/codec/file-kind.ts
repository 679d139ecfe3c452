/** What a file is to a person, by its name: for statistics alone. */

export const FILE_KINDS_SHOWN = [
  'audio',
  'video',
  'image',
  'ebook',
  'comic',
  'document',
  'database',
  'archive',
  'text',
  'other',
] as const;
export type FileKindShown = (typeof FILE_KINDS_SHOWN)[number];

const EXTENSIONS: { readonly [kind in FileKindShown]?: string } = {
  audio: 'mp3 m4a m4b aac flac ogg oga opus wma mka ape wv wav aif aiff alac',
  video: 'mp4 m4v mkv avi mov webm mpg mpeg wmv flv ts m2ts vob 3gp',
  image: 'jpg jpeg jpe png webp heic heif avif gif jxl cr2 cr3 nef arw dng orf raf rw2 psd tif tiff bmp svg',
  ebook: 'epub kepub mobi azw azw3 fb2 lit prc',
  comic: 'cbz cbr cb7 cbt',
  document: 'pdf djvu doc docx odt xls xlsx ods ppt pptx odp rtf',
  database: 'db sqlite sqlite3 db3 mdb sql',
  archive: 'zip rar 7z gz tgz xz txz zst bz2 lz4 br tar iso dmg',
  text: 'txt md json xml html htm css js yml yaml ini conf cfg log csv nfo opf cue srt vtt lrc',
};

const KINDS = new Map<string, FileKindShown>(
  FILE_KINDS_SHOWN.flatMap((kind) =>
    (EXTENSIONS[kind] ?? '').split(' ').map((extension) => [extension, kind] as const),
  ),
);

export function fileKindOf(name: Buffer): FileKindShown {
  const dot = name.lastIndexOf(0x2e);
  if (dot < 1 || name.length - dot > 9) return 'other';
  return KINDS.get(name.toString('latin1', dot + 1).toLowerCase()) ?? 'other';
}
