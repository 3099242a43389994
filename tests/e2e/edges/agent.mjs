// An SPOE agent with decisions as CrowdSec's, Coraza's and a login's, for the edges that have one: a request whose frame
// contains the address 198.51.100.7 is banned, one that contains the word "attack" is denied, and the cookie
// "session-of-jane" is Jane's.
//   node agent.mjs PORT
import { createServer } from 'node:net';

const varint = n => {
	if (n < 240) return Buffer.from([n]);
	const out = [(n & 0xff) | 0xf0];
	for (n = (n - 240) >>> 4; n >= 128; n = (n - 128) >>> 7) out.push((n & 0xff) | 0x80);
	return Buffer.from([...out, n]);
};
const text = s => Buffer.concat([varint(s.length), Buffer.from(s)]);
const string = s => Buffer.concat([Buffer.from([8]), text(s)]);
const frame = (type, ids, payload) => {
	const body = Buffer.concat([Buffer.from([type, 0, 0, 0, 1]), ids, payload]);
	const length = Buffer.alloc(4);
	length.writeUInt32BE(body.length);
	return Buffer.concat([length, body]);
};
// the end of the two numbers that identify the stream and the frame
const idsEnd = b => {
	let at = 5;
	for (let i = 0; i < 2; i++)
		if (b[at++] >= 240) while (b[at++] >= 128);
	return at;
};
const set = (name, value) => Buffer.concat([Buffer.from([1, 3, 2]), text(name), string(value)]);
const banned = Buffer.from([6, 198, 51, 100, 7]);

createServer(c => {
	let have = Buffer.alloc(0);
	c.on('error', () => {});
	c.on('data', d => {
		have = Buffer.concat([have, d]);
		while (have.length >= 4 && have.length >= 4 + have.readUInt32BE()) {
			const b = have.subarray(4, 4 + have.readUInt32BE());
			have = have.subarray(4 + b.length);
			if (b[0] === 1) {
				c.write(frame(101, Buffer.from([0, 0]), Buffer.concat([
					text('version'), string('2.0'), text('max-frame-size'), Buffer.from([3]), varint(16380),
					text('capabilities'), string('pipelining')])));
				if (b.includes('healthcheck')) c.end();
			} else if (b[0] === 3) {
				const ban = b.includes(banned), deny = b.includes('attack'), jane = b.includes('session-of-jane');
				c.write(frame(103, b.subarray(5, idsEnd(b)), Buffer.concat([
					set('remediation', ban ? 'ban' : 'allow'), set('action', deny ? 'deny' : 'allow'),
					set('user', jane ? 'jane' : '')])));
			} else if (b[0] === 2) {
				c.write(frame(102, Buffer.from([0, 0]), Buffer.concat([text('status-code'), Buffer.from([3, 0]), text('message'), string('bye')])));
				c.end();
			}
		}
	});
}).listen(+process.argv[2], '127.0.0.1');
