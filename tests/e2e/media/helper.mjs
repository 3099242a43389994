// A failing server on tollgate-extract's socket: helper.mjs SOCKET hang|crash|flood|lies
import { createServer } from 'node:net'

const [, , socket, how] = process.argv
createServer((c) => {
	c.on('error', () => {})
	if (how === 'hang') return c.resume()
	c.once('data', () => {
		if (how === 'crash') return c.destroy()
		if (how === 'lies') return c.end('HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 21\r\n\r\n{"pages":1,"texts":0}')
		c.write('HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n')
		const more = Buffer.concat([Buffer.from('100000\r\n'), Buffer.alloc(1 << 20, 'x'), Buffer.from('\r\n')])
		let left = 1024
		const pump = () => { while (left-- > 0) if (!c.write(more)) return c.once('drain', pump); c.end('0\r\n\r\n') }
		pump()
	})
}).listen(socket)
