/** Drawings of 24 by 24, in one line width. They never stand for words: whoever cannot see them misses nothing. */

const PATHS = {
  overview: 'M4 13h6V4H4zM14 20h6v-9h-6zM4 20h6v-3H4zM14 7h6V4h-6z',
  snapshots: 'M4 8l8-4 8 4-8 4zM4 12l8 4 8-4M4 16l8 4 8-4',
  browse: 'M3 6h6l2 2h10v11H3z',
  compare: 'M7 4v16M17 4v16M3 8l4-4 4 4M13 16l4 4 4-4',
  restore: 'M4 12a8 8 0 1 0 3-6.2M4 4v5h5M12 8v4l3 2',
  jobs: 'M4 6h16M4 12h16M4 18h10',
  backup: 'M12 15V4M8 8l4-4 4 4M4 15v5h16v-5',
  access: 'M8 11a4 4 0 1 1 3.5-2L20 17v3h-3v-2h-2v-2h-2l-2-2',
  menu: 'M4 7h16M4 12h16M4 17h16',
  close: 'M6 6l12 12M18 6L6 18',
  plus: 'M12 5v14M5 12h14',
  download: 'M12 4v11M8 11l4 4 4-4M4 19h16',
  upload: 'M12 15V4M8 8l4-4 4 4M4 19h16',
  trash: 'M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13',
  theme: 'M12 3a9 9 0 1 0 9 9 7 7 0 0 1-9-9z',
  leave: 'M14 4H5v16h9M10 12h11M17 8l4 4-4 4',
  folder: 'M3 6h6l2 2h10v11H3z',
  file: 'M6 3h8l4 4v14H6zM14 3v4h4',
  link: 'M9 15l6-6M8 11l-3 3a3.5 3.5 0 0 0 5 5l3-3M16 13l3-3a3.5 3.5 0 0 0-5-5l-3 3',
  pin: 'M9 4h6l-1 6 3 3H7l3-3zM12 13v7',
  search: 'M11 5a6 6 0 1 0 0 12 6 6 0 0 0 0-12zM16 16l4 4',
  back: 'M15 5l-7 7 7 7',
  next: 'M9 5l7 7-7 7',
  open: 'M5 9l7 7 7-7',
  table: 'M4 5h16v14H4zM4 10h16M10 5v14',
  history: 'M12 8v4l3 2M12 4a8 8 0 1 0 0 16 8 8 0 0 0 0-16z',
  stop: 'M6 6h12v12H6z',
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name }: { readonly name: IconName }) {
  return (
    <svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <path d={PATHS[name]} />
    </svg>
  );
}
