/* Content codings with zlib, libbrotlidec and libzstd: RFC 1952 (gzip), RFC 1950 and 1951 (deflate),
 * RFC 7932 (br), RFC 8878 (zstd). The output is written straight into the caller's buffer, and never more than one
 * byte beyond the limits is produced. */
#include "base/codec/inflate.h"

#include <brotli/decode.h>
#include <limits.h>
#include <stdlib.h>
#define ZLIB_CONST
#include <zlib.h>
#include <zstd.h>

#include "base/caps.h"
#include "base/err.h"

enum {
	STEP_BYTES = 65536,
	ZSTD_WINDOW_LOG = 23 /* RFC 9659 3: a content coding's window has at most 8 MB */
};

/* Where decoded bytes are written. At the limit, one spare byte takes the next one, which
 * distinguishes a body of exactly the limit from a larger one. */
struct sink {
	struct buf *out;
	size_t left; /* bytes that the limits still permit */
	char *at;
	size_t room;
	char spare;
};

static struct sink
sink_over(struct buf *out, size_t encoded, uint64_t max_ratio)
{
	size_t limit = out->cap ? out->cap - out->n : SIZE_MAX / 2;
	size_t ratio = encoded > SIZE_MAX / max_ratio ? SIZE_MAX : encoded * max_ratio;

	if (ratio < CAP_INFLATE_FREE_BYTES)
		ratio = CAP_INFLATE_FREE_BYTES;
	return (struct sink){ .out = out, .left = limit < ratio ? limit : ratio };
}

/* Makes room at s->at. Returns 0 or ERR_NOMEM. */
static int
sink_open(struct sink *s)
{
	s->room = s->left < STEP_BYTES ? s->left : STEP_BYTES;
	if (s->room == 0) {
		s->at = &s->spare;
		s->room = 1;
		return 0;
	}
	s->at = buf_reserve(s->out, s->room);
	return s->at ? 0 : ERR_NOMEM;
}

/* Notes that n bytes of the room were written. Returns 0 or ERR_LIMIT. */
static int
sink_close(struct sink *s, size_t n)
{
	if (n > s->left)
		return ERR_LIMIT;
	if (n)
		buf_commit(s->out, n);
	s->left -= n;
	return 0;
}

/* Decodes one zlib stream (a gzip member, a deflate body) at the front of *in. */
static int
zlib_stream(z_stream *z, struct span *in, struct sink *s)
{
	for (;;) {
		int err = sink_open(s);
		if (err)
			return err;
		uInt given = in->n < UINT_MAX ? (uInt)in->n : UINT_MAX;
		z->next_in = (const Bytef *)in->p;
		z->avail_in = given;
		z->next_out = (Bytef *)s->at;
		z->avail_out = (uInt)s->room;
		int r = inflate(z, Z_NO_FLUSH);
		*in = span_cut(*in, given - z->avail_in, in->n);
		err = sink_close(s, s->room - z->avail_out);
		if (err)
			return err;
		if (r == Z_STREAM_END)
			return 0;
		if (r == Z_MEM_ERROR)
			return ERR_NOMEM;
		if (r != Z_OK && r != Z_BUF_ERROR)
			return ERR_SYNTAX;
		if (!in->n && z->avail_out)
			return ERR_TRUNCATED;
	}
}

/* Returns true for a zlib header (RFC 1950 2.2): method 8, window up to 32 KB, no preset
 * dictionary, correct check bits. Old clients send bare RFC 1951 under the same name. */
static bool
has_zlib_header(struct span in)
{
	if (in.n < 2)
		return false;
	unsigned cmf = (unsigned char)in.p[0], flg = (unsigned char)in.p[1];
	return (cmf & 15) == 8 && cmf >> 4 <= 7 && (cmf << 8 | flg) % 31 == 0 && !(flg & 32);
}

static int
zlib_all(struct span in, bool gzip, struct sink *s)
{
	z_stream z = { 0 };
	int bits = gzip ? MAX_WBITS + 16 : has_zlib_header(in) ? MAX_WBITS : -MAX_WBITS;

	if (!in.n)
		return ERR_TRUNCATED;
	if (inflateInit2(&z, bits) != Z_OK)
		return ERR_NOMEM;
	int err;
	do
		err = zlib_stream(&z, &in, s);
	while (!err && gzip && in.n && inflateReset(&z) == Z_OK);
	inflateEnd(&z);
	return !err && in.n ? ERR_SYNTAX : err;
}

static int
brotli_all(struct span in, struct sink *s)
{
	BrotliDecoderState *d = BrotliDecoderCreateInstance(NULL, NULL, NULL);
	BrotliDecoderResult r = BROTLI_DECODER_RESULT_NEEDS_MORE_OUTPUT;
	const uint8_t *from = (const uint8_t *)in.p;
	size_t left = in.n;
	int err = d ? 0 : ERR_NOMEM;

	while (!err && r == BROTLI_DECODER_RESULT_NEEDS_MORE_OUTPUT) {
		err = sink_open(s);
		if (err)
			break;
		uint8_t *to = (uint8_t *)s->at;
		size_t room = s->room;
		r = BrotliDecoderDecompressStream(d, &left, &from, &room, &to, NULL);
		err = sink_close(s, s->room - room);
	}
	if (!err && r == BROTLI_DECODER_RESULT_NEEDS_MORE_INPUT)
		err = ERR_TRUNCATED;
	else if (!err && (r == BROTLI_DECODER_RESULT_ERROR || left))
		err = ERR_SYNTAX;
	if (d)
		BrotliDecoderDestroyInstance(d);
	return err;
}

