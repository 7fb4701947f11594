import { Link, useSearchParams } from 'wouter';
import { type AgentState, AgentsDocument, type AgentsQuery } from '../generated/graphql.ts';
import { useAnswer } from '../live/context.ts';
import { Empty } from '../parts/command.tsx';
import { bytes, count, percent, titleOf } from '../parts/format.ts';
import { Ago } from '../parts/time.tsx';
import { AgentBadge, Fault, Page, ProgressBar, ui } from '../parts/ui.tsx';
import styles from '../style/fleet.module.css';

type Agent = AgentsQuery['agents']['nodes'][number];

const EVERY_MS = 3_000;
/** On machines that come and go, those that are gone would soon be most of the list. */
const HERE: AgentState[] = ['IDLE', 'BUSY', 'DRAINING'];

/** Who works, on what, and how busy the machines are. */
export function Agents() {
  const [parameters] = useSearchParams();
  const group = parameters.get('group');
  const withGone = parameters.has('gone');
  const filter = { containerGroupId: group, state: withGone ? null : HERE };
  const { data, fault } = useAnswer(AgentsDocument, { filter }, EVERY_MS);
  const agents = data?.agents.nodes;
  const more = data?.agents.pageInfo.hasNextPage === true;
  return (
    <Page
      title="Agents"
      lead={
        group === null ? (
          'The machines that ask for work, and what they have.'
        ) : (
          <>
            Of the group {group}. <Link href="/app/agents">Show all</Link>
          </>
        )
      }
      actions={
        <Link href={hrefOf(group, !withGone)} className={ui.button}>
          {withGone ? 'Hide those that are gone' : 'Show those that are gone'}
        </Link>
      }
    >
      {fault !== undefined && <Fault>{fault}</Fault>}
      {agents === undefined && fault === undefined && <p className={ui.muted}>Loading …</p>}
      {agents?.length === 0 && (
        <section className={ui.panel}>
          <Empty title={withGone ? 'No agents yet' : 'No agents now'} command={START_AGENT}>
            An agent runs beside your command in its container. Start one with a key of the role AGENT in $AGENT_KEY:
          </Empty>
        </section>
      )}
      {agents !== undefined && agents.length > 0 && (
        <ul className={styles.agents}>
          {agents.map((agent) => (
            <AgentCard key={agent.id} agent={agent} />
          ))}
        </ul>
      )}
      {more && (
        <p className={ui.muted}>
          The {count(agents?.length ?? 0)} that registered last are shown: choose a group on the overview.
        </p>
      )}
    </Page>
  );
}

function hrefOf(group: string | null, withGone: boolean): string {
  const query = new URLSearchParams({ ...(group !== null && { group }), ...(withGone && { gone: '' }) });
  return query.size === 0 ? '/app/agents' : `/app/agents?${query.toString()}`;
}

const START_AGENT = `KELPIE_API_URL=${location.origin} KELPIE_API_KEY=$AGENT_KEY \\
SALAD_MACHINE_ID=$(hostname) SALAD_CONTAINER_GROUP_ID=local node agent/main.ts`;

function AgentCard({ agent }: { agent: Agent }) {
  return (
    <li className={styles.agent}>
      <header>
        <h2 className={ui.mono}>{agent.machineId}</h2>
        <AgentBadge state={agent.state} />
      </header>
      <p className={ui.muted}>
        {agent.containerGroupId} · heard of <Ago at={agent.lastSeenAt} />
        {agent.version !== null && ` · version ${agent.version}`}
      </p>
      {agent.jobs.map((job) => (
        <div key={job.id} className={styles.work}>
          <Link href={`/app/jobs/${job.id}`}>{titleOf(job)}</Link>
          {job.progress?.fraction != null && (
            <ProgressBar fraction={job.progress.fraction} label={`Progress of ${titleOf(job)}`} />
          )}
        </div>
      ))}
      <Hardware agent={agent} />
    </li>
  );
}

function Hardware({ agent: { hardware, gpuUse } }: { agent: Agent }) {
  if (hardware === null) return <p className={ui.muted}>It has not said what its machine has.</p>;
  const { cpus, cpuModel, memoryBytes, diskBytes, gpus } = hardware;
  const parts = [
    cpus === null ? '' : `${cpus} ${cpus === 1 ? 'core' : 'cores'}`,
    memoryBytes === null ? '' : `${bytes(memoryBytes)} memory`,
    diskBytes === null ? '' : `${bytes(diskBytes)} disk`,
  ];
  return (
    <div className={styles.hardware}>
      <p>{parts.filter((part) => part !== '').join(' · ')}</p>
      {cpuModel !== null && <p className={ui.muted}>{cpuModel}</p>}
      {gpus.map((gpu, place) => {
        const index = gpu.index ?? place;
        const use = gpuUse.find((each) => each.index === index);
        const name = `${gpu.name ?? 'GPU'}${gpu.memoryBytes === null ? '' : `, ${bytes(gpu.memoryBytes)}`}`;
        return (
          <GpuLine key={index} name={name} utilization={use?.utilization ?? null} used={use?.memoryUsedBytes ?? null} />
        );
      })}
    </div>
  );
}

function GpuLine({ name, utilization, used }: { name: string; utilization: number | null; used: string | null }) {
  return (
    <div className={styles.gpu}>
      <span>{name}</span>
      <span className={ui.number}>
        {utilization === null ? 'not measured' : percent(utilization)}
        {used !== null && `, ${bytes(used)} in use`}
      </span>
      {utilization !== null && <ProgressBar fraction={utilization} label={`Utilisation of ${name}`} />}
    </div>
  );
}
