// An MCP server with one tool, whose description is set by POST /say.
import http from 'node:http';
let said = 'adds numbers';
let calls = 0;
http.createServer((req, res) => {
	let text = '';
	req.on('data', (b) => (text += b));
	req.on('end', () => {
		if (req.url === '/say') {
			said = text;
			return res.end('ok');
		}
		if (req.url === '/calls') return res.end(String(calls));
		const m = JSON.parse(text);
		let result = {};
		if (m.method === 'tools/list') result = { tools: [{ name: 'add', description: said, inputSchema: { type: 'object' } }, { name: 'sub', inputSchema: { type: 'object' } }] };
		if (m.method === 'initialize') result = { protocolVersion: '2025-11-25', capabilities: {}, serverInfo: { name: 's', version: '1' }, instructions: said };
		if (m.method === 'tools/call') {
			calls++;
			result = { content: [{ type: 'text', text: 'called' }] };
		}
		res.setHeader('content-type', 'application/json');
		res.end(JSON.stringify({ jsonrpc: '2.0', id: m.id, result }));
	});
}).listen(0, '127.0.0.1', function () {
	console.log(`port=${this.address().port}`);
});