/* Decodes all frames (RFC 8878 3.1). */
static int
zstd_all(struct span in, struct sink *s)
{
	ZSTD_DCtx *d = ZSTD_createDCtx();
	ZSTD_inBuffer from = { in.p, in.n, 0 };
	size_t more = 1; /* 0: a frame is complete, and its content was written */
	int err = d ? 0 : ERR_NOMEM;

	if (d)
		ZSTD_DCtx_setParameter(d, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG);
	while (!err && (more || from.pos < from.size)) {
		err = sink_open(s);
		if (err)
			break;
		ZSTD_outBuffer to = { s->at, s->room, 0 };
		bool given = from.pos < from.size;
		more = ZSTD_decompressStream(d, &to, &from);
		err = sink_close(s, to.pos);
		if (!err && ZSTD_isError(more))
			err = ERR_SYNTAX;
		else if (!err && more && !given && to.pos < to.size)
			err = ERR_TRUNCATED;
	}
	ZSTD_freeDCtx(d);
	return err;
}

static int
copy_identity(struct span in, struct sink *s)
{
	if (in.n > s->left)
		return ERR_LIMIT;
	buf_span(s->out, in);
	return buf_failed(s->out) ? ERR_NOMEM : 0;
}

int
inflate_all(struct span coding, struct span in, uint64_t ratio, struct buf *out)
{
	struct sink s = sink_over(out, in.n, ratio);

	coding = span_trim(coding, " \t");
	if (span_ieq(coding, SPAN_LIT("gzip")) || span_ieq(coding, SPAN_LIT("x-gzip")))
		return zlib_all(in, true, &s);
	if (span_ieq(coding, SPAN_LIT("deflate")))
		return zlib_all(in, false, &s);
	if (span_ieq(coding, SPAN_LIT("br")))
		return brotli_all(in, &s);
	if (span_ieq(coding, SPAN_LIT("zstd")))
		return zstd_all(in, &s);
	if (span_ieq(coding, SPAN_LIT("identity")))
		return copy_identity(in, &s);
	return ERR_UNSUPPORTED;
}

/* ---- piece by piece ---- */

struct inflate {
	enum inflate_kind { GZIP, DEFLATE, BROTLI, ZSTD } kind;
	uint64_t ratio, in_bytes, out_bytes;
	bool whole; /* a gzip member, a frame or the body has ended */
	/* DEFLATE: the first bytes show whether there is a zlib header */
	char first[2];
	size_t nfirst;
	bool begun;   /* `z` is initialized */
	z_stream z;
	BrotliDecoderState *brotli;
	size_t brotli_bytes; /* memory of `brotli` */
	ZSTD_DCtx *zstd;
};

/* Brotli frees memory without its size, so the size precedes each block. */
union counted {
	size_t bytes;
	max_align_t align;
};

static void *
brotli_alloc(void *opaque, size_t bytes)
{
	struct inflate *f = opaque;
	union counted *c = malloc(sizeof(*c) + bytes);

	if (!c)
		return NULL;
	c->bytes = bytes;
	f->brotli_bytes += bytes;
	return c + 1;
}

static void
brotli_free(void *opaque, void *block)
{
	struct inflate *f = opaque;
	union counted *c = block;

	if (!c)
		return;
	c--;
	f->brotli_bytes -= c->bytes;
	free(c);
}

int
inflate_open(struct span coding, uint64_t ratio, struct inflate **out)
{
	static const struct {
		const char *name;
		enum inflate_kind kind;
	} codings[] = { { "gzip", GZIP }, { "x-gzip", GZIP }, { "deflate", DEFLATE },
		{ "br", BROTLI }, { "zstd", ZSTD } };
	size_t i = 0;

	*out = NULL;
	coding = span_trim(coding, " \t");
	while (i < COUNT_OF(codings) && !span_ieq(coding, span_str(codings[i].name)))
		i++;
	if (i == COUNT_OF(codings))
		return ERR_UNSUPPORTED;
	struct inflate *f = calloc(1, sizeof(*f));
	if (!f)
		return ERR_NOMEM;
	f->kind = codings[i].kind;
	f->ratio = ratio;
	bool good = true;
	if (f->kind == GZIP)
		good = f->begun = inflateInit2(&f->z, MAX_WBITS + 16) == Z_OK;
	else if (f->kind == BROTLI)
		good = (f->brotli = BrotliDecoderCreateInstance(brotli_alloc, brotli_free, f));
	else if (f->kind == ZSTD && (good = (f->zstd = ZSTD_createDCtx())))
		ZSTD_DCtx_setParameter(f->zstd, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG);
	if (!good)
		inflate_close(&f);
	*out = f;
	return good ? 0 : ERR_NOMEM;
}

