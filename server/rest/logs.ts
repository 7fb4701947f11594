import { createRoute, z } from '@hono/zod-openapi';
import { accepts } from 'hono/accepts';
import { KelpieError } from '../../core/errors.ts';
import { findJob } from '../../core/jobs/find.ts';
import type { LogChunk, LogStart } from '../../core/logs/follow.ts';
import { DEFAULT_TAIL, MAX_TAIL, type LogLine } from '../../core/logs/lines.ts';
import { tailLogs } from '../../core/logs/read.ts';
import { messageOf } from '../../lib/errors.ts';
import { exampleId } from './examples.ts';
import { said } from './field-words.ts';
import { HEARTBEAT } from './heartbeat.ts';
import type { RestParts } from './parts.ts';
import { problemResponses } from './problem.ts';
import { createRouter, doors, jsonOutput } from './router.ts';
import { streamOf } from './stream.ts';
import { wholeNumber, wholeNumberOr } from './whole-number.ts';

/** What commands write: the last lines, or as it comes. */
export function logRoutes({ core, stopping, log, viewerOf }: Omit<RestParts, 'ready'>) {
  const { reading } = doors(viewerOf);
  const router = createRouter();
  router.openapi({ ...logs, ...reading }, async (context) => {
    const viewer = context.get('viewer');
    const { tail, attempt, follow } = context.req.valid('query');
    const job = await findJob(core, viewer, context.req.valid('param').id);
    const wanted = (...supports: string[]) =>
      accepts(context, { header: 'Accept', supports: [PLAIN, ...supports], default: PLAIN });
    context.header('Vary', 'Accept', { append: true });
    // Whoever asks for the headers alone would never end a stream.
    if (follow && context.req.method !== 'HEAD') {
      const type = wanted(EVENTS);
      const start = placeAfter(context.req.header('Last-Event-ID')) ?? { tail, attempt };
      const parts = core.logFollowers.follow(viewer, job.id, start);
      context.header('Content-Type', `${type}; charset=utf-8`);
      context.header('X-Accel-Buffering', 'no');
      const encoding = type === EVENTS ? asEvents : asText;
      const onError = (error: unknown) => {
        // A key that was revoked, a job that was removed.
        if (error instanceof KelpieError) return;
        log.error(
          { err: error, request_id: context.get('requestId') },
          `A log could not be followed: ${messageOf(error)}`,
        );
      };
      return context.body(streamOf({ ...encoding, parts, stopping, hangUp: () => context.env.hangUp(), onError }), 200);
    }
    const { lines } = await tailLogs(core, viewer, job, { tail, attempt });
    if (wanted(JSON_TYPE) === JSON_TYPE) return context.json({ _count: lines.length, lines: lines.map(viewOf) }, 200);
    return context.text(textOf(lines), 200);
  });
  return router;
}

const PLAIN = 'text/plain';
const JSON_TYPE = 'application/json';
const EVENTS = 'text/event-stream';

const asText = {
  encode: ({ lines }: LogChunk) => textOf(lines),
  end: '',
};

/** Each event bears the place after it, which a browser sends back when it connects again. The last one says that there is no more. */
const asEvents = {
  encode: ({ attempt, nextOffset, lines }: LogChunk) =>
    `id: ${attempt}:${nextOffset}\ndata: ${JSON.stringify({ lines: lines.map(viewOf) })}\n\n`,
  end: 'event: end\ndata: {}\n\n',
  heartbeat: HEARTBEAT,
};

function placeAfter(eventId: string | undefined): LogStart | undefined {
  const [, attempt, fromOffset] = /^(\d{1,9}):(\d{1,10})$/.exec(eventId ?? '') ?? [];
  if (attempt === undefined || fromOffset === undefined) return undefined;
  return { attempt: Math.max(Number(attempt), 1), fromOffset: Math.min(Number(fromOffset), 2_147_483_647) };
}

/**
 * Lines as they were written; what the command has not written is told apart by how it begins. Where a command writes such a beginning, also
 * behind what a terminal or a program may take for the end of a line or not show at all, a backslash is put before it, one more than there are.
 */
