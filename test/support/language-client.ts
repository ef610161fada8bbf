/** An editor's side of the language server: `zooc lsp --stdio` as a process, and all that it says. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import {
  createProtocolConnection,
  type InitializeResult,
  type ProtocolConnection,
  type PublishDiagnosticsParams,
  StreamMessageReader,
  StreamMessageWriter,
} from 'vscode-languageserver/node';

const root = fileURLToPath(new URL('../..', import.meta.url));
const main = ['--import', 'tsx', join(root, 'zoo', 'cli', 'main.ts')];

interface Place {
  readonly line: number;
  readonly character: number;
}

export class LanguageClient {
  readonly folder: string;
  readonly connection: ProtocolConnection;
  readonly process: ChildProcess;
  /** Errors that the server has logged. */
  readonly logged: string[] = [];
  /** The diagnostics of each document, in the order in which they came. */
  readonly #told: PublishDiagnosticsParams[] = [];
  #arrived: () => void = () => {};

  /** @param files by name, in a folder of their own, which is the workspace */
  constructor(files: Readonly<Record<string, string>>, command: readonly string[] = main) {
    this.folder = realpathSync(mkdtempSync(join(tmpdir(), 'zooc-lsp-')));
    for (const [name, text] of Object.entries(files)) writeFileSync(join(this.folder, name), text);
    this.process = spawn(process.execPath, [...command, 'lsp', '--stdio'], {
      cwd: root,
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const { stdout, stdin } = this.process;
    this.connection = createProtocolConnection(
      new StreamMessageReader(stdout!),
      new StreamMessageWriter(stdin!),
    );
    this.connection.onNotification('textDocument/publishDiagnostics', (params: PublishDiagnosticsParams) => {
      this.#told.push(params);
      this.#arrived();
    });
    this.connection.onNotification('window/logMessage', ({ message }: { message: string }) => {
      this.logged.push(message);
    });
    this.connection.listen();
  }

  uri(name: string): string {
    return pathToFileURL(join(this.folder, name)).href;
  }

  async initialize(initializationOptions: object = {}): Promise<InitializeResult> {
    const uri = pathToFileURL(this.folder).href;
    const found = await this.connection.sendRequest<InitializeResult>('initialize', {
      processId: process.pid,
      rootUri: uri,
      workspaceFolders: [{ uri, name: 'test' }],
      capabilities: {},
      initializationOptions,
    });
    await this.connection.sendNotification('initialized', {});
    return found;
  }

  open(name: string, text: string): Promise<void> {
    const textDocument = { uri: this.uri(name), languageId: 'zoo', version: 1, text };
    return this.connection.sendNotification('textDocument/didOpen', { textDocument });
  }

  /** One change of a range. */
  change(name: string, version: number, start: Place, end: Place, text: string): Promise<void> {
    const textDocument = { uri: this.uri(name), version };
    const contentChanges = [{ range: { start, end }, text }];
    return this.connection.sendNotification('textDocument/didChange', { textDocument, contentChanges });
  }

  /** A question about a document, or about a place in it. */
  ask<T>(method: string, name: string, more: object = {}): Promise<T> {
    return this.connection.sendRequest<T>(`textDocument/${method}`, {
      textDocument: { uri: this.uri(name) },
      ...more,
    });
  }

  /** The diagnostics of a version of a document, as soon as they are there. */
  async diagnostics(name: string, version = 1): Promise<PublishDiagnosticsParams['diagnostics']> {
    const uri = this.uri(name);
    for (;;) {
      const found = this.#told.find((told) => told.uri === uri && told.version === version);
      if (found !== undefined) return found.diagnostics;
      await new Promise<void>((resolve) => {
        this.#arrived = resolve;
      });
    }
  }

  /** Messages in one packet, by hand, and the answers to those with an id. */
  exchange(messages: readonly { readonly id?: string; readonly method: string; readonly params: object }[]) {
    const { stdin, stdout } = this.process;
    const wanted = messages.filter(({ id }) => id !== undefined).length;
    const found = new Promise<unknown[]>((resolve) => {
      let text = '';
      const listen = (data: Buffer) => {
        text += data.toString();
        const all = [...text.matchAll(/Content-Length: (\d+)\r\n\r\n/g)].flatMap(
          ({ index, 0: head, 1: length }) => {
            const json = text.slice(index + head.length, index + head.length + Number(length));
            return json.length < Number(length) ? [] : [JSON.parse(json)];
          },
        );
        const answers = all.filter(({ id }) => messages.some((message) => message.id === id));
        if (answers.length < wanted) return;
        stdout!.off('data', listen);
        resolve(answers);
      };
      stdout!.on('data', listen);
    });
    const packets = messages.map((message) => {
      const json = JSON.stringify({ jsonrpc: '2.0', ...message });
      return `Content-Length: ${Buffer.byteLength(json)}\r\n\r\n${json}`;
    });
    stdin!.write(packets.join(''));
    return found;
  }

  /** Ends the server; its exit code. */
  async end(): Promise<number | null> {
    await this.connection.sendRequest('shutdown');
    const ended = new Promise<number | null>((resolve) => this.process.on('exit', resolve));
    await this.connection.sendNotification('exit');
    const code = await ended;
    this.connection.dispose();
    rmSync(this.folder, { recursive: true, force: true });
    return code;
  }
}
