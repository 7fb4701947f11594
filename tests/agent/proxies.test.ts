import { describe, expect, test } from 'vitest';
import { ConfigError, settleProxies } from '../../agent/config.ts';
import { proxiesIn } from '../../agent/proxies.ts';

const NONE = { http_proxy: '', https_proxy: '', no_proxy: '' };
const ALL = 'http://all.example:3128/';
const OTHER = 'https://other.example/';

describe('the proxies that the environment names', () => {
  test.for<[Record<string, string>, object]>([
    [{}, NONE],
    [{ HTTPS_PROXY: '', https_proxy: '', ALL_PROXY: '' }, NONE],
    [
      { HTTPS_PROXY: '', ALL_PROXY: ALL },
      { ...NONE, http_proxy: ALL, https_proxy: ALL },
    ],
    [
      { HTTPS_PROXY: OTHER, ALL_PROXY: ALL },
      { ...NONE, http_proxy: ALL, https_proxy: OTHER },
    ],
    [
      { https_proxy: '', HTTPS_PROXY: OTHER },
      { ...NONE, https_proxy: OTHER },
    ],
    [
      { all_proxy: ALL, ALL_PROXY: OTHER },
      { ...NONE, http_proxy: ALL, https_proxy: ALL },
    ],
    [{ HTTP_PROXY: 'all.example:3128' }, { ...NONE, http_proxy: ALL }],
    [
      { HTTPS_PROXY: OTHER, NO_PROXY: '.example' },
      { ...NONE, https_proxy: OTHER, no_proxy: '.example' },
    ],
  ])('of %j are %j', ([environment, expected]) => {
    expect(proxiesIn(environment)).toEqual(expected);
  });

  test.for(['socks5://me:secret@proxy.example', 'http://me:100%secret@proxy.example', 'http://secret at nowhere'])(
    'must be ones that can be asked, and %s is not shown',
    (named) => {
      const settle = () => settleProxies({ HTTPS_PROXY: named });
      expect(settle).toThrow(ConfigError);
      expect(settle).toThrow(/^HTTP_PROXY, HTTPS_PROXY, ALL_PROXY: expected http or https URLs, or nothing$/);
    },
  );
});
