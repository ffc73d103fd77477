/** What is shown at each of the paths of `routes.ts`. It is loaded beside the frame, which need not wait for it. */

import type { Component } from "svelte";
import Alerts from "./Alerts.svelte";
import Connections from "./Connections.svelte";
import Deliveries from "./Deliveries.svelte";
import Emails from "./Emails.svelte";
import Events from "./Events.svelte";
import EventTypes from "./EventTypes.svelte";
import Inbox from "./Inbox.svelte";
import Jobs from "./Jobs.svelte";
import Keys from "./Keys.svelte";
import Overview from "./Overview.svelte";
import Queues from "./Queues.svelte";
import Rejections from "./Rejections.svelte";
import Sources from "./Sources.svelte";
import Subscriptions from "./Subscriptions.svelte";

export const components: Record<string, Component> = {
  "/": Overview,
  "/events": Events,
  "/deliveries": Deliveries,
  "/inbox": Inbox,
  "/emails": Emails,
  "/alerts": Alerts,
  "/jobs": Jobs,
  "/rejections": Rejections,
  "/subscriptions": Subscriptions,
  "/queues": Queues,
  "/sources": Sources,
  "/connections": Connections,
  "/event-types": EventTypes,
  "/keys": Keys,
};
