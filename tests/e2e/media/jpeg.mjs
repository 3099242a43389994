// jpeg.mjs A B: prints what the JPEG B has of A: whether the picture is the same, bytes that decoders draw with; the
// color profile; the orientation; and the names of other segments.
import { readFileSync } from 'node:fs'

function read(file) {
	const b = readFileSync(file), out = { drawn: [], other: [] }
	for (let at = 2; ;) {
		const marker = b[at + 1], n = b.readUInt16BE(at + 2), data = b.subarray(at + 4, at + 2 + n), head = data.toString('latin1')
		if (marker === 0xda) { out.drawn.push(b.subarray(at, b.lastIndexOf('\xff\xd9', undefined, 'latin1')).toString('hex')); break }
		const turned = marker === 0xe1 && /^Exif\0\0MM\0\*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0(.)/s.exec(head)
		if (turned && n === 34) out.turned = turned[1].charCodeAt(0)
		else if (marker === 0xe2 && head.startsWith('ICC_PROFILE\0')) out.profile = true
		else if (marker < 0xe0 || (marker === 0xe0 && head.startsWith('JFIF\0'))) out.drawn.push(b.subarray(at, at + 2 + n).toString('hex'))
		else out.other.push(marker.toString(16))
		at += 2 + n
	}
	return out
}
const [a, b] = process.argv.slice(2).map(read)
console.log([a.drawn.join() === b.drawn.join() ? 'same picture' : 'another picture', b.profile && 'profile', b.turned && `turned ${b.turned}`,
	b.other.length && `others: ${b.other}`].filter(Boolean).join(', '))