void
inflate_close(struct inflate **fp)
{
	struct inflate *f = *fp;

	*fp = NULL;
	if (!f)
		return;
	if (f->begun)
		inflateEnd(&f->z);
	if (f->brotli)
		BrotliDecoderDestroyInstance(f->brotli);
	ZSTD_freeDCtx(f->zstd);
	free(f);
}

size_t
inflate_held(const struct inflate *f)
{
	enum { ZLIB_BYTES = 48 << 10 }; /* the window and the state of zlib */

	return f->zstd ? ZSTD_sizeof_DCtx(f->zstd) : f->brotli ? f->brotli_bytes : ZLIB_BYTES;
}

bool
inflate_began(const struct inflate *f)
{
	return f->out_bytes > 0;
}

bool
inflate_whole(const struct inflate *f)
{
	return f->whole || !f->in_bytes;
}

/* Decodes from *in to `to`. Returns 0 or an error. */
static int
zlib_some(struct inflate *f, struct span *in, char *to, size_t *room)
{
	if (f->whole && in->n) {
		if (f->kind != GZIP || inflateReset(&f->z) != Z_OK)
			return ERR_SYNTAX; /* bytes after the end */
		f->whole = false;
	}
	uInt given = in->n < UINT_MAX ? (uInt)in->n : UINT_MAX;
	f->z.next_in = (const Bytef *)in->p;
	f->z.avail_in = given;
	f->z.next_out = (Bytef *)to;
	f->z.avail_out = (uInt)*room;
	int r = inflate(&f->z, Z_SYNC_FLUSH);
	*in = span_cut(*in, given - f->z.avail_in, in->n);
	*room = f->z.avail_out;
	f->whole = r == Z_STREAM_END;
	return r == Z_OK || r == Z_STREAM_END || r == Z_BUF_ERROR ? 0
	       : r == Z_MEM_ERROR				   ? ERR_NOMEM
								   : ERR_SYNTAX;
}

/* Collects the first two bytes, and gives them to zlib. */
static int
deflate_some(struct inflate *f, struct span *in, char *to, size_t *room)
{
	while (!f->begun && f->nfirst < sizeof(f->first) && in->n) {
		f->first[f->nfirst++] = in->p[0];
		*in = span_cut(*in, 1, in->n);
	}
	if (f->nfirst < sizeof(f->first))
		return 0;
	if (!f->begun) {
		struct span first = span_of(f->first, sizeof(f->first));
		int bits = has_zlib_header(first) ? MAX_WBITS : -MAX_WBITS;
		f->begun = inflateInit2(&f->z, bits) == Z_OK;
		return f->begun ? zlib_some(f, &first, to, room) : ERR_NOMEM;
	}
	return zlib_some(f, in, to, room);
}

static int
brotli_some(struct inflate *f, struct span *in, char *to, size_t *room)
{
	const uint8_t *from = (const uint8_t *)in->p;
	uint8_t *at = (uint8_t *)to;
	size_t left = in->n;

	if (f->whole)
		return in->n ? ERR_SYNTAX : 0;
	BrotliDecoderResult r =
		BrotliDecoderDecompressStream(f->brotli, &left, &from, room, &at, NULL);
	*in = span_cut(*in, in->n - left, in->n);
	f->whole = r == BROTLI_DECODER_RESULT_SUCCESS;
	return r == BROTLI_DECODER_RESULT_ERROR ? ERR_SYNTAX : 0;
}

static int
zstd_some(struct inflate *f, struct span *in, char *to, size_t *room)
{
	ZSTD_inBuffer from = { in->p, in->n, 0 };
	ZSTD_outBuffer at = { to, *room, 0 };

	if (f->whole && !in->n)
		return 0;
	size_t more = ZSTD_decompressStream(f->zstd, &at, &from);
	*in = span_cut(*in, from.pos, in->n);
	*room -= at.pos;
	f->whole = more == 0;
	return ZSTD_isError(more) ? ERR_SYNTAX : 0;
}

int
inflate_some(struct inflate *f, struct span *in, struct buf *out)
{
	size_t had = in->n, room = STEP_BYTES;
	char *to = buf_reserve(out, room);
	int err = ERR_SYNTAX;

	if (!to)
		return ERR_NOMEM;
	switch (f->kind) {
	case GZIP: err = zlib_some(f, in, to, &room); break;
	case DEFLATE: err = deflate_some(f, in, to, &room); break;
	case BROTLI: err = brotli_some(f, in, to, &room); break;
	case ZSTD: err = zstd_some(f, in, to, &room); break;
	}
	size_t made = STEP_BYTES - room;
	f->in_bytes += had - in->n;
	f->out_bytes += made;
	if (err)
		return err;
	if (f->out_bytes > CAP_INFLATE_FREE_BYTES && f->out_bytes / f->ratio > f->in_bytes)
		return ERR_LIMIT;
	buf_commit(out, made);
	return room == 0 || (in->n && (made || had > in->n)) ? 1 : in->n ? ERR_SYNTAX : 0;
}
