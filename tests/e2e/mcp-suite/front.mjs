// A proxy that adds a token to the requests of a client without one, and forwards them to HAProxy. Its own pages have
// the origin that the stack lists. Prints its port.
import http from 'node:http';
const edge = new URL(process.env.EDGE);
const front = http.createServer((q, s) => {
	const headers = { ...q.headers, authorization: `Bearer ${process.env.TOKEN}` };
	if (headers.origin === `http://${q.headers.host}`) headers.origin = 'https://app.example.com';
	const up = http.request({ host: edge.hostname, port: edge.port, method: q.method, path: q.url, headers }, (r) => {
		s.writeHead(r.statusCode, r.headers);
		s.flushHeaders();
		r.pipe(s);
	});
	up.on('error', () => s.destroy());
	s.on('close', () => up.destroy());
	q.pipe(up);
});
front.listen(0, '127.0.0.1', () => console.log(`front=${front.address().port}`));
