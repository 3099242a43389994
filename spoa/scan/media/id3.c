/* Reads the tags of MP3 files: ID3v2.2, 2.3 and 2.4 (https://id3.org) at the beginning, ID3v1
 * and APEv2 at the end. An ID3v2 tag is a list of frames; a frame's name determines its
 * form. */
#include "base/ascii.h"
#include "scan/media/reader.h"

enum {
	ID3_HEAD = 10,
	ID3_UNSYNC = 0x80,
	ID3_EXTENDED = 0x40,
	ID3_FOOTER = 0x10,
	ID3V1 = 128,
	APE_FOOT = 32,
	ID3_DEPTH = 1, /* nesting of frames inside chapters */
};

/* The fields of a frame before its text, in order. */
enum id3_form {
	ID3_SKIPPED,
	ID3_TEXT,	/* encoding, texts */
	ID3_PERSON,	/* encoding, names of persons */
	ID3_NAMED,	/* encoding, name, text */
	ID3_LANGUAGE,	/* encoding, language, name, text */
	ID3_LANGUAGE_1, /* encoding, language, text */
	ID3_LINK,	/* Latin-1 */
	ID3_NAMED_LINK, /* encoding, name, Latin-1 */
	ID3_TIMED,	/* encoding, language, two bytes, name, then texts with time stamps */
	ID3_PICTURE,	/* encoding, type, a byte, name */
	ID3_OBJECT,	/* encoding, type, file name, name */
	ID3_PRIVATE,	/* owner, bytes; only XMP is read */
	ID3_RATING,	/* an e-mail address */
	ID3_CHAPTER,
	ID3_CONTENTS,
};

/* Frames by name; the first row that is a prefix counts. `older`: the three-letter name of
 * ID3v2.2; "": none. */
static const struct {
	const char *id, *older;
	enum id3_form form;
} id3_frames[] = {
	{ "TXXX", "TXX", ID3_NAMED },
	{ "COMM", "COM", ID3_LANGUAGE },
	{ "USLT", "ULT", ID3_LANGUAGE },
	{ "USER", "", ID3_LANGUAGE_1 },
	{ "IPLS", "IPL", ID3_TEXT },
	{ "SYLT", "SLT", ID3_TIMED },
	{ "WXXX", "WXX", ID3_NAMED_LINK },
	{ "APIC", "PIC", ID3_PICTURE },
	{ "GEOB", "GEO", ID3_OBJECT },
	{ "PRIV", "", ID3_PRIVATE },
	{ "POPM", "POP", ID3_RATING },
	{ "CHAP", "", ID3_CHAPTER },
	{ "CTOC", "", ID3_CONTENTS },
	{ "TPE", "TP", ID3_PERSON }, /* performers */
	{ "TCOM", "TCM", ID3_PERSON },
	{ "TEXT", "TXT", ID3_PERSON },
	{ "TOLY", "TOL", ID3_PERSON },
	{ "TOPE", "TOA", ID3_PERSON },
	{ "TOWN", "", ID3_PERSON },
	{ "T", "T", ID3_TEXT },
	{ "W", "W", ID3_LINK },
};

struct id3 {
	struct media *m;
	unsigned version;
	bool unsync; /* all frames are unsynchronized (version 4) */
};

static size_t
synchsafe(size_t n)
{
	return (n & 0x7f) | (n >> 8 & 0x7f) << 7 | (n >> 16 & 0x7f) << 14 |
	       (n >> 24 & 0x7f) << 21;
}

/* Undoes unsynchronization: 0xff 0x00 stands for 0xff. */
static struct span
resynchronise(struct media *m, struct span s)
{
	char *p = arena_alloc(m->a, s.n);
	size_t n = 0;

	m->nomem |= !p;
	for (size_t i = 0; p && i < s.n; i++) {
		p[n++] = s.p[i];
		if ((unsigned char)s.p[i] == 0xff && i + 1 < s.n && !s.p[i + 1])
			i++;
	}
	return span_of(p, n);
}

static enum media_charset
id3_charset(struct media *m, unsigned encoding)
{
	static const enum media_charset charsets[] = { MEDIA_UTF8, MEDIA_UTF16, MEDIA_UTF16BE,
		MEDIA_UTF8 };

	if (encoding < COUNT_OF(charsets))
		return charsets[encoding];
	media_flaw(m, FILE_DAMAGED);
	return MEDIA_UTF8;
}

/* Takes a string up to its NUL, which has one byte or two. */
static struct span
id3_string(struct media_rd *r, enum media_charset c)
{
	size_t step = c == MEDIA_UTF8 ? 1 : 2, at = r->at;

	while (at + step <= r->s.n && (r->s.p[at] || (step == 2 && r->s.p[at + 1])))
		at += step;
	bool ends = at + step <= r->s.n;
	struct span s = span_cut(r->s, r->at, ends ? at : r->s.n);
	r->at = ends ? at + step : r->s.n;
	return s;
}

