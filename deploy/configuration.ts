import { z } from 'zod';
import { agentVariables } from '../agent/config.ts';
import { serverVariables } from '../server/config.ts';
import { limitVariables } from '../server/limits.ts';

const variable = z.looseObject({
  description: z.string({ error: 'every variable has a description: add .describe() to its schema' }),
  enum: z.array(z.string()).optional(),
  minimum: z.number().optional(),
  maximum: z.number().optional(),
});
type Variable = z.infer<typeof variable>;

/** The page of all settings, as the schemas have them that check them at the start of each program. */
export function printedConfiguration(): string {
  const server = rowsOf(serverVariables);
  const isLimit = ({ name }: Row): boolean => name in limitVariables;
  return [
    '# Configuration',
    '',
    '<!-- Printed by `npm run codegen` from server/config.ts, server/limits.ts and agent/config.ts: change those. -->',
    '',
    'Each program reads its settings from the environment alone, checks all of them when it starts, and names every fault at once. A variable',
    'that is set to nothing counts as not set.',
    '',
    '## The server',
    '',
    ...tableOf(server.filter((row) => !isLimit(row))),
    '',
    '## What one client may ask of one server',
    '',
    'A breach names the variable. [security.md](security.md) says what each protects.',
    '',
    ...tableOf(server.filter(isLimit)),
    '',
    '## The agent',
    '',
    ...tableOf(rowsOf(agentVariables)),
    '',
  ].join('\n');
}

const document = z.object({ properties: z.record(z.string(), variable) });

interface Row extends Variable {
  name: string;
  /** What stands for a variable that is not set. */
  preset: string;
}

function rowsOf(schema: z.ZodObject<Record<string, z.ZodType>>): Row[] {
  const { properties } = document.parse(z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }));
  return Object.entries(properties).map(([name, about]) => ({ name, ...about, preset: presetOf(schema.shape[name]) }));
}

const preset = z.union([z.string(), z.number(), z.boolean()]);

/** Asked of the schema itself: a default that is no text, as it comes from the environment, is left out of its description. */
function presetOf(field: z.ZodType | undefined): string {
  const absent = (field ?? z.never()).safeParse(undefined);
  if (!absent.success) return 'needed';
  // A list that is empty unless it is set.
  const text = preset.safeParse(absent.data).data?.toString() ?? '';
  return text === '' ? 'none' : `\`${cell(text)}\``;
}

function tableOf(rows: Row[]): string[] {
  const lines = rows.map((row) => `| \`${row.name}\` | ${cell(meaningOf(row))} | ${row.preset} |`);
  return ['| variable | meaning | default |', '| --- | --- | --- |', ...lines];
}

function meaningOf({ description, enum: values, minimum, maximum }: Variable): string {
  if (values !== undefined) return `${description}: ${values.join(', ')}`;
  const isBound = (edge: number | undefined): edge is number => edge !== undefined && Number.isSafeInteger(edge);
  const edges = [
    isBound(minimum) ? `from ${minimum}` : '',
    isBound(maximum) && maximum < 2 ** 31 - 1 ? `to ${maximum}` : '',
  ];
  const range = edges.filter((edge) => edge !== '').join(' ');
  return range === '' || range === 'from 0' ? description : `${description} (${range})`;
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|');
}
