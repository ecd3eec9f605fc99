// Sends a batch by the generated client, and reads its results. A typo here does not compile.
import createClient from "openapi-fetch";
import type { components, paths } from "./api.js";

const { INTERLINE_URL, INTERLINE_KEY } = process.env;
if (INTERLINE_URL === undefined || INTERLINE_KEY === undefined) throw new Error("INTERLINE_URL, INTERLINE_KEY");

const client = createClient<paths, "application/json" | "application/problem+json">({
  baseUrl: INTERLINE_URL,
  headers: { authorization: `Bearer ${INTERLINE_KEY}` },
});

const body: components["schemas"]["BatchRequest"] = {
  from: "system",
  content: { type: "text", text: "Hi $name$", template: true },
  messages: [
    { id: "m1", to: "user:alice", vars: { name: "Alice" } },
    { id: "m2", to: "user:bob", vars: { name: "Bob" } },
  ],
  labels: { client: "typescript" },
};

const taken = await client.POST("/v1/batches", {
  params: { header: { "Idempotency-Key": "typescript-1", Prefer: "wait=20" } },
  body,
});
if (taken.error) throw new Error(`${taken.error.code}: ${taken.error.detail}`);
const { id, state, counts } = taken.data;

const page = await client.GET("/v1/batches/{id}/messages", { params: { path: { id }, query: { limit: 10 } } });
if (page.error) throw new Error(`${page.error.code}: ${page.error.detail}`);
const statuses = page.data.messages.map((result) => `${result.id} ${result.status}`);

const wrong = await client.POST("/v1/plan", { body: { messages: [{ to: "nobody" }] } });
console.log(JSON.stringify({ id, state, accepted: counts.accepted, statuses, refused: wrong.data?.errors.length }));
