/* Reads GIF89a (https://www.w3.org/Graphics/GIF/spec-gif89a.txt), a list of blocks. Comments,
 * plain text and application blocks contain texts. BMP, which only has a header, is read here
 * too. */
#include "base/utf8.h"
#include "scan/media/reader.h"

enum {
	GIF_SIGNATURE = 6,
	EXTENSION = 0x21,
	IMAGE = 0x2c,
	TRAILER = 0x3b,
	PLAIN_TEXT = 0x01,
	COMMENT = 0xfe,
	APPLICATION = 0xff,
	/* bytes at the end of XMP that lead a GIF decoder back to the sub-blocks */
	XMP_TRAILER = 257,
};

static void
gif_table(struct media_rd *r, unsigned flags)
{
	if (flags & 0x80)
		media_take(r, 3u << ((flags & 7) + 1));
}

/* Reads a run of sub-blocks and returns all its bytes, length bytes included. *joined: the data
 * without length bytes, in the arena; NULL: not wanted. */
static struct span
gif_blocks(struct media *m, struct media_rd *r, struct span *joined)
{
	size_t start = r->at, n = 0;
	struct media_rd ahead = *r;

	for (size_t length; (length = media_u8(&ahead)) && !ahead.err;)
		media_take(&ahead, length);
	char *p = joined ? arena_alloc(m->a, ahead.at - start) : NULL;
	m->nomem |= joined && !p;
	for (size_t length; (length = media_u8(r)) && !r->err;) {
		struct span s = media_take(r, length);
		if (p)
			memcpy(p + n, s.p, s.n);
		n += s.n;
	}
	if (joined)
		*joined = span_of(p, p ? n : 0);
	return span_of(r->s.p + start, r->at - start);
}

/* Returns true if application data is a text. Binary settings of programs are not. */
static bool
is_gif_text(struct span s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < ' ' && !strchr("\t\r\n", s.p[i]))
			return false;
	return s.n > 0 && !memchr(s.p, 0, s.n) && utf8_valid(s);
}

static void
gif_application(struct media *m, struct media_rd *r)
{
	struct span name = media_take(r, media_u8(r)), joined;
	struct span run = gif_blocks(m, r, &joined);

	if (span_is(name, "XMP DataXMP") && run.n > XMP_TRAILER)
		xmp_read(m, span_cut(run, 0, run.n - XMP_TRAILER - 1));
	else if (is_gif_text(joined))
		media_text(m, joined, MEDIA_UTF8);
}

static void
gif_extension(struct media *m, struct media_rd *r)
{
	unsigned label = media_u8(r);
	struct span joined;

	if (label == APPLICATION) {
		gif_application(m, r);
		return;
	}
	if (label == PLAIN_TEXT)
		media_take(r, media_u8(r));
	gif_blocks(m, r, label == PLAIN_TEXT || label == COMMENT ? &joined : NULL);
	if (label == PLAIN_TEXT || label == COMMENT)
		media_text(m, joined, MEDIA_UTF8);
}

void
gif_read(struct media *m)
{
	struct media_rd r = media_rd(m->bytes);
	unsigned block = 0, images = 0;

	r.little = true;
	media_take(&r, GIF_SIGNATURE);
	uint64_t width = media_u16(&r);
	media_points(m, width, media_u16(&r));
	unsigned flags = media_u8(&r);
	media_take(&r, 2);
	gif_table(&r, flags);
	while (!r.err && media_part(m) && (block = media_u8(&r)) != TRAILER && !r.err) {
		if (block == EXTENSION) {
			gif_extension(m, &r);
		} else if (block == IMAGE) {
			if (images++)
				media_flaw(m, FILE_ANIMATED);
			media_take(&r, 8);
			gif_table(&r, media_u8(&r));
			media_take(&r, 1);
			gif_blocks(m, &r, NULL);
		} else {
			media_flaw(m, FILE_DAMAGED);
			return;
		}
	}
	if (r.err)
		media_flaw(m, FILE_TRUNCATED);
	else if (block == TRAILER)
		media_after(m, r.at);
}

void
bmp_read(struct media *m)
{
	struct media_rd r = media_rd(m->bytes);

	r.little = true;
	r.at = 14;
	bool old = media_u32(&r) == 12;
	int64_t width = old ? (int64_t)media_u16(&r) : (int32_t)media_u32(&r);
	int64_t height = old ? (int64_t)media_u16(&r) : (int32_t)media_u32(&r);
	if (width < 0 || r.err)
		media_flaw(m, FILE_DAMAGED);
	else
		media_points(m, (uint64_t)width, (uint64_t)(height < 0 ? -height : height));
}
