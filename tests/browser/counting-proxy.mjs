// A proxy that passes bytes on as they come, and keeps them: what a test compares the server's own counts with. It
// knows where a request ends, since a browser asks the next one on a connection only when it has its answer.

import { once } from "node:events";
import net from "node:net";

/** Both directions as text of one character a byte. @typedef {{up: string, down: string}} Exchange */

/** Starts before the server at this address. */
export async function startProxy(base) {
  const { hostname, port } = new URL(base);
  /** @type {Exchange[]} */
  const exchanges = [];
  const sockets = new Set();
  const server = net.createServer({ allowHalfOpen: true }, (client) => {
    const upstream = net.connect({ host: hostname, port: Number(port), allowHalfOpen: true });
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on("close", () => sockets.delete(socket)).on("error", () => socket.destroy());
    }
    let exchange = { up: "", down: "" };
    client.on("data", (bytes) => {
      if (exchange.down || !exchange.up) exchanges.push(exchange = { up: "", down: "" });
      exchange.up += bytes.toString("latin1");
    }).pipe(upstream, { end: false });
    upstream.on("data", (bytes) => (exchange.down += bytes.toString("latin1"))).pipe(client, { end: false });
    // What the server has written is read to its end, whether or not the browser still wants it.
    client.on("end", () => upstream.end()).on("close", () => upstream.end());
    upstream.on("end", () => client.end());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${/** @type {net.AddressInfo} */ (server.address()).port}`,
    exchanges,
    /** Waits until every connection is over. */
    async drained() {
      for (const socket of [...sockets]) if (!socket.closed) await once(socket, "close");
    },
    stop() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

/** The bytes of a head, of what frames the body, and of the body itself. @param {string} bytes */
export function weigh(bytes) {
  const head = bytes.indexOf("\r\n\r\n") + 4;
  let [framing, body, at] = [0, 0, head];
  if (!/^transfer-encoding: chunked\r$/im.test(bytes.slice(0, head))) return { head, framing, body: bytes.length - head };
  while (at < bytes.length) {
    const line = bytes.indexOf("\r\n", at) + 2;
    const size = parseInt(bytes.slice(at, line), 16);
    framing += line - at + 2;
    body += size;
    at = line + size + 2;
  }
  return { head, framing, body };
}