static void id3_walk(struct id3 *t, struct span frames, unsigned depth);

static void
id3_frame(struct id3 *t, enum id3_form form, struct span data, unsigned depth)
{
	struct media *m = t->m;
	struct media_rd r = media_rd(data);
	enum media_charset c = form >= ID3_LINK && form != ID3_NAMED_LINK &&
					       form != ID3_TIMED && form != ID3_PICTURE &&
					       form != ID3_OBJECT
				       ? MEDIA_UTF8
				       : id3_charset(m, media_u8(&r));

	if (form == ID3_LANGUAGE || form == ID3_LANGUAGE_1 || form == ID3_TIMED)
		media_take(&r, 3);
	switch (form) {
	case ID3_TIMED:
		media_take(&r, 2);
		media_text(m, id3_string(&r, c), c);
		while (media_left(&r) && media_part(m)) {
			media_text(m, id3_string(&r, c), c);
			media_take(&r, media_left(&r) < 4 ? media_left(&r) : 4);
		}
		break;
	case ID3_NAMED:
	case ID3_LANGUAGE: {
		struct span name = id3_string(&r, c);
		media_named(m, name, media_take(&r, media_left(&r)), c);
		break;
	}
	case ID3_PICTURE:
		if (t->version == 2)
			media_take(&r, 3);
		else
			id3_string(&r, MEDIA_UTF8);
		media_u8(&r);
		media_text(m, id3_string(&r, c), c);
		break;
	case ID3_OBJECT:
		id3_string(&r, MEDIA_UTF8);
		media_text(m, id3_string(&r, c), c);
		media_text(m, id3_string(&r, c), c);
		break;
	case ID3_PRIVATE:
		if (span_is(id3_string(&r, MEDIA_UTF8), "XMP"))
			xmp_read(m, media_take(&r, media_left(&r)));
		break;
	case ID3_RATING: media_text(m, id3_string(&r, MEDIA_UTF8), MEDIA_UTF8); break;
	case ID3_CHAPTER:
		id3_string(&r, MEDIA_UTF8);
		media_take(&r, 16);
		id3_walk(t, media_take(&r, media_left(&r)), depth + 1);
		break;
	case ID3_CONTENTS:
		id3_string(&r, MEDIA_UTF8);
		media_u8(&r);
		for (unsigned n = media_u8(&r); n; n--)
			id3_string(&r, MEDIA_UTF8);
		id3_walk(t, media_take(&r, media_left(&r)), depth + 1);
		break;
	case ID3_NAMED_LINK:
		media_text(m, id3_string(&r, c), c);
		media_text(m, media_take(&r, media_left(&r)), MEDIA_UTF8);
		break;
	case ID3_PERSON:
		media_field(m, "artist name", media_take(&r, media_left(&r)), c);
		break;
	case ID3_TEXT:
	case ID3_LANGUAGE_1:
	case ID3_LINK: media_text(m, media_take(&r, media_left(&r)), c); break;
	case ID3_SKIPPED: break;
	}
	if (r.err && data.n > 1)
		media_flaw(m, FILE_DAMAGED);
}

static enum id3_form
id3_form_of(struct span id)
{
	for (size_t i = 0; i < COUNT_OF(id3_frames); i++) {
		struct span row = span_str(id.n == 3 ? id3_frames[i].older : id3_frames[i].id);
		if (row.n && span_starts(id, row))
			return id3_frames[i].form;
	}
	return ID3_SKIPPED;
}

/* Undoes the transformations that a frame's flags state: encryption (a flaw), grouping, a
 * length field, unsynchronization, compression. Returns false if the frame cannot be read. */
static bool
id3_unwrap(struct id3 *t, unsigned flags, struct span *data)
{
	bool four = t->version == 4;
	struct media_rd r = media_rd(*data);
	bool packed = flags & (four ? 0x08 : 0x80), locked = flags & (four ? 0x04 : 0x40),
	     grouped = flags & (four ? 0x40 : 0x20), length = four ? flags & 0x01 : packed;

	if (locked) {
		media_flaw(t->m, FILE_ENCRYPTED);
		return false;
	}
	if (grouped)
		media_u8(&r);
	if (length)
		media_u32(&r);
	*data = media_take(&r, media_left(&r));
	if (four && (t->unsync || flags & 0x02))
		*data = resynchronise(t->m, *data);
	return !r.err && (!packed || media_inflate(t->m, *data, data));
}

/* Returns true if a frame, padding or the end is at this offset. */
static bool
id3_frame_at(struct span s, size_t at)
{
	struct span id = span_cut(s, at, at + 4);

	return id.n < 4 || !id.p[0] || (is_upper(id.p[0]) && span_is_alnum(id, ""));
}

