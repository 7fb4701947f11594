import { describe, expect, test } from 'vitest';
import { ForbiddenAddress, mayConnect, parseRanges, publicAddresses } from '../../../core/webhooks/guard.ts';

/** Ways to say "this machine", "this network" or "the metadata service" in a URL. */
const DISGUISED = [
  ...[
    '127.0.0.1',
    '127.1',
    '127.0.1',
    '2130706433',
    '0x7f000001',
    '0x7f.1',
    '0177.0.0.1',
    '017700000001',
    '127.255.255.254',
  ],
  ...[
    '0',
    '0.0.0.0',
    '00',
    '0x0',
    '10.0.0.1',
    '10.1',
    '0xa.0.0.1',
    '172.16.0.1',
    '172.31.255.255',
    '192.168.0.1',
    '192.168.1',
  ],
  ...[
    '169.254.169.254',
    '0xa9fea9fe',
    '2852039166',
    '0251.0376.0251.0376',
    '169.254.43518',
    '100.64.0.1',
    '100.100.100.200',
  ],
  ...[
    '192.0.0.192',
    '192.0.2.1',
    '198.18.0.1',
    '198.51.100.7',
    '203.0.113.9',
    '224.0.0.1',
    '240.0.0.1',
    '255.255.255.255',
  ],
  ...['168.63.129.16', '192.88.99.1', '127.0.0.1.', '１２７.０.０.１', '①②⑦.0.0.1', '%31%32%37.0.0.1', '127。0。0。1'],
  ...[
    '[::1]',
    '[::]',
    '[0:0:0:0:0:0:0:1]',
    '[::ffff:127.0.0.1]',
    '[::ffff:7f00:1]',
    '[::ffff:0:7f00:1]',
    '[::127.0.0.1]',
  ],
  ...['[64:ff9b::7f00:1]', '[64:ff9b:1::a00:1]', '[2002:7f00:1::]', '[2001:0:7f00:1::]', '[2001:db8::1]', '[100::1]'],
  ...[
    '[fe80::1]',
    '[fec0::1]',
    '[fc00::1]',
    '[fd00:ec2::254]',
    '[ff02::1]',
    '[::ffff:a9fe:a9fe]',
    '[4000::1]',
    '[5f00::1]',
  ],
];

const resolve = () => Promise.reject(new Error('An address needs no resolver'));

describe('the guard against requests forged through this server', () => {
  test.each(DISGUISED)('refuses http://%s/', async (host) => {
    const { hostname } = new URL(`http://${host}/`);
    await expect(publicAddresses(hostname, { allowed: [], resolve })).rejects.toThrow(ForbiddenAddress);
  });

  test.each([
    '1.1.1.1',
    '8.8.8.8',
    '93.184.216.34',
    '[2606:4700:4700::1111]',
    '[2a00:1450:4001:80b::200e]',
    '134744072',
  ])('lets http://%s/ pass', async (host) => {
    const { hostname } = new URL(`http://${host}/`);
    expect(await publicAddresses(hostname, { allowed: [], resolve })).toHaveLength(1);
  });

  test('refuses a name that resolves to a private address, also beside public ones', async () => {
    const to = (...addresses: string[]) => ({
      allowed: [],
      resolve: async () => addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
    });
    await expect(publicAddresses('inside.example', to('10.0.0.1'))).rejects.toThrow('inside.example');
    await expect(publicAddresses('both.example', to('1.1.1.1', '::1'))).rejects.toThrow(ForbiddenAddress);
    await expect(publicAddresses('zone.example', to('fe80::1%eth0'))).rejects.toThrow(ForbiddenAddress);
    await expect(publicAddresses('odd.example', to('not an address'))).rejects.toThrow(ForbiddenAddress);
    expect(await publicAddresses('fine.example', to('1.1.1.1', '2606:4700:4700::1111'))).toHaveLength(2);
  });

  test('does not say in its message what a name resolves to', async () => {
    const resolve = async () => [{ address: '10.1.2.3', family: 4 }];
    await expect(publicAddresses('inside.example', { allowed: [], resolve })).rejects.not.toThrow('10.1.2.3');
  });

  test('lets ranges pass that an operator allows, in any spelling of theirs', () => {
    const allowed = parseRanges('127.0.0.0/8, fd00::/8');
    for (const address of ['127.0.0.1', '127.3.4.5', '::ffff:127.0.0.1', 'fd12::1']) {
      expect(mayConnect(address, allowed), address).toBe(true);
    }
    for (const address of ['10.0.0.1', '::1', 'fe80::1', '169.254.169.254']) {
      expect(mayConnect(address, allowed), address).toBe(false);
    }
  });

  test('names what is no range', () => {
    expect(() => parseRanges('10.0.0.0/8,localhost')).toThrow('expected ranges such as 10.0.0.0/8, got localhost');
    expect(() => parseRanges('10.0.0.0/33')).toThrow('10.0.0.0/33');
    expect(parseRanges(' ')).toEqual([]);
  });
});
