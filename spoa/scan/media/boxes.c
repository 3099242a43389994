/* Reads ISO base media files (ISO 14496-12) and QuickTime: MP4, M4A, HEIC, AVIF. Such a file is
 * a tree of boxes. These boxes are read: user data (QuickTime's texts, 3GPP TS 26.244 8),
 * iTunes' list, XMP, and image sizes. */
#include "scan/media/reader.h"

enum {
	BOX_DEPTH = 10,
	FULL_BOX = 4, /* bytes of version and flags */
	DATA_UTF8 = 1,
	DATA_UTF16 = 2,
};

#define XMP_UUID SPAN_LIT("\xbe\x7a\xcf\xcb\x97\xa9\x42\xe8\x9c\x71\x99\x94\x91\xe3\xaf\xac")

/* One box; `parent` is the type of the box around it. */
struct box {
	struct span type, data, parent;
	unsigned depth;
};

static void boxes_walk(struct media *m, struct span s, struct span parent, unsigned depth);

/* Returns the name that detectors know for the text in such a box; "": none. */
static const char *
box_name(struct span type)
{
	static const char *const persons[] = { "\xa9" "ART", "\xa9" "aut", "\xa9" "prf",
		"\xa9" "wrt", "aART", "auth", "perf" };

	return SPAN_IN(type, persons) ? "artist name" : "";
}

/* Returns the name of the metadata with this number, from 1 on, in the box `keys`. Empty: none. */
static struct span
quicktime_key(struct media *m, struct span number)
{
	struct media_rd r = media_rd(m->keys), type = media_rd(number);
	struct span name = span_of(NULL, 0);

	if (!m->keys.n)
		return name;
	for (uint32_t n = media_u32(&type); n && !r.err && media_left(&r) && media_part(m); n--) {
		uint32_t size = media_u32(&r);
		media_take(&r, 4);
		name = media_take(&r, size > 8 ? size - 8 : 0);
	}
	return type.err || r.err ? span_of(NULL, 0) : name;
}

static void
box_text(struct media *m, struct span type, struct span s, enum media_charset c)
{
	const char *name = box_name(type);
	struct span key = type.n && !type.p[0] ? quicktime_key(m, type) : type;

	if (type.n && !type.p[0] && key.n)
		media_named(m, key, s, c);
	else if (*name)
		media_field(m, name, s, c);
	else
		media_iso6709(m, s, c);
}

/* Reads iTunes' box `data`, which is in a box `type`: type of value, country, value. */
static void
data_box(struct media *m, struct span type, struct media_rd r)
{
	unsigned kind = media_u32(&r);

	media_u32(&r);
	struct span value = media_take(&r, media_left(&r));
	if (r.err)
		media_flaw(m, FILE_DAMAGED);
	else if (kind == DATA_UTF8 || kind == DATA_UTF16)
		box_text(m, type, value, kind == DATA_UTF8 ? MEDIA_UTF8 : MEDIA_UTF16BE);
}

/* Reads a place (3GPP TS 26.244 8.10): language, name, role, longitude and latitude in units of
 * 1/65536 degree, altitude, body, notes. */
static void
place_box(struct media *m, struct span data)
{
	bool wide = span_starts(span_cut(data, 2, data.n), SPAN_LIT("\xfe\xff"));
	size_t end = 2;

	while (end < data.n && (data.p[end] || (wide && end + 1 < data.n && data.p[end + 1])))
		end += wide ? 2 : 1;
	media_text(m, span_cut(data, 2, end), wide ? MEDIA_UTF16 : MEDIA_UTF8);
	struct media_rd r = media_rd(span_cut(data, end + (wide ? 2 : 1), data.n));
	media_u8(&r);
	double longitude = (int32_t)media_u32(&r) / 65536.0;
	double latitude = (int32_t)media_u32(&r) / 65536.0;
	media_u32(&r);
	if (r.err) {
		media_flaw(m, FILE_DAMAGED);
		return;
	}
	media_position(m, latitude, longitude);
	media_text(m, media_take(&r, media_left(&r)), wide ? MEDIA_UTF16 : MEDIA_UTF8);
}

/* Reads a QuickTime text: length, language, text, perhaps several times. iTunes puts a box
 * `data` here instead. */
