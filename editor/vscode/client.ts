/** The extension's side within the editor: starts the server, and runs what lenses offer. */
import {
  commands,
  type ExtensionContext,
  ShellExecution,
  ShellQuoting,
  Task,
  TaskScope,
  tasks,
  Uri,
  workspace,
} from 'vscode';
import { LanguageClient, type ServerOptions, TransportKind } from 'vscode-languageclient/node';

let client: LanguageClient | undefined;

export async function activate(context: ExtensionContext): Promise<void> {
  context.subscriptions.push(
    commands.registerCommand('zooc.restart', () => client?.restart()),
    commands.registerCommand('zooc.show', (uri: string, name: string) => call('show', uri, name, [])),
    commands.registerCommand('zooc.train', (uri: string, name: string) =>
      call('train', uri, name, ['--out', `runs/${name.replace(/[^\w.-]+/g, '-')}`]),
    ),
  );
  client = new LanguageClient('zooc', 'zooc', serverOf(context), {
    documentSelector: [{ language: 'zoo' }],
    initializationOptions: { commands: ['zooc.show', 'zooc.train'] },
  });
  await client.start();
}

export async function deactivate(): Promise<void> {
  await client?.stop();
}

function serverOf(context: ExtensionContext): ServerOptions {
  const [command, ...args] = workspace.getConfiguration('zoo').get<string[]>('server.command') ?? [];
  return command === undefined
    ? { module: context.asAbsolutePath('dist/server.mjs'), transport: TransportKind.stdio }
    : { command, args };
}

/** A verb on a model or recipe of a file, in a terminal. */
async function call(verb: string, uri: string, name: string, more: readonly string[]): Promise<void> {
  const file = Uri.parse(uri);
  await workspace.textDocuments.find((document) => document.uri.toString() === file.toString())?.save();
  const command = workspace.getConfiguration('zoo').get<string>('command') ?? 'npx zooc';
  const [program = 'npx', ...before] = command.split(' ').filter((word) => word !== '');
  const args = [...before, verb, `${file.fsPath}#${name}`, ...more];
  const quoted = args.map((value) => ({ value, quoting: ShellQuoting.Strong }));
  const scope = workspace.getWorkspaceFolder(file) ?? TaskScope.Workspace;
  const execution = new ShellExecution({ value: program, quoting: ShellQuoting.Strong }, quoted);
  await tasks.executeTask(
    new Task({ type: 'zooc', verb, name }, scope, `${verb} ${name}`, 'zooc', execution),
  );
}
