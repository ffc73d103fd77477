/** The pages, in the order of the navigation. */

export interface PageLink {
  name: string;
  path: string;
  /** Pressed after `g`. */
  key: string;
  group: "Traffic" | "Set-up" | "Access";
  /** Whether the admin key alone opens it. */
  isOperators?: boolean;
  /** Whether users see it in the portal. */
  isUsers?: boolean;
}

export const pages: PageLink[] = [
  { name: "Overview", path: "/", key: "o", group: "Traffic" },
  { name: "Events", path: "/events", key: "e", group: "Traffic", isUsers: true },
  { name: "Deliveries", path: "/deliveries", key: "d", group: "Traffic", isUsers: true },
  { name: "Inbox", path: "/inbox", key: "i", group: "Traffic", isUsers: true },
  { name: "Emails", path: "/emails", key: "m", group: "Traffic", isUsers: true },
  { name: "Alerts", path: "/alerts", key: "a", group: "Traffic" },
  { name: "Jobs", path: "/jobs", key: "b", group: "Traffic" },
  { name: "Rejections", path: "/rejections", key: "x", group: "Traffic", isOperators: true },
  { name: "Subscriptions", path: "/subscriptions", key: "s", group: "Set-up", isUsers: true },
  { name: "Queues", path: "/queues", key: "q", group: "Set-up" },
  { name: "Sources", path: "/sources", key: "u", group: "Set-up" },
  { name: "Connections", path: "/connections", key: "c", group: "Set-up", isUsers: true },
  { name: "Event types", path: "/event-types", key: "t", group: "Set-up" },
  { name: "Keys", path: "/keys", key: "y", group: "Access", isOperators: true },
];

/** The page at a path's first word. */
export const pageAt = (word: string | undefined) => pages.find((page) => page.path == `/${word ?? ""}`);
