import { spawn } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { ROOT } from "../ensure.mjs";
import { run, print } from "./run.mjs";

const TOOLS = join(ROOT, "tools/rehearsal");
const BIN = join(TOOLS, "node_modules");

/** The interpreters of every supported line of Node. */
export const NODES = ["node20", "node22", "node24"].map((name) => join(BIN, name, "bin/node"));

/**
 * Starts an empty registry on loopback, which gets this repository's packages from this rehearsal alone, and all others from the
 * registry that npm is set to.
 *
 * @param {string} folder - where it keeps its files; is made
 * @returns {Promise<{ env: Record<string, string>, stop(): void }>} the variables that make npm use it and nothing else
 */
export async function startRegistry(folder) {
  if (!NODES.every(existsSync) || !existsSync(join(BIN, "verdaccio"))) {
    print("installing its tools (npm ci in tools/rehearsal)");
    run("npm", ["ci", "--no-audit", "--loglevel=error"], { cwd: TOOLS });
  }
  mkdirSync(folder);
  const address = `127.0.0.1:${await freePort()}`;
  const upstream = run("npm", ["config", "get", "registry"], { cwd: folder }).trim();
  writeFileSync(join(folder, "config.yaml"), configOf(folder, upstream));
  // npm does not publish without a token. This registry checks none.
  const npmrc = join(folder, ".npmrc");
  writeFileSync(npmrc, `registry=http://${address}/\n//${address}/:_authToken=none\nfund=false\naudit=false\n`);

  const verdaccio = [
    join(BIN, "verdaccio/bin/verdaccio"),
    "--config",
    join(folder, "config.yaml"),
    "--listen",
    address,
  ];
  const server = spawn(process.execPath, verdaccio, { stdio: "ignore" });
  await answers(`http://${address}/-/ping`, server);
  print(`a registry listens on ${address}`);
  return {
    env: {
      // An earlier rehearsal published other packages under the same names and versions: what npm and npx kept of them is not
      // what a new user has.
      npm_config_cache: join(folder, "npm-cache"),
      // changesets reads the registry from the variable, not from the file, and would else publish to the world.
      npm_config_registry: `http://${address}/`,
      npm_config_userconfig: npmrc,
      NODE_AUTH_TOKEN: "",
      NPM_TOKEN: "",
    },
    stop: () => server.kill(),
  };
}

function configOf(folder, upstream) {
  const ours = (name) => `  "${name}": { access: $all, publish: $all }\n`;
  return (
    `storage: ${join(folder, "storage")}\n` +
    `uplinks: { upstream: { url: "${upstream}" } }\n` +
    `packages:\n${["@kpkeys/*", "kpkeys", "create-kpkeys"].map(ours).join("")}` +
    `  "**": { access: $all, proxy: upstream }\n` +
    `max_body_size: 100mb\n` +
    `log: { type: stdout, level: error }\n`
  );
}

function freePort() {
  return new Promise((resolve) => {
    const probe = createServer().listen(0, "127.0.0.1", () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });
}

async function answers(url, server) {
  for (let tries = 0; tries < 300; tries++) {
    if (server.exitCode !== null) throw new Error(`the registry ended with status ${server.exitCode}`);
    const response = await fetch(url).catch(() => undefined);
    if (response?.ok) return;
    await sleep(100);
  }
  server.kill();
  throw new Error(`the registry does not answer at ${url}`);
}
