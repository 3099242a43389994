// An S3-compatible server for retention.sh: s3rver with one bucket; it verifies signatures. Writes its port to
// FOLDER/port, and a line for each request with method, path, object lock fields and status to FOLDER/requests.
import { appendFileSync, mkdirSync, writeFileSync, renameSync } from 'node:fs';
import { createServer } from 'node:http';
import S3rver from 's3rver';

const [folder, port] = process.argv.slice(2);
mkdirSync(`${folder}/store`, { recursive: true });
const s3 = new S3rver({ directory: `${folder}/store`, silent: true, configureBuckets: [{ name: 'records', configs: [] }] });
await s3.configureBuckets();
const answer = s3.callback();
const server = createServer((req, res) => {
	const lock = `${req.headers['x-amz-object-lock-mode'] ?? '-'} ${req.headers['x-amz-object-lock-retain-until-date'] ?? '-'}`;
	res.on('finish', () => appendFileSync(`${folder}/requests`, `${req.method} ${req.url} ${lock} ${res.statusCode}\n`));
	answer(req, res);
});
server.listen(Number(port ?? 0), '127.0.0.1', () => {
	writeFileSync(`${folder}/port.new`, `${server.address().port}\n`);
	renameSync(`${folder}/port.new`, `${folder}/port`);
});
