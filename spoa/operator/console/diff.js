// Two JSON texts as lines, and what differs between them. Nothing is parsed into values: a number that no
// browser can hold, or a name that occurs twice, is seen as it was written.

/* A text of JSON, a line for each member; the lines of a string are lines. What is no JSON comes as it is. */
export function tree(text) {
	const out = [];
	let line = '', depth = 0;
	const end = () => {
		if (line.trim()) out.push(line.trimEnd());
		line = '  '.repeat(depth);
	};
	for (let i = 0; i < text.length; i++) {
		const c = text[i];
		if (c === '"') {
			for (line += c, i++; i < text.length && text[i] !== '"'; i++) {
				line += text[i];
				if (text[i] !== '\\' || i + 1 >= text.length) continue;
				line += text[++i];
				if (text[i] === 'n') {
					out.push(line);
					line = '  '.repeat(depth + 1);
				}
			}
			line += text[i] ?? '';
		} else if (c === '{' || c === '[') {
			line += c;
			depth++;
			end();
		} else if (c === '}' || c === ']') {
			depth = Math.max(0, depth - 1);
			end();
			line += c;
		} else if (c === ',') {
			line += c;
			end();
		} else if (c === ':') line += ': ';
		else if (c === '\n') end();
		else if (!/\s/.test(c)) line += c;
		else if (line.trim()) line += c;
	}
	end();
	return out;
}

const MOST = 4e6; /* cells of the table of common lines */

/* [[' ' | '-' | '+', line], …]: the longest common part stays; of very long texts all that is between the
 * equal beginning and the equal end. */
export function difference(old, now) {
	let head = 0, tail = 0;
	while (head < old.length && head < now.length && old[head] === now[head]) head++;
	while (tail < old.length - head && tail < now.length - head && old[old.length - 1 - tail] === now[now.length - 1 - tail]) tail++;
	const x = old.slice(head, old.length - tail), y = now.slice(head, now.length - tail);
	const out = old.slice(0, head).map((l) => [' ', l]);
	if (x.length * y.length > MOST) out.push(...x.map((l) => ['-', l]), ...y.map((l) => ['+', l]));
	else {
		const wide = y.length + 1, common = new Uint32Array((x.length + 1) * wide);
		for (let i = x.length - 1; i >= 0; i--)
			for (let k = y.length - 1; k >= 0; k--)
				common[i * wide + k] = x[i] === y[k]
					? common[(i + 1) * wide + k + 1] + 1
					: Math.max(common[(i + 1) * wide + k], common[i * wide + k + 1]);
		let i = 0, k = 0;
		while (i < x.length || k < y.length)
			if (i < x.length && k < y.length && x[i] === y[k]) {
				out.push([' ', x[i]]);
				i++;
				k++;
			} else if (k >= y.length || (i < x.length && common[(i + 1) * wide + k] >= common[i * wide + k + 1])) out.push(['-', x[i++]]);
			else out.push(['+', y[k++]]);
	}
	return out.concat(old.slice(old.length - tail).map((l) => [' ', l]));
}
