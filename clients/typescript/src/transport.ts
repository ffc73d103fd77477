/** The two ways to a server: a WebSocket, or server-sent events over fetch with a POST for each frame that goes up. */

import type { ClientFrame, ServerFrame } from "./frames.js";

/** What a transport needs to begin, and whom it tells. */
export interface Opening {
  /** `https://host`, with no slash at its end. */
  base: string;
  /** Left out where a cookie says who asks. */
  token: string | undefined;
  cursor: string;
  types: readonly string[] | undefined;
  onFrame(frame: ServerFrame): void;
  /** Called once at most, and never after {@link Transport.close}. */
  onEnd(): void;
}

export interface Transport {
  send(frame: ClientFrame): void;
  close(): void;
}

export function openSocket({ base, token, cursor, types, onFrame, onEnd }: Opening): Transport {
  const socket = new WebSocket(base.replace(/^http/, "ws") + "/api/realtime/ws");
  const send = (frame: ClientFrame) => socket.send(JSON.stringify(frame));
  socket.onopen = () => send({ t: "hello", v: 1, ...(token && { token }), cursor, ...(types && { types }) });
  socket.onmessage = ({ data }) => onFrame(JSON.parse(data as string) as ServerFrame);
  // An error is always followed by a close; Node's emitters want somebody to have heard it all the same.
  socket.onerror = () => {};
  socket.onclose = onEnd;
  return {
    send,
    close() {
      // A close may wait long for the other side. What comes until then is no longer ours.
      socket.onopen = socket.onmessage = socket.onclose = null;
      socket.close();
    },
  };
}

export function openStream({ base, token, cursor, types, onFrame, onEnd }: Opening): Transport {
  const abort = new AbortController();
  const headers: Record<string, string> = token ? { Authorization: "Bearer " + token } : {};
  const end = () => abort.signal.aborted || (abort.abort(), onEnd());
  const request = (path: string, body?: string) =>
    fetch(base + "/api/realtime/" + path, {
      signal: abort.signal,
      ...(body ? { method: "POST", body, headers: { ...headers, "Content-Type": "application/json" } } : { headers }),
    });

  const read = async () => {
    const query = new URLSearchParams({ cursor, ...(types && { types: types.join() }) });
    const { status, body } = await request("sse?" + query);
    // Who is refused now will be refused again: it is said as a WebSocket would say it.
    if (status == 401 || status == 403) onFrame({ t: "bye", code: "unauthorized", retry: false });
    if (status != 200 || !body) return;
    const reader = body.pipeThrough(new TextDecoderStream() as TransformStream<Uint8Array, string>).getReader();
    let rest = "";
    for (let piece; !(piece = await reader.read()).done; ) {
      const lines = (rest + piece.value).split("\n");
      rest = lines.pop()!;
      for (const line of lines) {
        // Frames are one line each. What was read before an end is not handed on after it.
        if (line.startsWith("data:") && !abort.signal.aborted) onFrame(JSON.parse(line.slice(5)) as ServerFrame);
      }
    }
  };
  read().catch(() => {}).then(end);

  return {
    send(frame) {
      // The rest of what a socket says goes without saying here.
      if (frame.t != "send") return;
      const ask = async () => {
        const answer = await request("send", JSON.stringify(frame));
        // It may go better on the next connection.
        if (answer.status == 429 || answer.status >= 500) return end();
        const { ok = false, cursor, error, code, detail } = await answer.json();
        onFrame({ t: "ack", id: frame.id, ok, cursor, error: error ?? (code && { code, detail }) });
      };
      ask().catch(end);
    },
    close: () => abort.abort(),
  };
}
