/**
 * The language server: the language service over the protocol that editors speak.
 *
 * What fails in one answer ends neither the server nor any other answer. Positions are in UTF-16 units, as in the
 * service.
 */
import {
  type CancellationToken,
  type ClientCapabilities,
  CodeActionKind,
  type CodeLens,
  type Connection,
  createConnection,
  DidChangeWatchedFilesNotification,
  type InitializeParams,
  type InitializeResult,
  LSPErrorCodes,
  type Position,
  ResponseError,
  type TextDocumentIdentifier,
  TextDocumentSyncKind,
  TextDocuments,
} from 'vscode-languageserver/node';
import { TextDocument } from 'vscode-languageserver-textdocument';
import type { ModuleHost } from '../../compiler/model/types.ts';
import { createService } from '../service/index.ts';
import {
  actionOf,
  completionOf,
  diagnosticOf,
  editOf,
  foldOf,
  hintOf,
  hoverOf,
  signatureOf,
  symbolOf,
  tokensOf,
} from './answers.ts';
import { Checking, turn } from './checking.ts';
import { Documents, filePath, offsetsIn, rangeIn } from './documents.ts';
import { zooFilesIn } from './folders.ts';
import { legend } from './words.ts';

export interface Serving {
  readonly host: ModuleHost;
  readonly version: string;
  /** The folder of the bundled packages. */
  readonly lib: string;
  readonly input: NodeJS.ReadableStream;
  readonly output: NodeJS.WritableStream;
}

/** Commands of lenses, which the client runs: those that `initializationOptions.commands` names are offered. */
const commandOf = { show: 'zooc.show', train: 'zooc.train' } as const;

/** A question about a document. */
type Question<P, R> = (document: TextDocument, params: P, path: string) => R;

