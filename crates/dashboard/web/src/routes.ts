/** The pages, in the order of the navigation. */

import type { Component } from "svelte";
import Alerts from "./pages/Alerts.svelte";
import Connections from "./pages/Connections.svelte";
import Deliveries from "./pages/Deliveries.svelte";
import Emails from "./pages/Emails.svelte";
import Events from "./pages/Events.svelte";
import EventTypes from "./pages/EventTypes.svelte";
import Inbox from "./pages/Inbox.svelte";
import Jobs from "./pages/Jobs.svelte";
import Keys from "./pages/Keys.svelte";
import Overview from "./pages/Overview.svelte";
import Queues from "./pages/Queues.svelte";
import Rejections from "./pages/Rejections.svelte";
import Sources from "./pages/Sources.svelte";
import Subscriptions from "./pages/Subscriptions.svelte";

export interface PageLink {
  name: string;
  path: string;
  /** Pressed after `g`. */
  key: string;
  group: "Traffic" | "Set-up" | "Access";
  component: Component;
  /** Whether the admin key alone opens it. */
  isOperators?: boolean;
  /** Whether users see it in the portal. */
  isUsers?: boolean;
}

export const pages: PageLink[] = [
  { name: "Overview", path: "/", key: "o", group: "Traffic", component: Overview },
  { name: "Events", path: "/events", key: "e", group: "Traffic", component: Events, isUsers: true },
  { name: "Deliveries", path: "/deliveries", key: "d", group: "Traffic", component: Deliveries, isUsers: true },
  { name: "Inbox", path: "/inbox", key: "i", group: "Traffic", component: Inbox, isUsers: true },
  { name: "Emails", path: "/emails", key: "m", group: "Traffic", component: Emails, isUsers: true },
  { name: "Alerts", path: "/alerts", key: "a", group: "Traffic", component: Alerts },
  { name: "Jobs", path: "/jobs", key: "b", group: "Traffic", component: Jobs },
  { name: "Rejections", path: "/rejections", key: "x", group: "Traffic", component: Rejections, isOperators: true },
  { name: "Subscriptions", path: "/subscriptions", key: "s", group: "Set-up", component: Subscriptions, isUsers: true },
  { name: "Queues", path: "/queues", key: "q", group: "Set-up", component: Queues },
  { name: "Sources", path: "/sources", key: "u", group: "Set-up", component: Sources },
  { name: "Connections", path: "/connections", key: "c", group: "Set-up", component: Connections, isUsers: true },
  { name: "Event types", path: "/event-types", key: "t", group: "Set-up", component: EventTypes },
  { name: "Keys", path: "/keys", key: "y", group: "Access", component: Keys, isOperators: true },
];

/** The page at a path's first word. */
export const pageAt = (word: string | undefined) => pages.find((page) => page.path == `/${word ?? ""}`);
