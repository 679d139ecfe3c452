/** Requests to the server that the page came from. */

/** An answer that is not what was asked for: what the server says of it, in words for people. */
export class ProblemError extends Error {
  readonly status: number;
  readonly code: string;

  constructor({ status, code, detail }: { readonly status: number; readonly code: string; readonly detail: string }) {
    super(detail);
    this.name = 'ProblemError';
    this.status = status;
    this.code = code;
  }
}

export type Query = { readonly [name: string]: string | number | boolean | readonly string[] | undefined };

export interface Ask {
  readonly query?: Query;
  readonly body?: object;
  readonly signal?: AbortSignal;
}

export interface Sending {
  readonly query?: Query;
  readonly signal: AbortSignal;
  /** From 0 to 1. */
  readonly onProgress: (part: number) => void;
}

const API = '/api/v1';

export class HttpClient {
  readonly basePath: string;
  /** What changes have to bring; comes with the session. */
  csrfToken: string | undefined;
  readonly #onSignedOut: () => void;

  constructor(basePath: string, onSignedOut: () => void) {
    this.basePath = basePath;
    this.#onSignedOut = onSignedOut;
  }

  /** For links and images. */
  address(path: string, query: Query = {}): string {
    const parameters = new URLSearchParams();
    for (const [name, value] of Object.entries(query)) {
      if (value === undefined) continue;
      for (const one of Array.isArray(value) ? value : [value]) parameters.append(name, String(one));
    }
    const text = parameters.toString();
    return `${this.basePath}${API}${path}${text === '' ? '' : `?${text}`}`;
  }

  /** ProblemError for whatever does not come back as asked. */
  async ask<Answer>(method: string, path: string, { query, body, signal }: Ask = {}): Promise<Answer> {
    let response: Response;
    try {
      response = await fetch(this.address(path, query), {
        method,
        headers: {
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...this.#csrfHeaders(method),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        ...(signal === undefined ? {} : { signal }),
      });
    } catch (error) {
      if (signal?.aborted) throw error;
      throw unreachable();
    }
    return this.#answerOf<Answer>(response.status, await response.text());
  }

  /** At most so many bytes of what stands at an address, as text. */
  async text(
    path: string,
    query: Query,
    { bytes, signal }: { readonly bytes: number; readonly signal: AbortSignal },
  ): Promise<string> {
    const response = await fetch(this.address(path, query), { headers: { range: `bytes=0-${bytes - 1}` }, signal });
    const text = await response.text();
    // An empty file has no range.
    if (response.status === 416) return '';
    return response.ok ? text : this.#answerOf<string>(response.status, text);
  }

  /** Sends a file and tells how far it is: fetch cannot. */
  send<Answer>(path: string, file: Blob, { query, signal, onProgress }: Sending): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const request = new XMLHttpRequest();
      request.open('POST', this.address(path, query));
      request.setRequestHeader('content-type', 'application/zip');
      for (const [name, value] of Object.entries(this.#csrfHeaders('POST'))) request.setRequestHeader(name, value);
      request.upload.onprogress = ({ loaded, total }) => onProgress(total === 0 ? 0 : loaded / total);
      request.onerror = () => reject(unreachable());
      request.onabort = () => reject(new DOMException('Cancelled', 'AbortError'));
      request.onload = () => {
        try {
          resolve(this.#answerOf<Answer>(request.status, request.responseText));
        } catch (error) {
          reject(error);
        }
      };
      signal.addEventListener('abort', () => request.abort(), { once: true });
      request.send(file);
    });
  }

  #csrfHeaders(method: string): { readonly [name: string]: string } {
    return method === 'GET' || this.csrfToken === undefined ? {} : { 'x-csrf-token': this.csrfToken };
  }

  #answerOf<Answer>(status: number, text: string): Answer {
    let json: unknown;
    try {
      json = text === '' ? undefined : JSON.parse(text);
    } catch {
      json = undefined;
    }
    if (status >= 200 && status < 300) return json as Answer;
    const problem = problemOf(status, json);
    if (problem.code === 'NOT_SIGNED_IN') this.#onSignedOut();
    throw problem;
  }
}

function problemOf(status: number, json: unknown): ProblemError {
  const { code, detail } = (json ?? {}) as { readonly code?: string; readonly detail?: string };
  return new ProblemError({
    status,
    code: code ?? 'UNKNOWN',
    detail: detail ?? `The server answered with ${status}: try again, and look at its log if it stays so`,
  });
}

function unreachable(): ProblemError {
  return new ProblemError({
    status: 0,
    code: 'UNREACHABLE',
    detail: 'The server cannot be reached: look whether it runs, then try again',
  });
}

/** What to tell a person of an error of any kind. */
export function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

export function isAbort(error: unknown): boolean {
  return error instanceof DOMException && error.name === 'AbortError';
}
