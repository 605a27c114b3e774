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

async function answer(request: Json): Promise<Json> {
  try {
    const name = String(request["client"] ?? "main");
    if (request["do"] === "connect") {
      await connections.get(name)?.close();
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

/** Ends as a good program does. */
async function leave(): Promise<void> {
  for (const connected of connections.values()) {
    await connected.close().catch((error: unknown) => {
      console.error(String(error));
      process.exitCode = 1;
    });
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  if (line.trim() === "") {
    continue;
  }
  const request = JSON.parse(line) as Json;
  if (request["do"] === "leave") {
    break;
  }
  const text = JSON.stringify(await answer(request));
  await new Promise((resolve) => process.stdout.write(`${text}\n`, resolve));
}
await leave();
process.stdin.destroy();
