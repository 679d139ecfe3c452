/** What stands in the made-up library: books old enough to be everybody's. */

export interface Title {
  readonly author: string;
  readonly title: string;
  readonly year: number;
  /** Audio files; none for an e-book. */
  readonly parts: number;
  /** How it begins. */
  readonly opening: string;
}

export const AUDIOBOOKS: readonly Title[] = [
  {
    author: 'Herman Melville',
    title: 'Moby-Dick; or, The Whale',
    year: 1851,
    parts: 4,
    opening: 'Call me Ishmael. Some years ago, never mind how long precisely, I thought I would sail about a little.',
  },
  {
    author: 'Herman Melville',
    title: 'Bartleby, the Scrivener',
    year: 1853,
    parts: 1,
    opening: 'I am a rather elderly man.',
  },
  {
    author: 'Jane Austen',
    title: 'Emma',
    year: 1815,
    parts: 3,
    opening: 'Emma Woodhouse, handsome, clever, and rich, seemed to unite some of the best blessings of existence.',
  },
  {
    author: 'Jane Austen',
    title: 'Persuasion',
    year: 1817,
    parts: 2,
    opening: 'Sir Walter Elliot, of Kellynch Hall, never took up any book but the Baronetage.',
  },
  {
    author: 'Jules Verne',
    title: 'Around the World in Eighty Days',
    year: 1872,
    parts: 2,
    opening: 'Mr. Phileas Fogg lived, in 1872, at No. 7, Savile Row, Burlington Gardens.',
  },
  {
    author: 'Jules Verne',
    title: 'Twenty Thousand Leagues under the Sea',
    year: 1870,
    parts: 3,
    opening: 'The year 1866 was signalised by a remarkable incident, a mysterious and puzzling phenomenon.',
  },
  {
    author: 'Mary Shelley',
    title: 'Frankenstein',
    year: 1818,
    parts: 2,
    opening: 'You will rejoice to hear that no disaster has accompanied the commencement of an enterprise.',
  },
  {
    author: 'Bram Stoker',
    title: 'Dracula',
    year: 1897,
    parts: 3,
    opening: 'Left Munich at 8:35 P.M., on 1st May, arriving at Vienna early next morning.',
  },
  {
    author: 'Charlotte Brontë',
    title: 'Jane Eyre',
    year: 1847,
    parts: 3,
    opening: 'There was no possibility of taking a walk that day.',
  },
  {
    author: 'Selma Lagerlöf',
    title: 'The Wonderful Adventures of Nils',
    year: 1906,
    parts: 2,
    opening: 'Once there was a boy. He was, let us say, something like fourteen years old.',
  },
];

/** They come one by one, while the weeks go by. */
export const ARRIVALS = {
  treasure: {
    author: 'Robert Louis Stevenson',
    title: 'Treasure Island',
    year: 1883,
    parts: 2,
    opening: 'I take up my pen and go back to the time when my father kept the Admiral Benbow inn.',
  },
  willows: {
    author: 'Kenneth Grahame',
    title: 'The Wind in the Willows',
    year: 1908,
    parts: 2,
    opening: 'The Mole had been working very hard all the morning, spring-cleaning his little home.',
  },
  time: {
    author: 'H. G. Wells',
    title: 'The Time Machine',
    year: 1895,
    parts: 1,
    opening: 'The Time Traveller was expounding a recondite matter to us.',
  },
} as const satisfies { readonly [name: string]: Title };

export const EBOOKS: readonly Title[] = [
  {
    author: 'Lewis Carroll',
    title: "Alice's Adventures in Wonderland",
    year: 1865,
    parts: 0,
    opening: 'Alice was beginning to get very tired of sitting by her sister on the bank.',
  },
  {
    author: 'Emily Brontë',
    title: 'Wuthering Heights',
    year: 1847,
    parts: 0,
    opening: 'I have just returned from a visit to my landlord, the solitary neighbour that I shall be troubled with.',
  },
  {
    author: 'Joseph Conrad',
    title: 'Heart of Darkness',
    year: 1899,
    parts: 0,
    opening: 'The Nellie, a cruising yawl, swung to her anchor without a flutter of the sails, and was at rest.',
  },
  {
    author: 'Mark Twain',
    title: 'Adventures of Huckleberry Finn',
    year: 1884,
    parts: 0,
    opening: 'You do not know about me without you have read a book by the name of The Adventures of Tom Sawyer.',
  },
  {
    author: 'Johanna Spyri',
    title: 'Heidi',
    year: 1881,
    parts: 0,
    opening: 'From the old and pleasantly situated village of Mayenfeld, a footpath winds through green meadows.',
  },
];

export const LATE_EBOOK: Title = {
  author: 'Daniel Defoe',
  title: 'Robinson Crusoe',
  year: 1719,
  parts: 0,
  opening: 'I was born in the year 1632, in the city of York, of a good family.',
};
