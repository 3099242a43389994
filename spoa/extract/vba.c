/* Reads the source of macros from vbaProject.bin: a compound file ([MS-CFB]), whose streams of
 * modules have the source in a compressed container ([MS-OVBA] 2.4.1). The source of each
 * module begins with "Attribute", which finds the container in its stream. */
#include <stdlib.h>
#include <string.h>

#include "base/scoped.h"
#include "base/utf8.h"
#include "extract/document.h"

enum {
	CFB_HEAD = 512,
	CFB_ENTRY = 128,
	CFB_MINI = 64,	   /* bytes of a small sector */
	CFB_CUTOFF = 4096, /* smaller streams are in small sectors */
	CFB_STREAMS = 4096,
	CFB_BYTES = 32 << 20, /* of all streams */
	CHUNK_BYTES = 4096,
};

struct cfb {
	struct span file;
	size_t sector;
	struct buf fat, small_fat, small; /* tables of uint32_t; the small sectors */
	size_t left;
};

static uint32_t
cfb_u32(struct span s, size_t at)
{
	uint32_t v = 0;

	if (at + 4 <= s.n)
		memcpy(&v, s.p + at,
			4); /* little-endian, as the processors that are supported */
	return v;
}

/* Appends the sectors of a chain. A chain that is a cycle ends at the limit of bytes. */
static bool
take_chain(struct cfb *c, uint32_t at, bool small, struct buf *out)
{
	struct span table = small ? buf_view(&c->small_fat) : buf_view(&c->fat);
	struct span from = small ? buf_view(&c->small) : c->file;
	size_t size = small ? CFB_MINI : c->sector, head = small ? 0 : c->sector;

	while (at < 0xFFFFFFFA) {
		struct span sector = span_cut(
			from, head + (size_t)at * size, head + ((size_t)at + 1) * size);
		if (!sector.n || c->left < size || (size_t)at * 4 + 4 > table.n)
			return false;
		c->left -= size;
		buf_span(out, sector);
		at = cfb_u32(table, (size_t)at * 4);
	}
	return !buf_failed(out);
}

static bool
open_cfb(struct cfb *c, struct buf *directory)
{
	uint32_t shift = cfb_u32(c->file, 30) & 0xFFFF;

	if (c->file.n < CFB_HEAD || (shift != 9 && shift != 12))
		return false;
	c->sector = (size_t)1 << shift;
	/* larger tables than the header names are those of files over 7 MB */
	for (size_t i = 0; i < 109; i++) {
		uint32_t at = cfb_u32(c->file, 76 + 4 * i);
		if (at < 0xFFFFFFFA)
			buf_span(&c->fat, span_cut(c->file, ((size_t)at + 1) * c->sector,
						  ((size_t)at + 2) * c->sector));
	}
	if (!take_chain(c, cfb_u32(c->file, 48), false, directory) ||
		!take_chain(c, cfb_u32(c->file, 60), false, &c->small_fat))
		return false;
	/* the first entry is the root, whose stream is the small sectors */
	return take_chain(c, cfb_u32(buf_view(directory), 116), false, &c->small);
}

/* Decompresses a container ([MS-OVBA] 2.4.1.3). */
static void
decompress_vba(struct span s, struct buf *out)
{
	s = span_cut(s, 1, s.n);
	while (s.n >= 2) {
		unsigned head = (unsigned char)s.p[0] | (unsigned)(unsigned char)s.p[1] << 8;
		struct span chunk = span_cut(s, 2, (head & 0xFFF) + 3);
		size_t begin = out->n;
		if ((head >> 12 & 7) != 3)
			return;
		s = span_cut(s, (head & 0xFFF) + 3, s.n);
		if (!(head & 0x8000)) {
			buf_span(out, chunk);
			continue;
		}
		for (size_t i = 0; i < chunk.n;) {
			unsigned flags = (unsigned char)chunk.p[i++];
			for (unsigned bit = 0; bit < 8 && i < chunk.n; bit++) {
				if (!(flags >> bit & 1)) {
					buf_putc(out, chunk.p[i++]);
					continue;
				}
				if (i + 2 > chunk.n)
					return;
				unsigned token = (unsigned char)chunk.p[i] |
						 (unsigned)(unsigned char)chunk.p[i + 1] << 8;
				unsigned bits = 4;
				size_t here = out->n - begin;
				i += 2;
				while (((size_t)1 << bits) < here)
					bits++;
				size_t length = (token & (0xFFFFu >> bits)) + 3;
				size_t back = (token >> (16 - bits)) + 1;
				if (back > here || here + length > CHUNK_BYTES)
					return;
				for (; length; length--)
					buf_putc(out, out->p[out->start + out->n - back]);
			}
		}
	}
}

bool
vba_read(struct document *d, struct span file)
{
	static const char begins[] = "\0Attribut";
	struct cfb c = { .file = file, .left = CFB_BYTES };
	SCOPED_BUF(directory, 0);
	bool good = open_cfb(&c, &directory), any = false;
	struct span entries = buf_view(&directory);

	for (size_t i = 1; good && i < CFB_STREAMS && entries.n >= CFB_ENTRY; i++) {
		entries = span_cut(entries, CFB_ENTRY, entries.n);
		SCOPED_BUF(stream, 0);
		SCOPED_BUF(source, 0);
		if (entries.n < CFB_ENTRY || entries.p[66] != 2) /* no stream */
			continue;
		good = take_chain(
			&c, cfb_u32(entries, 116), cfb_u32(entries, 120) < CFB_CUTOFF, &stream);
		struct span s = buf_view(&stream);
		const char *at = s.n ? memmem(s.p, s.n, begins, sizeof(begins) - 1) : NULL;
		if (!at || at - s.p < 3)
			continue;
		decompress_vba(span_cut(s, (size_t)(at - s.p) - 3, s.n), &source);
		SCOPED_BUF(text, 0);
		for (struct span t = buf_view(&source); t.n; t = span_cut(t, 1, t.n))
			if ((unsigned char)t.p[0] < 0x80)
				buf_putc(&text, t.p[0]);
			else
				buf_utf8(&text, (unsigned char)t.p[0]);
		document_text(d, "macro", buf_view(&text));
		any |= source.n > 0;
	}
	buf_free(&c.fat);
	buf_free(&c.small_fat);
	buf_free(&c.small);
	return good && any;
}
