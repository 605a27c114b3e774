import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { ServerCredentials } from "@grpc/grpc-js";
import { Unavailable } from "penchant";
import { Fake } from "./fake.js";

const directory = mkdtempSync(join(tmpdir(), "penchant-tls-"));
after(() => rmSync(directory, { recursive: true }));

/** Makes a certificate for localhost that signs itself; false where there is no openssl. */
function makeCertificate(name: string): boolean {
  const made = spawnSync("openssl", [
    ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"],
    ...["-subj", `/CN=${name}`, "-addext", "subjectAltName=DNS:localhost"],
    ...["-keyout", join(directory, `${name}.key`), "-out", join(directory, `${name}.pem`)],
  ]);
  return made.status === 0;
}

const file = (name: string): Buffer => readFileSync(join(directory, name));
const skip = !(makeCertificate("service") && makeCertificate("me")) && "openssl is not installed";
const users = { getInterests: () => ({ eventCount: 7 }) };

function credentials(mutual: boolean): ServerCredentials {
  const pair = { cert_chain: file("service.pem"), private_key: file("service.key") };
  return ServerCredentials.createSsl(mutual ? file("me.pem") : null, [pair], mutual);
}

test("TLS with a certificate to trust; another one is not trusted", { skip }, async () => {
  using fake = await Fake.start({ users }, { tls: { ca: file("service.pem").toString() } }, credentials(false));
  assert.equal((await fake.client.interests("ada")).eventCount, 7);
  using doubting = await Fake.start({ users }, { tls: true, retries: 0 }, credentials(false));
  await assert.rejects(doubting.client.interests("ada"), Unavailable);
});

test("mutual TLS shows a certificate of one's own", { skip }, async () => {
  const tls = { ca: file("service.pem"), cert: file("me.pem"), key: file("me.key") };
  using fake = await Fake.start({ users }, { tls, apiKey: "key-1" }, credentials(true));
  assert.equal((await fake.client.interests("ada")).eventCount, 7);
  using nameless = await Fake.start({ users }, { tls: { ca: tls.ca }, retries: 0 }, credentials(true));
  await assert.rejects(nameless.client.interests("ada"), Unavailable);
});
