/* The table of frames. It is a skippable frame (0x184D2A5E, size) with an entry for each frame
 * (compressed and plain size, 4 bytes each, little-endian; 4 more if the footer's flag announces
 * checksums) and the footer: number of frames, flags, 0x8F92EAB1. */
#include "base/codec/seekable.h"

#include <stdlib.h>
#include <zstd.h>

#include "base/err.h"
#include "base/search.h"

#define TABLE_MAGIC  0x184D2A5Eu
#define FOOTER_MAGIC 0x8F92EAB1u
#define HEADER	     8
#define LEVEL	     3

static uint32_t
le32(const char *p)
{
	const unsigned char *b = (const unsigned char *)p;

	return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 |
	       (uint32_t)b[3] << 24;
}

static void
put_le32(struct buf *b, uint32_t v)
{
	for (int i = 0; i < 4; i++, v >>= 8)
		buf_putc(b, (char)(v & 0xff));
}

static size_t
entry_bytes(char flags)
{
	return flags & 0x80 ? 12 : 8;
}

int64_t
seekable_table_bytes(struct span f)
{
	if (f.n != SEEKABLE_FOOTER || le32(f.p + 5) != FOOTER_MAGIC || (f.p[4] & 0x7c))
		return ERR_SYNTAX;
	uint32_t n = le32(f.p);
	return n > SEEKABLE_FRAMES
		       ? ERR_LIMIT
		       : (int64_t)(HEADER + n * entry_bytes(f.p[4]) + SEEKABLE_FOOTER);
}

int
seekable_table(struct span t, uint64_t file_bytes, struct seekable *out)
{
	*out = (struct seekable){ 0 };
	if (t.n < HEADER + SEEKABLE_FOOTER || le32(t.p) != TABLE_MAGIC ||
		le32(t.p + 4) != t.n - HEADER ||
		seekable_table_bytes(span_cut(t, t.n - SEEKABLE_FOOTER, t.n)) != (int64_t)t.n)
		return ERR_SYNTAX;
	size_t n = le32(t.p + t.n - SEEKABLE_FOOTER), each = entry_bytes(t.p[t.n - 5]);
	struct seekable_frame at = { 0, 0 };
	out->frame = calloc(n + 1, sizeof(*out->frame));
	if (!out->frame)
		return ERR_NOMEM;
	out->n = n;
	for (size_t i = 0; i < n; i++) {
		const char *e = t.p + HEADER + i * each;
		out->frame[i] = at;
		if (le32(e + 4) > SEEKABLE_FRAME_MAX || le32(e) > 2 * SEEKABLE_FRAME_MAX) {
			seekable_free(out);
			return ERR_LIMIT;
		}
		at.packed += le32(e);
		at.plain += le32(e + 4);
	}
	out->frame[n] = at;
	if (at.packed + t.n == file_bytes)
		return 0;
	seekable_free(out);
	return ERR_SYNTAX;
}

void
seekable_free(struct seekable *s)
{
	free(s->frame);
	*s = (struct seekable){ 0 };
}

size_t
seekable_find(const struct seekable *s, uint64_t at)
{
	return SEARCH_FIRST(s->n, k, s->frame[k + 1].plain <= at);
}

int
seekable_decode(const struct seekable *s, size_t i, struct span packed, struct buf *out)
{
	size_t want = (size_t)(s->frame[i + 1].plain - s->frame[i].plain);
	char *to = buf_reserve(out, want ? want : 1);

	if (!to)
		return ERR_NOMEM;
	size_t got = ZSTD_decompress(to, want, packed.p, packed.n);
	if (ZSTD_isError(got) || got != want)
		return ERR_SYNTAX;
	buf_commit(out, want);
	return 0;
}

int64_t
seekable_head(struct span packed, char *out, size_t size)
{
	ZSTD_DCtx *ctx = ZSTD_createDCtx();
	ZSTD_inBuffer in = { packed.p, packed.n, 0 };
	ZSTD_outBuffer to = { out, size, 0 };
	size_t left = 1;

	if (!ctx)
		return ERR_NOMEM;
	ZSTD_DCtx_setParameter(ctx, ZSTD_d_windowLogMax, 23);
	while (to.pos < size && in.pos < in.size && left && !ZSTD_isError(left))
		left = ZSTD_decompressStream(ctx, &to, &in);
	ZSTD_freeDCtx(ctx);
	return ZSTD_isError(left) ? ERR_SYNTAX : (int64_t)to.pos;
}

int
seekable_begin(struct seekable_writer *w)
{
	*w = (struct seekable_writer){ .ctx = ZSTD_createCCtx() };
	buf_init(&w->table, 12 * (size_t)SEEKABLE_FRAMES);
	if (!w->ctx)
		return ERR_NOMEM;
	ZSTD_CCtx_setParameter(w->ctx, ZSTD_c_compressionLevel, LEVEL);
	ZSTD_CCtx_setParameter(w->ctx, ZSTD_c_checksumFlag, 1);
	return 0;
}

int
seekable_encode(struct seekable_writer *w, struct span text, struct buf *out)
{
	size_t most = ZSTD_compressBound(text.n);
	char *to = text.n <= SEEKABLE_FRAME_MAX ? buf_reserve(out, most) : NULL;

	if (!to)
		return text.n <= SEEKABLE_FRAME_MAX ? ERR_NOMEM : ERR_LIMIT;
	size_t n = ZSTD_compress2(w->ctx, to, most, text.p, text.n);
	if (ZSTD_isError(n))
		return ERR_NOMEM;
	buf_commit(out, n);
	put_le32(&w->table, (uint32_t)n);
	put_le32(&w->table, (uint32_t)text.n);
	w->frames++;
	return buf_failed(&w->table) || w->frames > SEEKABLE_FRAMES ? ERR_LIMIT : 0;
}

int
seekable_finish(struct seekable_writer *w, struct buf *out)
{
	put_le32(out, TABLE_MAGIC);
	put_le32(out, (uint32_t)(w->table.n + SEEKABLE_FOOTER));
	buf_span(out, buf_view(&w->table));
	put_le32(out, w->frames);
	buf_putc(out, 0);
	put_le32(out, FOOTER_MAGIC);
	return buf_failed(out) ? ERR_NOMEM : 0;
}

void
seekable_end(struct seekable_writer *w)
{
	ZSTD_freeCCtx(w->ctx);
	buf_free(&w->table);
	*w = (struct seekable_writer){ 0 };
}
