import { registerHooks } from 'node:module';

/** For `--import`: says of each module of this process, on stderr, that it is loaded. */
registerHooks({
  load(url, context, next) {
    process.stderr.write(`loaded: ${url}\n`);
    return next(url, context);
  },
});
