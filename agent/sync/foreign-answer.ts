/** An answer succeeded, and lacks what every store sends. */
export function notFromStore(what: string, missing: string): Error {
  const advice = 'check that AWS_ENDPOINT_URL is the address of the store, and that no proxy answers for it';
  return new Error(`the answer to ${what} succeeded without ${missing}, so it is no store's: ${advice}`);
}
