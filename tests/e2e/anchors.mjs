// A time-stamp authority by `openssl ts`, and a server that accepts notes. FOLDER has tsa.cnf. Writes the port to
// FOLDER/port.
import http from 'node:http'
import fs from 'node:fs'
import { execFileSync } from 'node:child_process'
const dir = process.argv[2]
http.createServer((q, r) => {
	const parts = []
	q.on('data', (p) => parts.push(p)).on('end', () => {
		const body = Buffer.concat(parts)
		if (q.url === '/notes') {
			fs.appendFileSync(`${dir}/posted`, body)
			return r.writeHead(204).end()
		}
		fs.writeFileSync(`${dir}/q.tsq`, body)
		execFileSync('openssl', ['ts', '-reply', '-config', 'tsa.cnf', '-section', 'tsa1', '-queryfile', 'q.tsq', '-out', 'r.tsr'], { cwd: dir, stdio: 'ignore' })
		r.writeHead(200, { 'content-type': 'application/timestamp-reply' }).end(fs.readFileSync(`${dir}/r.tsr`))
	})
}).listen(0, '127.0.0.1', function () { fs.writeFileSync(`${dir}/port`, String(this.address().port)) })
