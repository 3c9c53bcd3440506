import { useSyncExternalStore } from 'react';

/** The claims of a token as its issuer wrote them; `exp` is in seconds since 1970. */
export type Claims = Record<string, unknown> & { exp?: number };

const KEY = 'evalium.token';
const listeners = new Set<() => void>();

/** The token of this browser tab, or an empty string. It lives in sessionStorage: closing the tab forgets it. */
export function readToken(): string {
  return sessionStorage.getItem(KEY) ?? '';
}

export function writeToken(token: string): void {
  if (token === '') sessionStorage.removeItem(KEY);
  else sessionStorage.setItem(KEY, token);
  for (const listener of listeners) listener();
}

export function useToken(): string {
  return useSyncExternalStore(subscribe, readToken);
}

/** Reads the claims of a JWT without verifying it, which only the server can do; null for anything else. */
export function decode(token: string): Claims | null {
  const body = token.split('.');
  if (body.length !== 3) return null;
  try {
    const bytes = Uint8Array.from(atob((body[1] ?? '').replaceAll('-', '+').replaceAll('_', '/')), (c) => c.charCodeAt(0));
    const claims: unknown = JSON.parse(new TextDecoder().decode(bytes));
    return typeof claims === 'object' && claims !== null ? (claims as Claims) : null;
  } catch {
    return null;
  }
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}