export function serve({ host, version, lib, input, output }: Serving): void {
  const connection = createConnection(input, output);
  const open = new TextDocuments(TextDocument);
  const service = createService(host);
  const documents = new Documents(open, service, lib);
  let commands: readonly unknown[] = [];
  let folders: readonly string[] = [];
  let client: ClientCapabilities = {};

  const failed = (error: unknown): void =>
    connection.console.error(error instanceof Error ? (error.stack ?? error.message) : String(error));

  const checking = new Checking(
    service,
    (path, found) => {
      const uri = documents.uriOf(path);
      const { version } = open.get(uri) ?? {};
      if (version === undefined) return;
      const diagnostics = found.map((diagnostic) => diagnosticOf(path, diagnostic, documents));
      void connection.sendDiagnostics({ uri, version, diagnostics });
    },
    failed,
  );

  /** What is asked waits for a turn, since the client may have changed its mind already. */
  function asked<P extends { readonly textDocument: TextDocumentIdentifier }, R>(question: Question<P, R>) {
    return async (params: P, token: CancellationToken): Promise<R | null | ResponseError> => {
      const document = open.get(params.textDocument.uri);
      if (document === undefined) return null;
      await turn();
      if (token.isCancellationRequested)
        return new ResponseError(LSPErrorCodes.RequestCancelled, 'cancelled');
      try {
        return question(document, params, documents.pathOf(document.uri));
      } catch (error) {
        if (error instanceof ResponseError) return error;
        failed(error);
        return null;
      }
    };
  }

  /** The same about a place in it. */
  const askedAt = <
    P extends { readonly textDocument: TextDocumentIdentifier; readonly position: Position },
    R,
  >(
    question: (document: TextDocument, path: string, offset: number, params: P) => R,
  ) =>
    asked<P, R>((document, params, path) =>
      question(document, path, document.offsetAt(params.position), params),
    );

  const readFolders = (): void => service.include(zooFilesIn(folders).map((path) => documents.named(path)));

  connection.onInitialize((params: InitializeParams): InitializeResult => {
    commands = commandsOf(params.initializationOptions);
    const roots = params.workspaceFolders?.map(({ uri }) => uri) ?? (params.rootUri ? [params.rootUri] : []);
    folders = roots.flatMap((uri) => filePath(uri) ?? []);
    client = params.capabilities;
    readFolders();
    return { capabilities, serverInfo: { name: 'zooc', version } };
  });

  connection.onInitialized(() => {
    if (client.workspace?.didChangeWatchedFiles?.dynamicRegistration === true)
      void watchFiles(connection).catch(failed);
    if (client.workspace?.workspaceFolders !== true) return;
    connection.workspace.onDidChangeWorkspaceFolders(({ added, removed }) => {
      const gone = new Set(removed.map(({ uri }) => filePath(uri)));
      folders = [
        ...folders.filter((folder) => !gone.has(folder)),
        ...added.flatMap(({ uri }) => filePath(uri) ?? []),
      ];
      readFolders();
    });
  });

  // ── documents ────────────────────────────────────────────────────────────────────────────────────────────

  open.onDidChangeContent(({ document }) => {
    const path = documents.pathOf(document.uri);
    service.open(path, document.getText());
    checking.want([path, ...documents.paths.filter((other) => other !== path)]);
  });
  open.onDidClose(({ document }) => {
    service.close(documents.pathOf(document.uri));
    void connection.sendDiagnostics({ uri: document.uri, diagnostics: [] });
    checking.want(documents.paths);
  });
  connection.onDidChangeWatchedFiles(() => {
    service.refresh();
    readFolders();
    checking.want(documents.paths);
  });

  // ── questions ────────────────────────────────────────────────────────────────────────────────────────────

  connection.onHover(
    askedAt((document, path, offset) => {
      const found = service.hover(path, offset);
      return found === undefined ? null : hoverOf(document, found);
    }),
  );
  connection.onCompletion(
    askedAt((document, path, offset) => completionOf(document, service.completion(path, offset))),
  );
  connection.onSignatureHelp(
    askedAt((_document, path, offset) => {
      const found = service.signatureHelp(path, offset);
      return found === undefined ? null : signatureOf(found);
    }),
  );
  connection.onDefinition(
    askedAt((_document, path, offset) => {
      const found = service.definition(path, offset);
      return found === undefined ? null : documents.locationOf(found);
    }),
  );
  connection.onReferences(
    askedAt((_document, path, offset, { context }) => {
      const found = service.references(path, offset);
      const own = context.includeDeclaration ? undefined : service.definition(path, offset);
      return found
        .filter((place) => place.path !== own?.path || place.start !== own.start)
        .map((place) => documents.locationOf(place));
    }),
  );
  connection.onDocumentHighlight(
    askedAt((document, path, offset) =>
      service
        .references(path, offset)
        .filter((place) => place.path === path)
        .map((place) => ({ range: rangeIn(document, place) })),
    ),
  );
  connection.onPrepareRename(
    askedAt((document, path, offset) => {
      const range = service.renameRange(path, offset);
      return range === undefined ? null : rangeIn(document, range);
    }),
  );
  connection.onRenameRequest(
    askedAt((_document, path, offset, { newName }) => {
      const found = service.rename(path, offset, newName);
      if (!found.ok) throw new ResponseError(LSPErrorCodes.RequestFailed, found.message);
      const changes: Record<string, { range: ReturnType<typeof documents.rangeOf>; newText: string }[]> = {};
      for (const { path: at, text, ...range } of found.edits) {
        const uri = documents.uriOf(at);
        changes[uri] = [...(changes[uri] ?? []), { range: documents.rangeOf(at, range), newText: text }];
      }
      return { changes };
    }),
  );
  connection.onDocumentSymbol(
    asked((document, _params, path) => service.symbols(path).map((symbol) => symbolOf(document, symbol))),
  );
  connection.onFoldingRanges(
    asked((document, _params, path) => service.folding(path).flatMap((fold) => foldOf(document, fold))),
  );
  connection.onCodeAction(
    asked((document, { range, context }, path) =>
      service
        .codeActions(path, offsetsIn(document, range))
        .map((action) => actionOf(document, action, context.diagnostics)),
    ),
  );
  connection.onDocumentFormatting(
    asked((document, _params, path) => service.format(path).map((edit) => editOf(document, edit))),
  );
  const tokens = asked((document, _params, path) => tokensOf(document, service.semanticTokens(path)));
  connection.languages.semanticTokens.on(
    async (params, token) => (await tokens(params, token)) ?? { data: [] },
  );
  connection.languages.inlayHint.on(
    asked((document, { range }, path) =>
      service.inlayHints(path, offsetsIn(document, range)).map((hint) => hintOf(document, hint)),
    ),
  );

  // ── lenses ───────────────────────────────────────────────────────────────────────────────────────────────

  connection.onCodeLens(
    asked((document, _params, path) =>
      service.lenses(path).flatMap(({ name, about, ...at }): CodeLens[] => {
        const range = rangeIn(document, at);
        if (about === 'size') return [{ range, data: { uri: document.uri, name } }];
        const command = commandOf[about];
        return commands.includes(command)
          ? [{ range, command: { title: about, command, arguments: [document.uri, name] } }]
          : [];
      }),
    ),
  );
  connection.onCodeLensResolve((lens) => {
    const { uri, name } = lens.data as { uri: string; name: string };
    const title = service.sizeText(documents.pathOf(uri), name) ?? 'has mistakes';
    return { ...lens, command: { title, command: '' } };
  });

  open.listen(connection);
  connection.listen();
}

const capabilities: InitializeResult['capabilities'] = {
  textDocumentSync: TextDocumentSyncKind.Incremental,
  hoverProvider: true,
  completionProvider: { triggerCharacters: ['.', '"', '!', '/'] },
  signatureHelpProvider: { triggerCharacters: ['(', ','] },
  definitionProvider: true,
  referencesProvider: true,
  documentHighlightProvider: true,
  renameProvider: { prepareProvider: true },
  documentSymbolProvider: true,
  foldingRangeProvider: true,
  codeActionProvider: { codeActionKinds: [CodeActionKind.QuickFix] },
  codeLensProvider: { resolveProvider: true },
  documentFormattingProvider: true,
  semanticTokensProvider: { legend, full: true },
  inlayHintProvider: true,
  workspace: { workspaceFolders: { supported: true, changeNotifications: true } },
};

function commandsOf(options: unknown): readonly unknown[] {
  const listed = typeof options === 'object' && options !== null && 'commands' in options && options.commands;
  return Array.isArray(listed) ? listed : [];
}

/** Files that other programs write. */
async function watchFiles(connection: Connection): Promise<void> {
  await connection.client.register(DidChangeWatchedFilesNotification.type, {
    watchers: [{ globPattern: '**/*.zoo' }, { globPattern: '**/package.json' }],
  });
}
