import type { GraphiQLPlugin } from '@graphiql/react';
import { useSyncExternalStore } from 'react';

interface Frame {
  number: number;
  at: Date;
  data: unknown;
}

const KEPT = 50;
const listeners = new Set<() => void>();
let frames: readonly Frame[] = [];

/** Forgets the frames of the run before. */
export function streamOpened(): void {
  replace([]);
}

/** Keeps one answer of the running subscription; the response pane shows only the last, which may be a heartbeat. */
export function streamReceived(data: unknown): void {
  replace([{ number: (frames[0]?.number ?? 0) + 1, at: new Date(), data }, ...frames.slice(0, KEPT - 1)]);
}

function replace(next: readonly Frame[]): void {
  frames = next;
  for (const listener of listeners) listener();
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

function Stream() {
  const shown = useSyncExternalStore(subscribe, () => frames);
  const received = shown[0]?.number ?? 0;
  return (
    <section className="evalium-panel" aria-label="Stream">
      <h2>Stream</h2>
      {received === 0 ? (
        <p>Run a subscription: what it sends is listed here, newest first.</p>
      ) : (
        <p>
          {received === 1 ? '1 frame' : `${received} frames`} received; the newest {KEPT} are kept.
        </p>
      )}
      <ol>
        {shown.map((frame) => (
          <li key={frame.number}>
            <small>
              {frame.number} · {frame.at.toLocaleTimeString('en-GB')}
            </small>
            <pre>{JSON.stringify(frame.data, null, 1)}</pre>
          </li>
        ))}
      </ol>
    </section>
  );
}

function Icon() {
  return (
    <svg viewBox="0 0 24 24" fill="none" stroke="currentColor" strokeWidth="1.5" aria-hidden="true">
      <path d="M2.5 12h4l2.5-7 5 14 3-7h4.5" />
    </svg>
  );
}

export const STREAM: GraphiQLPlugin = { title: 'Stream', icon: Icon, content: Stream };
