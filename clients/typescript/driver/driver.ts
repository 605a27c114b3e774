/**
 * The conformance driver: reads a line of JSON, does what it says with the client, writes a line of JSON. What it
 * speaks is told in tests/conformance/README.md.
 *
 * @module
 */
import { createInterface } from "node:readline";
import { failed } from "./answers.js";
import { Connected } from "./connected.js";
import { Unsupported, type Json } from "./requests.js";

const connections = new Map<string, Connected>();

async function answer(line: string): Promise<Json> {
  try {
    const request = JSON.parse(line) as Json;
    const name = String(request["client"] ?? "main");
    if (request["do"] === "connect") {
      connections.get(name)?.close();
      connections.set(name, new Connected(request));
      return { ok: {} };
    }
    const connected = connections.get(name);
    if (connected === undefined) {
      throw new Unsupported(`there is no connection "${name}"`);
    }
    return { ok: await connected.perform(request) };
  } catch (error) {
    return { error: failed(error) };
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  if (line.trim() !== "") {
    const text = JSON.stringify(await answer(line));
    await new Promise((resolve) => process.stdout.write(`${text}\n`, resolve));
  }
}
for (const connected of connections.values()) {
  connected.close();
}
