/** The program around the verbs: global flags, help, and what happens to a wrong command line. */

import { Command, CommanderError } from 'commander';
import { EXIT_CODE_HELP, EXIT_OK, EXIT_USAGE } from './exit-codes.ts';
import { printable } from './render.ts';
import { addGlobalOptions, endWithReader } from './session.ts';

export interface ProgramParts {
  readonly verbs: readonly { readonly name: string; readonly description: string }[];
  /** The verb that was asked for, if it is one. */
  readonly loaded: Command | undefined;
  readonly version: string;
}

/** Parses the command line and runs the verb; a wrong one is explained, with exit code 2. */
export async function runProgram({ verbs, loaded, version }: ProgramParts): Promise<void> {
  endWithReader();
  const program = addGlobalOptions(new Command('snap'))
    .description('Deduplicating snapshots of huge libraries and their live databases')
    .version(`snap ${version}`, '-V, --version', 'print the version')
    .addHelpText('after', `\nsnap VERB --help says more.\n\n${EXIT_CODE_HELP}`);
  for (const { name, description } of verbs) {
    program.addCommand(loaded?.name() === name ? loaded : new Command(name).description(description));
  }
  takeOverErrors(program);
  try {
    if (process.argv.length === 2) program.help({ error: true });
    await program.parseAsync(process.argv);
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    process.exitCode = error.exitCode === 0 ? EXIT_OK : EXIT_USAGE;
  }
}

function takeOverErrors(command: Command): void {
  command.exitOverride();
  command.configureOutput({
    outputError: (text, write) => {
      const message = text.replace(/^error: /, '').trim();
      if (process.argv.includes('--json')) {
        write(`${JSON.stringify({ message_type: 'exit_error', code: EXIT_USAGE, message })}\n`);
      } else write(`snap: ${printable(message).replaceAll('\\n', '\n')}\nsnap --help shows what there is.\n`);
    },
  });
  for (const inner of command.commands) takeOverErrors(inner);
}
