import { messageOf } from '../lib/errors.ts';
import { buildDashboard } from './dashboard.ts';

/** `npm run build:dashboard`: builds what the server sends to browsers, unless that is as new as its sources. */
try {
  const { built, ms } = await buildDashboard();
  process.stdout.write(
    built ? `Built the dashboard in ${(ms / 1_000).toFixed(1)} s\n` : 'The dashboard is up to date\n',
  );
} catch (error) {
  process.stderr.write(`The dashboard could not be built: ${messageOf(error)}\n`);
  process.exitCode = 1;
}
