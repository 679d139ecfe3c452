/** The C library's calls that Node lacks, declared once. Each returns -1 and sets errno on failure. */

import { createRequire } from 'node:module';
import { constants } from 'node:os';
import { FileSystemError } from './types.ts';

type Call = (...parameters: (number | bigint | Uint8Array | Uint32Array | null)[]) => number;

interface Koffi {
  load(name: string | null): { func(declaration: string): Call };
  errno(): number;
}

/** x64 and arm64 agree on all flags but these four. */
const isArm = process.arch === 'arm64';
export const O_DIRECTORY = isArm ? 0o40000 : 0o200000;
export const O_NOFOLLOW = isArm ? 0o100000 : 0o400000;
export const O_RDONLY = 0;
export const O_RDWR = 2;
export const O_CREAT = 0o100;
export const O_EXCL = 0o200;
export const O_NONBLOCK = 0o4000;
export const O_NOATIME = 0o1000000;
export const O_CLOEXEC = 0o2000000;
export const O_PATH = 0o10000000;
export const AT_FDCWD = -100;
export const AT_SYMLINK_NOFOLLOW = 0x100;
export const AT_REMOVEDIR = 0x200;
export const AT_EMPTY_PATH = 0x1000;
export const SEEK_DATA = 3;
export const SEEK_HOLE = 4;
export const POSIX_FADV_DONTNEED = 4;
export const LOCK_EX = 2;
export const LOCK_NB = 4;
export const STATX_BASIC_STATS = 0x7ff;
export const FICLONE = 0x40049409;
export const FALLOC_FL_KEEP_SIZE = 1;
export const FALLOC_FL_PUNCH_HOLE = 2;
/** Without a wrapper in the C library. */
export const SYS_IOPRIO_SET = isArm ? 30 : 251;

const DECLARATIONS = {
  openat: 'int openat(int, void*, int, uint32)',
  close: 'int close(int)',
  statx: 'int statx(int, void*, int, uint32, void*)',
  getdents64: 'int64 getdents64(int, void*, uint64)',
  read: 'int64 read(int, void*, uint64)',
  pread: 'int64 pread64(int, void*, uint64, int64)',
  pwrite: 'int64 pwrite64(int, void*, uint64, int64)',
  lseek: 'int64 lseek64(int, int64, int)',
  readlinkat: 'int64 readlinkat(int, void*, void*, uint64)',
  flistxattr: 'int64 flistxattr(int, void*, uint64)',
  llistxattr: 'int64 llistxattr(void*, void*, uint64)',
  fgetxattr: 'int64 fgetxattr(int, void*, void*, uint64)',
  lgetxattr: 'int64 lgetxattr(void*, void*, void*, uint64)',
  fsetxattr: 'int fsetxattr(int, void*, void*, uint64, int)',
  lsetxattr: 'int lsetxattr(void*, void*, void*, uint64, int)',
  fremovexattr: 'int fremovexattr(int, void*)',
  lremovexattr: 'int lremovexattr(void*, void*)',
  ftruncate: 'int ftruncate64(int, int64)',
  fallocate: 'int fallocate64(int, int, int64, int64)',
  ioctl: 'int ioctl(int, uint64, int)',
  mkdirat: 'int mkdirat(int, void*, uint32)',
  symlinkat: 'int symlinkat(void*, int, void*)',
  mknodat: 'int mknodat(int, void*, uint32, uint64)',
  linkat: 'int linkat(int, void*, int, void*, int)',
  renameat: 'int renameat(int, void*, int, void*)',
  unlinkat: 'int unlinkat(int, void*, int)',
  fchown: 'int fchown(int, uint32, uint32)',
  fchownat: 'int fchownat(int, void*, uint32, uint32, int)',
  fchmod: 'int fchmod(int, uint32)',
  fchmodat: 'int fchmodat(int, void*, uint32, int)',
  utimensat: 'int utimensat(int, void*, void*, int)',
  futimens: 'int futimens(int, void*)',
  syncfs: 'int syncfs(int)',
  flock: 'int flock(int, int)',
  syscall: 'int64 syscall(int64, int, int, int)',
  posix_fadvise: 'int posix_fadvise64(int, int64, int64, int)',
} as const;

type Libc = { readonly [name in keyof typeof DECLARATIONS]: Call };

const errnoNames = new Map(Object.entries(constants.errno).map(([name, number]) => [number, name]));
/** musl and glibc differ in the 64-bit names; the plain ones are 64-bit on all platforms we run on. */
const withoutSuffix = (declaration: string): string => declaration.replace(/64\(/, '(');

export class LibC {
  readonly calls: Libc;
  readonly #koffi: Koffi;

  constructor() {
    this.#koffi = createRequire(import.meta.url)('koffi') as Koffi;
    const library = this.#koffi.load(null);
    const declare = (declaration: string): Call => {
      try {
        return library.func(declaration);
      } catch {
        return library.func(withoutSuffix(declaration));
      }
    };
    const entries = Object.entries(DECLARATIONS).map(([name, declaration]) => [name, declare(declaration)]);
    this.calls = Object.fromEntries(entries) as Libc;
  }

  /** The name of the last call's errno. */
  errno(): string {
    const number = this.#koffi.errno();
    return errnoNames.get(number) ?? `errno ${number}`;
  }

  fail(call: string): never {
    throw new FileSystemError(this.errno(), call);
  }
}
