/** `zooc list`: the bundled models. */
// From its own file: the rest of the stage would load what reads recipes.
import { type ModelOutline, outlineBundled } from '../../../compiler/model/resolve/outline.ts';
import { DiagnosticError } from '../../../grammar/diagnostics.ts';
import { nodeHost } from '../../host.ts';
import { count, print, printJson, table } from '../output.ts';

/** A tower in a few words, from its static values: `ViT/32 width 768 layers 12`. */
function tower(model: ModelOutline, side: 'vision' | 'text'): string {
  const value = (name: string) => model.config.get(`${side}.${name}`);
  const [patch, layers] = [value('patch'), value('layers')];
  const block = String(model.config.get(side));
  const conv = block === 'ModifiedResNet' ? 'ResNet' : block;
  const kind = side === 'text' ? 'text' : patch === undefined ? conv : `ViT/${patch}`;
  const depth = Array.isArray(layers) ? layers.join('+') : (layers ?? 'none');
  return `${kind} width ${value('width')} layers ${depth}`;
}

export function list(options: { json?: boolean }): void {
  const outlined = outlineBundled(nodeHost());
  if (!outlined.ok) throw new DiagnosticError(outlined.diagnostics);
  const models = outlined.value;
  if (options.json === true) {
    printJson(
      models.map((m) => ({
        name: m.name,
        towers: { vision: tower(m, 'vision'), text: tower(m, 'text') },
        parameters: m.parameters,
        resolution: m.resolution,
        embed: m.embed,
      })),
    );
    return;
  }
  const rows = models.map((m) => [
    m.name,
    tower(m, 'vision'),
    tower(m, 'text'),
    count(m.parameters),
    String(m.resolution),
    String(m.embed),
  ]);
  print(table([['model', 'vision', 'text', 'parameters', 'resolution', 'embedding'], ...rows], [3, 4, 5]));
}
