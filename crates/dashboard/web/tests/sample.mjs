/** Data as a place that is in use has it. */

import { receive } from "./world.mjs";

const REPOSITORIES = ["acme/storefront", "acme/billing", "acme/infra"];
const PEOPLE = ["alice", "bob", "carol", "dave"];

/** Fills a program; answers receivers to be stopped, and what to look at. */
export async function fill(program) {
  const good = await receive(() => ({ text: JSON.stringify({ ok: true }), headers: { "Content-Type": "application/json", "X-Request-Id": "9b1c" } }));
  const bad = await receive(() => ({ status: 500, text: '{"error":"relation \\"orders\\" does not exist"}', headers: { "Content-Type": "application/json" } }));
  const slow = await receive((_request, _body, count) => ({ status: count % 3 ? 200 : 503, text: "try later" }));

  const subscriptions = await Promise.all([
    program.subscribe({ url: good.url, event_types: ["github.*"], description: "CI runner" }),
    program.subscribe({ url: bad.url, event_types: ["order.*"], description: "Order mirror", retry_count: 1, retry_policy: [1] }),
    program.subscribe({ url: slow.url, event_types: ["task.*", "github.push"], user_id: "bob", retry_policy: [600], description: "" }),
    program.subscribe({ url: good.url, event_types: ["order.paid"], description: "Finance, large orders", filter: { "data.amount": { $gte: 100 } }, transform: "(event) => ({ text: `Order ${event.data.id}` })" }),
    program.subscribe({ target: "pull", queue: "reports", event_types: ["order.*", "task.*"] }),
    program.subscribe({ url: good.url, event_types: ["github.release"], description: "Release notes to Slack", template: "slack", paused: true }),
  ]);
  for (let index = 0; index < 24; index++) {
    const user = PEOPLE[index % PEOPLE.length];
    const full_name = REPOSITORIES[index % REPOSITORIES.length];
    await program.github("push", { ref: "refs/heads/main", after: "8f3c5a1d2e4f6071", repository: { full_name }, pusher: { name: user }, commits: [{ message: "Mend the door", author: { name: user } }] }, { user });
    if (index % 3 == 0) await program.github("pull_request", { action: "opened", number: 400 + index, pull_request: { title: "Keep late events in order", user: { login: user } }, repository: { full_name } }, { user });
    if (index % 5 == 0) await program.github("release", { action: "published", release: { tag_name: `v1.${index}.0` }, repository: { full_name } }, { user });
    if (index % 4 == 0) await program.publish("order.paid", { id: 7_000 + index, amount: 40 + 17 * index, currency: "EUR", customer: { id: `cus_${index}`, email: "someone@example.com" } }, user);
    if (index % 6 == 0) await program.publish("task.created", { title: "Mend the door", priority: "high" }, user);
  }
  await program.github("push", { ref: "refs/heads/main" }, { secret: "a wrong one" });
  await program.github("push", { ref: "refs/heads/main" }, { headers: { "X-Hub-Signature-256": "sha256=00" } });
  await program.ask("POST", "/api/sources", { name: "Stripe, live", user_id: "alice", sender: "stripe", secret: "whsec_test" });
  await program.ask("POST", "/api/sources", { name: "Shopify, Berlin shop", user_id: "bob", sender: "shopify", secret: "shpss_test" });
  await program.ask("POST", "/api/keys", { name: "Support desk" });
  await program.ask("POST", "/api/keys", { name: "Bob's laptop", user_id: "bob" });
  await program.ask("POST", "/api/webhooks/event-types", { type: "order.paid", description: "A customer has paid an order.", example: { id: 7001, amount: 129.5, currency: "EUR" } });
  await program.ask("POST", "/api/connections", { user_id: "alice", provider: "github", account_id: "alice-at-acme", access_token: "gho_test", refresh_token: "ghr_test", expires_in: 28_800, scopes: ["repo", "admin:repo_hook"] });
  await program.ask("POST", "/api/connections", { user_id: "bob", provider: "unipile", account_id: "acc_bob" });
  const conversation = await program.ask("POST", "/api/conversations", { user_id: "alice", channel: "API", usecase: "Support" });
  await program.ask("POST", `/api/conversations/${conversation.id}/messages`, { content: "Good morning! How can we help?", type: "BOT" });
  await program.ask("POST", `/api/conversations/${conversation.id}/messages`, { content: "The door squeaks." });
  await program.ask("POST", "/api/conversations", { user_id: "bob", channel: "WHATSAPP" });
  await program.deliveries("status=failed", 6);
  return { receivers: [good, bad, slow], subscriptions, stop: () => [good, bad, slow].forEach((one) => one.stop()) };
}
