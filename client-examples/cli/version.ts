/** What the program is called, on the PATH and in what it says. */
export const NAME = 'kelpie-cli';

/** What `--version` says. The same as the package's; a test compares them. */
export const VERSION = '0.1.0';