function textOf(lines: readonly LogLine[]): string {
  return lines
    .map(({ stream, text }) => {
      if (stream === 'KELPIE') return `[kelpie] ${text.replaceAll(NO_TEXT, ' ')}\n`;
      return `${text.includes('[kelpie]') ? text.replaceAll(OUR_BEGINNING, '\\$&') : text}\n`;
    })
    .join('');
}

const NO_TEXT = /[\p{Cc}\p{Zl}\p{Zp}]+/gu;
const ESCAPE = '\u001b';
/** With this one byte in their place, those of eight bits begin a sequence as `ESCAPE [` does. */
const INTRODUCER = '\u009b';
/** As ECMA-48 has it: colours, moves of the cursor, and whatever else a terminal does and does not show. */
const SEQUENCE = `(?:${ESCAPE}\\[|${INTRODUCER})[0-?]*[ -/]*[@-~]|${ESCAPE}[ -/]*[0-Z\\\\-~]`;
/** Behind the beginning of a sequence the bracket is a part of it, and so would be our backslash. */
const UNSEEN = `(?![${ESCAPE}${INTRODUCER}])[\\p{Cc}\\p{Cf}]`;
const OUR_BEGINNING = new RegExp(`(?<=^|${UNSEEN}|${SEQUENCE})\\\\*\\[kelpie\\]`, 'gmu');

const streamNames = { STDOUT: 'stdout', STDERR: 'stderr', KELPIE: 'kelpie' } as const satisfies Record<
  LogLine['stream'],
  string
>;

function viewOf({ attempt, offset, at, stream, text }: LogLine): z.infer<typeof lineView> {
  return { attempt, offset, at: at.toISOString(), stream: streamNames[stream], text };
}

const lineView = z
  .object({
    attempt: said(z.int(), 'Number of the attempt whose command wrote it'),
    offset: z.int().openapi({ description: 'Its number within the attempt, counted from 0' }),
    at: said(z.iso.datetime(), 'When it was written, to within the time between two shipments'),
    stream: z.enum(['stdout', 'stderr', 'kelpie']).openapi({
      description: '`kelpie`: not the command’s; what was left out here, or how an attempt ended',
    }),
    text: said(z.string(), 'The line, without its end; at most 8 KiB of it'),
  })
  .openapi('LogLine');

const query = z.object({
  tail: wholeNumberOr(DEFAULT_TAIL, MAX_TAIL).openapi({ description: 'At most so many of the last lines' }),
  attempt: wholeNumber(2_147_483_647).openapi({
    description: 'Of this attempt; without it, of the newest',
  }),
  follow: z
    .stringbool({ truthy: ['true', '1'], falsy: ['false', '0'], error: 'Expected true or false' })
    .optional()
    .transform((follow) => follow ?? false)
    .openapi({
      type: 'boolean',
      default: false,
      description: 'Go on with what is written, over later attempts too, until the job has ended',
      param: { required: false },
    }),
});

const exampleLine = {
  attempt: 1,
  offset: 0,
  at: '2026-04-19T18:53:33.000Z',
  stream: 'stdout' as const,
  text: 'epoch 1',
};

const page = z.object({
  _count: said(z.int(), 'How many these are'),
  lines: said(z.array(lineView), 'As they were written'),
});
const answer = jsonOutput('The lines; as text by default, each as it was written', page, {
  _count: 1,
  lines: [exampleLine],
});

const logs = createRoute({
  method: 'get',
  path: '/jobs/{id}/logs',
  operationId: 'readLogs',
  tags: ['jobs'],
  summary: 'Read or follow what a job’s command writes',
  description:
    'With `follow`, an answer of text or of events (by `Accept`) that goes on until the job has ended. ' +
    'In text, a line that begins with `[kelpie]` was not written by the command: where a command writes that beginning, a backslash stands before it. ' +
    'In JSON and events, `stream` tells. Nothing in a log is hidden.',
  request: { params: z.object({ id: z.string().openapi({ format: 'uuid', example: exampleId }) }), query },
  responses: {
    200: {
      ...answer,
      content: {
        ...answer.content,
        [PLAIN]: { schema: z.string(), example: `${exampleLine.text}\n` },
        [EVENTS]: { schema: z.string(), example: asEvents.end },
      },
    },
    ...problemResponses(400, 401, 403, 404, 429),
  },
});
