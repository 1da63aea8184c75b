// What .ci/conformance needs a program for: the proxy that adds the token, and the comparisons.
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';

const [command, ...rest] = process.argv.slice(2);
({ proxy, compare, inspected })[command](...rest);

/** Hands every request on with a token, as it came otherwise. */
function proxy(target, token) {
  const { hostname, port } = new URL(target);
  const server = http.createServer((request, response) => {
    const headers = [...request.rawHeaders, 'authorization', `Bearer ${token}`];
    const { method, url } = request;
    const onward = http.request({ hostname, port, method, path: url, headers, setHost: false }, (reply) => {
      response.writeHead(reply.statusCode, reply.rawHeaders);
      reply.pipe(response);
    });
    onward.on('error', () => response.destroy());
    response.on('close', () => onward.destroy());
    request.pipe(onward);
  });
  server.listen(0, '127.0.0.1', () => console.log(`http://127.0.0.1:${server.address().port}`));
}

/** Holds what failed to what is expected to fail; says each difference. */
function compare(expectedFile, results, ...revisions) {
  const expected = new Set(
    fs.readFileSync(expectedFile, 'utf8').split('\n').map((line) => line.trim()).filter((line) => line && !line.startsWith('#')),
  );
  const failed = new Map();
  let passed = 0;
  for (const revision of revisions) {
    const folder = path.join(results, revision);
    const scenarios = fs.existsSync(folder) ? fs.readdirSync(folder) : [];
    for (const scenario of scenarios) {
      const name = scenario.replace(/^server-/, '').replace(/-\d{4}-\d\d-\d\dT.*$/, '');
      for (const check of JSON.parse(fs.readFileSync(path.join(folder, scenario, 'checks.json'), 'utf8'))) {
        if (check.status === 'SUCCESS') passed += 1;
        if (['FAILURE', 'WARNING'].includes(check.status)) {
          failed.set(`${revision} ${name}:${check.id}`, check.errorMessage ?? check.description ?? check.status);
        }
      }
    }
  }
  const unexpected = [...failed].filter(([key]) => !expected.has(key));
  const stale = [...expected].filter((key) => !failed.has(key));
  for (const [key, why] of unexpected) console.error(`fails, and is not expected to: ${key}\n    ${why}`);
  for (const key of stale) console.error(`is expected to fail, and does not (or was not run): ${key}`);
  console.log(`the suite: ${passed} checks passed, ${failed.size} failed, ${expected.size} were to fail`);
  process.exit(unexpected.length + stale.length === 0 && passed > 0 ? 0 : 1);
}

/** Holds what the Inspector printed to what was asked. */
function inspected(what, file, code) {
  const printed = JSON.parse(fs.readFileSync(file, 'utf8'));
  const good = {
    list: () => code === '0' && printed.tools.length > 0 && printed.tools.every((tool) => tool.inputSchema && tool.outputSchema),
    // An order that is not there is a tool's own error, which the Inspector tells by its exit code.
    call: () => printed.isError === true && printed.structuredContent.error.code === 'ORDER_NOT_FOUND',
  }[what]();
  if (!good) console.error(JSON.stringify(printed, null, 2).slice(0, 2000));
  process.exit(good ? 0 : 1);
}