static void
quicktime_box(struct media *m, const struct box *b)
{
	struct media_rd r = media_rd(b->data);

	if (span_is(span_cut(b->data, 4, 8), "data")) {
		boxes_walk(m, b->data, b->type, b->depth + 1);
		return;
	}
	while (media_left(&r) > 4 && media_part(m)) {
		size_t n = media_u16(&r);
		unsigned language = media_u16(&r);
		struct span s = media_take(&r, n);
		bool wide = s.n >= 2 && language >= 0x400 &&
			    ((unsigned char)s.p[0] == 0xfe || (unsigned char)s.p[0] == 0xff);
		box_text(m, b->type, s, wide ? MEDIA_UTF16 : MEDIA_UTF8);
	}
	if (r.err)
		media_flaw(m, FILE_DAMAGED);
}

static void
box_read(struct media *m, const struct box *b)
{
	static const char *const holders[] = { "moov", "trak", "mdia", "minf", "udta", "ilst",
		"iprp", "ipco", "moof", "traf", "----" };
	static const char *const assets[] = { "titl", "dscp", "cprt", "perf", "auth", "gnre",
		"albm" };
	struct media_rd r = media_rd(b->data);
	struct span full = span_cut(b->data, FULL_BOX, b->data.n);

	if (span_is(b->type, "data")) {
		data_box(m, b->parent, r);
	} else if (b->type.p[0] == '\xa9') {
		quicktime_box(m, b);
	} else if (span_is(b->type, "XMP_")) {
		xmp_read(m, b->data);
	} else if (span_is(b->type, "uuid") && span_starts(b->data, XMP_UUID)) {
		xmp_read(m, span_cut(b->data, XMP_UUID.n, b->data.n));
	} else if (span_is(b->type, "ispe")) { /* image size (ISO 23008-12 6.5.3) */
		struct media_rd size = media_rd(full);
		uint64_t width = media_u32(&size);
		media_points(m, width, media_u32(&size));
	} else if (span_is(b->type, "meta")) { /* in QuickTime, meta has no version */
		bool bare = span_is(span_cut(b->data, 4, 8), "hdlr");
		boxes_walk(m, bare ? b->data : full, b->type, b->depth + 1);
	} else if (span_is(b->type, "keys")) { /* QuickTime: version, number, names */
		m->keys = span_cut(full, 4, full.n);
	} else if (span_is(b->type, "loci")) {
		place_box(m, full);
	} else if (span_is(b->parent, "udta") && SPAN_IN(b->type, assets)) {
		/* 3GPP: a language, then UTF-8, or UTF-16 with a mark */
		struct span s = span_cut(full, 2, full.n);
		bool wide = span_starts(s, SPAN_LIT("\xfe\xff")) ||
			    span_starts(s, SPAN_LIT("\xff\xfe"));
		box_text(m, b->type, s, wide ? MEDIA_UTF16 : MEDIA_UTF8);
	} else if (span_is(b->parent, "ilst") || SPAN_IN(b->type, holders)) {
		boxes_walk(m, b->data, b->type, b->depth + 1);
	} else if (span_is(b->parent, "----") && full.n) {
		media_text(m, full, MEDIA_UTF8);
	}
}

/* Reads a list of boxes: size type [64-bit size] data. A size of 0 extends to the end of the
 * file. */
static void
boxes_walk(struct media *m, struct span s, struct span parent, unsigned depth)
{
	struct media_rd r = media_rd(s);

	if (depth > BOX_DEPTH) {
		media_flaw(m, FILE_BOMB);
		return;
	}
	while (media_left(&r) >= 8 && media_part(m)) {
		size_t start = r.at;
		uint64_t size = media_u32(&r);
		struct box b = { .parent = parent, .depth = depth };
		b.type = media_take(&r, 4);
		if (size == 1)
			size = media_number(&r, 8);
		else if (!size && !depth)
			size = s.n - start;
		else if (!size)
			break; /* QuickTime ends a list with a size of 0 */
		if (size < r.at - start || size > s.n - start) {
			media_flaw(m, depth ? FILE_DAMAGED : FILE_TRUNCATED);
			return;
		}
		b.data = media_take(&r, size - (r.at - start));
		box_read(m, &b);
	}
}

void
boxes_read(struct media *m)
{
	boxes_walk(m, m->bytes, span_cut(m->bytes, 0, 0), 0);
}
