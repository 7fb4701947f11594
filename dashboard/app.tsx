import { Suspense, useCallback, useState } from 'react';
import { Link, Route, Switch, useLocation } from 'wouter';
import { Boundary } from './parts/boundary.tsx';
import { Connected } from './connected.tsx';
import { lazily } from './parts/lazily.ts';
import { Page, ui } from './parts/ui.tsx';
import { Overview } from './pages/overview.tsx';
import { SignIn } from './pages/sign-in.tsx';
import { Shell } from './shell.tsx';

// What the first look does not need is loaded when it is gone to.
const Jobs = lazily(async () => import('./pages/jobs.tsx').then(({ Jobs }) => Jobs));
const Job = lazily(async () => import('./pages/job.tsx').then(({ Job }) => Job));
const Submit = lazily(async () => import('./pages/submit.tsx').then(({ Submit }) => Submit));
const Agents = lazily(async () => import('./pages/agents.tsx').then(({ Agents }) => Agents));
const Scaling = lazily(async () => import('./pages/scaling.tsx').then(({ Scaling }) => Scaling));
const Keys = lazily(async () => import('./pages/keys.tsx').then(({ Keys }) => Keys));

/** The browser forgets it with the tab. It is never part of an address. */
const STORED_KEY = 'kelpie-key';

/** Without a key, the door; with one, the house. */
export function App() {
  const [path] = useLocation();
  const [key, setKey] = useState(() => sessionStorage.getItem(STORED_KEY));
  const [notice, setNotice] = useState<string>();
  const enter = (given: string): void => {
    sessionStorage.setItem(STORED_KEY, given);
    setNotice(undefined);
    setKey(given);
  };
  const leave = useCallback((why?: string) => {
    sessionStorage.removeItem(STORED_KEY);
    setNotice(why);
    setKey(null);
  }, []);
  if (key === null) return <SignIn notice={notice} onKey={enter} />;
  return (
    <Connected apiKey={key} onLeave={leave}>
      <Shell>
        <Boundary key={path}>
          <Suspense fallback={<p className={ui.muted}>Loading …</p>}>
            <Pages />
          </Suspense>
        </Boundary>
      </Shell>
    </Connected>
  );
}

function Pages() {
  return (
    <Switch>
      <Route path="/" component={Overview} />
      <Route path="/app/jobs" component={Jobs} />
      <Route path="/app/jobs/:id">{({ id }) => <Job key={id} id={id} />}</Route>
      <Route path="/app/submit" component={Submit} />
      <Route path="/app/agents" component={Agents} />
      <Route path="/app/scaling" component={Scaling} />
      <Route path="/app/keys" component={Keys} />
      <Route>
        <Page title="There is no such page" lead="The address may be mistyped.">
          <p>
            <Link href="/">Go to the overview</Link>
          </p>
        </Page>
      </Route>
    </Switch>
  );
}