/* Returns a frame's size. Version 4 uses seven bits of each byte, but old versions of iTunes
 * used eight: the size after which a frame begins is correct. */
static size_t
id3_frame_size(const struct id3 *t, const struct media_rd *r, size_t n)
{
	size_t safe = synchsafe(n), after = r->at + 2; /* the flags' two bytes */

	if (t->version != 4 || safe == n)
		return n;
	return !(n & 0x80808080) && id3_frame_at(r->s, after + safe) ? safe : n;
}

static void
id3_walk(struct id3 *t, struct span frames, unsigned depth)
{
	struct media_rd r = media_rd(frames);
	size_t name = t->version == 2 ? 3 : 4;

	if (depth > ID3_DEPTH) {
		media_flaw(t->m, FILE_BOMB);
		return;
	}
	while (media_left(&r) > 2 * name && r.s.p[r.at] && media_part(t->m)) {
		struct span id = media_take(&r, name);
		size_t n = media_number(&r, name);
		unsigned flags = 0;
		if (t->version > 2) {
			n = id3_frame_size(t, &r, n);
			flags = media_u16(&r);
		}
		struct span data = media_take(&r, n);
		if (r.err || !is_upper(id.p[0])) {
			media_flaw(t->m, FILE_DAMAGED);
			return;
		}
		enum id3_form form = id3_form_of(id);
		if (form != ID3_SKIPPED && data.n && id3_unwrap(t, flags & 0xff, &data))
			id3_frame(t, form, data, depth);
	}
}

size_t
id3_read(struct media *m, struct span s)
{
	struct media_rd r = media_rd(s);

	if (!span_is(media_take(&r, 3), "ID3") || s.n < ID3_HEAD)
		return 0;
	struct id3 t = { .m = m, .version = media_u16(&r) >> 8 };
	unsigned flags = media_u8(&r);
	struct span body = media_take(&r, synchsafe(media_u32(&r)));
	if (t.version == 4 && flags & ID3_FOOTER)
		media_take(&r, ID3_HEAD);
	if (r.err || t.version < 2 || t.version > 4) {
		media_flaw(m, r.err ? FILE_TRUNCATED : FILE_DAMAGED);
		return r.at;
	}
	t.unsync = flags & ID3_UNSYNC;
	if (t.unsync && t.version < 4)
		body = resynchronise(m, body);
	struct media_rd b = media_rd(body);
	if (flags & ID3_EXTENDED && t.version > 2) {
		size_t n = media_u32(&b);
		media_take(&b, t.version == 3 ? n : synchsafe(n) - 4);
	}
	if (b.err)
		media_flaw(m, FILE_DAMAGED);
	id3_walk(&t, span_cut(body, b.at, body.n), 0);
	return r.at;
}

/* Reads the APEv2 tag that ends at `end`: items with a text flag, then a footer. */
static void
ape_read(struct media *m, size_t end)
{
	struct span foot = span_cut(m->bytes, end < APE_FOOT ? 0 : end - APE_FOOT, end);

	if (!span_starts(foot, SPAN_LIT("APETAGEX")))
		return;
	struct media_rd f = media_rd(foot);
	f.little = true;
	f.at = 12;
	size_t n = media_u32(&f), items = media_u32(&f);
	if (n < APE_FOOT || n > end) {
		media_flaw(m, FILE_DAMAGED);
		return;
	}
	struct media_rd r = media_rd(span_cut(m->bytes, end - n, end - APE_FOOT));
	r.little = true;
	for (; items && !r.err && media_part(m); items--) {
		size_t length = media_u32(&r);
		unsigned flags = media_u32(&r);
		struct span key = id3_string(&r, MEDIA_UTF8), value = media_take(&r, length);
		if (!r.err && !(flags >> 1 & 3))
			media_named(m, key, value, MEDIA_UTF8);
	}
	if (r.err)
		media_flaw(m, FILE_DAMAGED);
}

void
mp3_read(struct media *m)
{
	static const unsigned char widths[] = { 30, 30, 30, 4, 30 };
	size_t at = 0, n;

	while ((n = id3_read(m, span_cut(m->bytes, at, m->bytes.n))) && media_part(m))
		at += n;
	struct span last = span_cut(
		m->bytes, m->bytes.n < ID3V1 + at ? at : m->bytes.n - ID3V1, m->bytes.n);
	if (last.n < ID3V1 || !span_starts(last, SPAN_LIT("TAG"))) {
		ape_read(m, m->bytes.n);
		return;
	}
	ape_read(m, m->bytes.n - ID3V1);
	struct media_rd r = media_rd(last);
	media_take(&r, 3);
	for (size_t i = 0; i < COUNT_OF(widths); i++) {
		struct span s = media_take(&r, widths[i]);
		s = span_cut(s, 0, span_chr(s, '\0'));
		media_field(m, i == 1 ? "artist name" : "", s, MEDIA_UTF8);
	}
}
