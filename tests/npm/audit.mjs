// The server audit of graphql-http, as the bearer of a token: audit.mjs URL TOKEN; prints the results as JSON.
import { serverAudits } from 'graphql-http';

const [, , url, token] = process.argv;
const fetchFn = (address, { headers, ...more } = {}) =>
  fetch(address, { ...more, headers: { ...headers, authorization: `Bearer ${token}` } });
const results = [];
for (const audit of serverAudits({ url, fetchFn })) {
  const { id, name, status, reason } = await audit.fn();
  results.push({ id, name, status, reason });
}
console.log(JSON.stringify(results));
