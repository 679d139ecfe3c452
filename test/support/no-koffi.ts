/** Imported before anything else: a machine where the C library cannot be called. Workers inherit it. */

import Module from 'node:module';

const loader = Module as unknown as { _load(request: string, ...rest: unknown[]): unknown };
const load = loader._load;
loader._load = function (this: unknown, request: string, ...rest: unknown[]): unknown {
  if (request === 'koffi') throw new Error('koffi is kept away');
  return load.call(this, request, ...rest);
};
