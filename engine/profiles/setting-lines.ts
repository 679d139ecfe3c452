/** Files of lines `NAME=value`, as Docker Compose reads them; what needs more than a look at one line is not understood. */

/** The last value that a name is set to; undefined for none, an empty one, and one with variables in it. */
export function settingIn(text: string, name: string): string | undefined {
  let found: string | undefined;
  for (const line of text.split(/\r\n|\n|\r/)) {
    const assigned = /^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=(.*)$/.exec(line);
    if (assigned?.[1] === name) found = writtenValue((assigned[2] ?? '').trim());
  }
  return found;
}

function writtenValue(written: string): string | undefined {
  const [quote] = written;
  const isQuoted = quote === '"' || quote === "'";
  const end = isQuoted ? written.indexOf(quote, 1) : -1;
  const value = isQuoted && end > 0 ? written.slice(1, end) : written.replace(/(?:^|\s+)#.*$/, '');
  const isPlain = quote === "'" || !/[$\\]/.test(value);
  return value === '' || value.includes('\0') || !isPlain ? undefined : value;
}
