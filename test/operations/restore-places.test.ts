import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isEngineError } from '../../engine/base/errors.ts';
import { planPlaces } from '../../engine/operations/restore/places.ts';

interface Case {
  readonly what: string;
  readonly sources: readonly string[];
  readonly path?: string;
  /** FROM=TO */
  readonly maps?: readonly string[];
  /** True unless said otherwise. */
  readonly inPlace?: boolean;
  /** PATH -> DESTINATION, with what is left out of it; a string is (part of) the refusal. */
  readonly places: readonly (readonly [path: string, destination: string, ...except: string[]])[] | string;
}

const CASES: readonly Case[] = [
  { what: 'a source at its origin', sources: ['/srv/books'], places: [['/srv/books', '/srv/books']] },
  {
    what: 'two sources',
    sources: ['/srv/books', '/srv/config/'],
    places: [
      ['/srv/books', '/srv/books'],
      ['/srv/config', '/srv/config'],
    ],
  },
  {
    what: 'a source in a source, and one twice',
    sources: ['/srv/a/b', '/srv/a', '/srv/a', '/srv/ab'],
    places: [
      ['/srv/a', '/srv/a'],
      ['/srv/ab', '/srv/ab'],
    ],
  },
  {
    what: 'a folder of a source',
    sources: ['/srv/books'],
    path: '/srv//books/Author/',
    places: [['/srv/books/Author', '/srv/books/Author']],
  },
  {
    what: 'a folder that only leads to sources stands for them',
    sources: ['/srv/books', '/srv/config', '/home'],
    path: '/srv',
    places: [
      ['/srv/books', '/srv/books'],
      ['/srv/config', '/srv/config'],
    ],
  },
  { what: 'the whole disk', sources: ['/'], places: [['/', '/']] },
  { what: 'no source at all', sources: [], places: [['/', '/']] },
  {
    what: 'a mapping above a source',
    sources: ['/srv/books', '/srv/config'],
    maps: ['/srv=/mnt/new'],
    places: [
      ['/srv/books', '/mnt/new/books'],
      ['/srv/config', '/mnt/new/config'],
    ],
  },
  {
    what: 'the nearest mapping counts',
    sources: ['/srv/books'],
    maps: ['/srv=/a', '/srv/books=/b'],
    places: [['/srv/books', '/b']],
  },
  {
    what: 'a name that only begins alike is another',
    sources: ['/srv/books2'],
    maps: ['/srv/books=/b'],
    places: '/srv/books',
  },
  {
    what: 'a mapping inside a source makes two places',
    sources: ['/srv/books'],
    maps: ['/srv/books/Author=/mnt/author'],
    places: [
      ['/srv/books', '/srv/books', '/srv/books/Author'],
      ['/srv/books/Author', '/mnt/author'],
    ],
  },
  {
    what: 'a mapping of the root',
    sources: ['/srv/books'],
    maps: ['/=/mnt/old'],
    places: [['/srv/books', '/mnt/old/srv/books']],
  },
  {
    what: 'a mapping to the root',
    sources: ['/mnt/old/srv'],
    maps: ['/mnt/old=/'],
    places: [['/mnt/old/srv', '/srv']],
  },
  {
    what: 'all mapped, nothing in place',
    sources: ['/srv'],
    maps: ['/srv=/new'],
    inPlace: false,
    places: [['/srv', '/new']],
  },
  {
    what: 'not all mapped, nothing in place',
    sources: ['/srv', '/etc'],
    maps: ['/srv=/new'],
    inPlace: false,
    places: '--map /etc=NEW',
  },
  {
    what: 'a mapping that fits nothing',
    sources: ['/srv/books'],
    maps: ['/sv=/new'],
    places: 'Nothing that is to be restored lies below /sv',
  },
  { what: 'two that would lie in one another', sources: ['/a', '/b'], maps: ['/b=/a/c'], places: 'lie in one another' },
  { what: 'two at one place', sources: ['/a', '/b'], maps: ['/a=/x', '/b=/x'], places: 'lie in one another' },
  { what: 'a mapping that is not absolute', sources: ['/a'], maps: ['/a=b'], places: 'absolute' },
  { what: 'a mapping that goes up', sources: ['/a'], maps: ['/a=/b/../c'], places: 'absolute' },
  { what: 'bytes that are not UTF-8', sources: ['/srv/b\xfcch'], places: [['/srv/b\xfcch', '/srv/b\xfcch']] },
];

const bytes = (text: string): Buffer => Buffer.from(text, 'latin1');

for (const { what, sources, path, maps = [], inPlace = true, places } of CASES) {
  test(`places of a restore: ${what}`, () => {
    const plan = (): unknown =>
      planPlaces({
        sources: sources.map(bytes),
        wanted: path === undefined ? [] : [bytes(path)],
        mappings: maps.map((map) => {
          const [from = '', to = ''] = map.split('=');
          return { from: bytes(from), to: bytes(to) };
        }),
        inPlace,
      }).map((place) => [place.path, place.destination, ...place.except].map((one) => one.toString('latin1')));
    if (typeof places !== 'string') assert.deepEqual(plan(), places);
    else assert.throws(plan, (error) => isEngineError(error, 'INVALID_ARGUMENT') && error.message.includes(places));
  });
}
