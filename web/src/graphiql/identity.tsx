import type { GraphiQLPlugin } from '@graphiql/react';
import { type FormEvent, useEffect, useState } from 'react';
import { type Claims, decode, useToken, writeToken } from './token';

const TIMES = new Set(['exp', 'iat', 'nbf', 'auth_time']);

function Identity() {
  const token = useToken();
  const claims = decode(token);
  return (
    <section className="evalium-panel" aria-label="Identity">
      <h2>Identity</h2>
      {claims === null ? <TokenForm /> : <Holder claims={claims} />}
    </section>
  );
}

function TokenForm() {
  const [problem, setProblem] = useState('');
  const submit = (event: FormEvent<HTMLFormElement>): void => {
    event.preventDefault();
    const text = String(new FormData(event.currentTarget).get('token'));
    const token = text.trim().replace(/^bearer\s+/i, '');
    if (decode(token) === null) setProblem('This is not an access token: three parts separated by dots are expected.');
    else writeToken(token);
  };
  return (
    <form onSubmit={submit}>
      <p>
        Every operation is sent with this token, over HTTP and over the socket. It stays in this browser tab and is
        forgotten when the tab closes.
      </p>
      <label htmlFor="evalium-token">Access token</label>
      <textarea id="evalium-token" name="token" rows={6} required spellCheck={false} autoComplete="off" />
      <p role="alert" className="evalium-problem">
        {problem}
      </p>
      <button type="submit" className="evalium-button">
        Use this token
      </button>
      <p>A token of the demonstration tenant:</p>
      <pre>.venv/bin/evalium token --role proctor</pre>
    </form>
  );
}

function Holder({ claims }: { claims: Claims }) {
  return (
    <>
      <Expiry seconds={claims.exp} />
      <dl>
        {Object.entries(claims).map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{claimText(name, value)}</dd>
          </div>
        ))}
      </dl>
      <p>Read from the token by this page; only the server verifies it.</p>
      <button type="button" className="evalium-button" onClick={() => writeToken('')}>
        Forget this token
      </button>
    </>
  );
}

function Expiry({ seconds }: { seconds: number | undefined }) {
  const left = useSecondsUntil(seconds);
  if (left === null) return <p>This token names no expiry.</p>;
  return left > 0 ? (
    <p className="evalium-valid">Expires in {span(left)}.</p>
  ) : (
    <p className="evalium-problem">Expired {span(-left)} ago. Forget it and paste a new one.</p>
  );
}

/** Whole seconds until a moment in seconds since 1970, counted once per second; null when there is no such moment. */
export function useSecondsUntil(moment: number | undefined): number | null {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, []);
  return moment === undefined ? null : Math.round(moment - now / 1000);
}

/** A duration for people: "45 s", "12 m", "3 h 5 m", "2 d". */
export function span(seconds: number): string {
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} m`;
  return minutes < 1440 ? `${Math.floor(minutes / 60)} h ${minutes % 60} m` : `${Math.floor(minutes / 1440)} d`;
}

function claimText(name: string, value: unknown): string {
  if (TIMES.has(name) && typeof value === 'number') return new Date(value * 1000).toLocaleString('en-GB');
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function Icon() {
  return (
    <svg viewBox="0 0 24 24" fill="none" stroke="currentColor" strokeWidth="1.5" aria-hidden="true">
      <circle cx="8" cy="8" r="5" />
      <path d="M11.5 11.5 21 21m-4-4 2.5-2.5M14 14l2-2" />
    </svg>
  );
}

export const IDENTITY: GraphiQLPlugin = { title: 'Identity', icon: Icon, content: Identity };
