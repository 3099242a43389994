/* Reads metadata that image files of several formats contain.
 *
 * EXIF (CIPA DC-008) and TIFF 6.0 are directories of tags. Texts are: all ASCII tags; comments
 * with an encoding name; Windows' UTF-16 tags; XMP and IPTC blocks; and the GPS position. If
 * the tag states that a text is a person's name or a serial number, the text gets a label that
 * detectors know ("owner name: Ann Lee"). Loops of directories end at CAP_MEDIA_PARTS.
 *
 * Photoshop's image resources (Adobe Photoshop File Formats, "Image Resource Blocks") contain
 * EXIF, XMP, or IPTC-NAA records (IIM 4.2 1.6), and a tag of TIFF can contain the resources.
 * Record 2 of IPTC contains the texts. Photoshop's own files begin with an image size and
 * resources. */
#include "scan/media/reader.h"

/* ---- IPTC, and Photoshop's resources ---- */

enum {
	CAPTION_RESOURCE = 0x03f0,
	IPTC_RESOURCE = 0x0404,
	URL_RESOURCE = 0x040b,
	EXIF_RESOURCE = 0x0422,
	XMP_RESOURCE = 0x0424,
	IPTC_TAG = 0x1c,
	PSD_HEAD = 14, /* bytes before the image's height in a PSD file */
};

/* Fields whose texts detectors would not know without a name. */
struct field {
	unsigned id;
	const char *name;
};

static const char *
field_name(const struct field *v, size_t n, unsigned id)
{
	for (size_t i = 0; i < n; i++)
		if (v[i].id == id)
			return v[i].name;
	return "";
}

/* Datasets of IPTC's record 2 (IIM 4.2, 6). */
static const struct field iptc_fields[] = {
	{ 80, "author name" },
	{ 90, "city" },
	{ 110, "credit name" },
	{ 118, "contact name" },
	{ 122, "writer name" },
};

void
iptc_read(struct media *m, struct span iim)
{
	struct media_rd r = media_rd(iim);

	/* Zeros pad the records to an even length, or to a word in TIFF. */
	while (media_left(&r) && r.s.p[r.at]) {
		unsigned tag = media_u8(&r), record = media_u8(&r), dataset = media_u8(&r);
		size_t n = media_u16(&r);
		if (n & 0x8000)
			n = media_number(&r, n & 0x7fff);
		struct span s = media_take(&r, n);
		if (r.err || tag != IPTC_TAG) {
			media_flaw(m, FILE_DAMAGED);
			return;
		}
		if (!media_part(m))
			return;
		/* other datasets are binary: numbers and a preview */
		if ((record == 2 && dataset != 0 && dataset < 200) || record == 3)
			media_field(m,
				record == 3 ? ""
					    : field_name(iptc_fields, COUNT_OF(iptc_fields),
						      dataset),
				s, MEDIA_UTF8);
	}
}

/* Reads resources: "8BIM" id name (counted, padded to even) length data (padded to even). */
void
photoshop_read(struct media *m, struct span resources)
{
	static const char *const marks[] = { "8BIM", "MeSa", "PHUT", "AgHg", "DCSR" };
	struct media_rd r = media_rd(resources);

	while (media_left(&r) >= 12 && media_part(m)) {
		struct span mark = media_take(&r, 4);
		unsigned id = media_u16(&r);
		size_t name = media_u8(&r);
		media_take(&r, name | 1);
		size_t n = media_u32(&r);
		struct span data = media_take(&r, n);
		if (r.err || !SPAN_IN(mark, marks)) {
			media_flaw(m, FILE_DAMAGED);
			return;
		}
		if (n & 1 && media_left(&r))
			media_take(&r, 1);
		if (id == IPTC_RESOURCE)
			iptc_read(m, data);
		else if (id == EXIF_RESOURCE)
			exif_read(m, data, false);
		else if (id == XMP_RESOURCE)
			xmp_read(m, data);
		else if (id == URL_RESOURCE)
			media_text(m, data, MEDIA_UTF8);
		else if (id == CAPTION_RESOURCE && data.n)
			media_text(
				m, span_cut(data, 1, 1 + (unsigned char)data.p[0]), MEDIA_UTF8);
	}
}

/* Reads the beginning of a PSD file: image size, palette, resources. */
void
psd_read(struct media *m)
{
	struct media_rd r = media_rd(m->bytes);

	media_take(&r, PSD_HEAD);
	uint64_t height = media_u32(&r);
	media_points(m, media_u32(&r), height);
	media_take(&r, 4);
	media_take(&r, media_u32(&r));
	struct span resources = media_take(&r, media_u32(&r));
	photoshop_read(m, resources);
	if (r.err)
		media_flaw(m, FILE_TRUNCATED);
}

/* ---- EXIF and TIFF ---- */

enum {
	TAG_WIDTH = 0x100,
	TAG_HEIGHT = 0x101,
	TAG_ORIENTATION = 0x112,
	TAG_SUB_IFDS = 0x14a,
	TAG_XMP = 0x2bc,
	TAG_IPTC = 0x83bb,
	TAG_PHOTOSHOP = 0x8649,
	TAG_EXIF = 0x8769,
	TAG_GPS = 0x8825,
	TAG_XP_FIRST = 0x9c9b, /* XPTitle, XPComment, XPAuthor, XPKeywords, XPSubject */
	TAG_XP_LAST = 0x9c9f,
	TAG_COMMENT = 0x9286,
	GPS_LATITUDE = 2,
	GPS_LONGITUDE = 4,
	GPS_METHOD = 27,
	GPS_AREA = 28,
	TYPE_ASCII = 2,
	TYPE_UTF8 = 129,
	IFD_DEPTH = 4,
	COMMENT_CODE = 8,
};

struct tiff {
	struct media *m;
	struct media_rd all;
	bool whole; /* a TIFF file, whose directories describe images */
};

/* One tag of a directory; `data` is a view of the file. */
struct tag {
	unsigned id, type;
	uint64_t count;
	struct span data;
};

/* A position: latitude, then longitude, in degrees; negative for south and west. */
struct gps {
	double angle[2];
	bool have[2], negative[2];
};

/* Tags of EXIF 3.0 4.6 and of Windows. */
static const struct field exif_fields[] = {
	{ 0x13b, "artist name" },
	{ 0x9c9d, "author name" },
	{ 0xa430, "owner name" },
	{ 0xa431, "camera serial number" },
	{ 0xa435, "lens serial number" },
	{ 0xa437, "photographer name" },
	{ 0xa438, "editor name" },
};

/* Bytes of a value by type. */
static const unsigned char tag_sizes[] = { 0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4 };

static struct media_rd
tag_values(const struct tiff *t, const struct tag *tag)
{
	struct media_rd r = media_rd(tag->data);

	r.little = t->all.little;
	return r;
}

/* Reads a tag of 12 bytes. A value of up to 4 bytes is inside the tag, a longer one at an
 * offset. Returns false if the value is beyond the end of the file. */
static bool
tag_read(struct media_rd *r, struct tag *tag)
{
	tag->id = media_u16(r);
	tag->type = media_u16(r);
	tag->count = media_u32(r);
	size_t size =
		tag->type < COUNT_OF(tag_sizes) ? tag_sizes[tag->type] : tag->type == TYPE_UTF8;
	uint64_t n = tag->count * size;
	struct media_rd at = *r;
	media_u32(r);
	if (n > 4) {
		at.at = media_u32(&at);
		if (at.at > at.s.n)
			at.at = at.s.n;
		at.err = false;
	}
	tag->data = media_take(&at, n);
	return !at.err;
}

/* Reads a comment: eight bytes name the encoding (EXIF 4.6.6). */
static void
comment_read(struct tiff *t, struct span s)
{
	struct span code = span_cut(s, 0, COMMENT_CODE), text = span_cut(s, COMMENT_CODE, s.n);

	if (span_starts(code, SPAN_LIT("UNICODE")))
		media_text(t->m, text, t->all.little ? MEDIA_UTF16LE : MEDIA_UTF16BE);
	else
		media_text(t->m, text, MEDIA_UTF8);
}

/* Reads degrees, minutes and seconds as rationals. Returns false if the angle is invalid. */
static bool
gps_angle(const struct tiff *t, const struct tag *tag, double *out)
{
	struct media_rd r = tag_values(t, tag);
	double unit = 1;

	*out = 0;
	for (int i = 0; i < 3; i++, unit *= 60) {
		uint32_t over = media_u32(&r), under = media_u32(&r);
		if (under)
			*out += over / (double)under / unit;
		else if (over)
			return false;
	}
	return !r.err && *out <= 180;
}

/* Collects the angles and their references (N, S, E, W), which precede them. */
static void
gps_read(struct gps *g, const struct tiff *t, const struct tag *tag)
{
	size_t axis = tag->id >= GPS_LONGITUDE - 1;

	if (tag->id == GPS_LATITUDE || tag->id == GPS_LONGITUDE)
		g->have[axis] = gps_angle(t, tag, &g->angle[axis]);
	else if (tag->id && tag->id < GPS_LONGITUDE && tag->data.n)
		g->negative[axis] = tag->data.p[0] == 'S' || tag->data.p[0] == 'W';
}

/* Records the position as a text. */
static void
gps_write(struct media *m, const struct gps *g)
{
	if (g->have[0] && g->have[1])
		media_position(m, g->negative[0] ? -g->angle[0] : g->angle[0],
			g->negative[1] ? -g->angle[1] : g->angle[1]);
}

static void
tag_text(struct tiff *t, const struct tag *tag)
{
	const char *name = field_name(exif_fields, COUNT_OF(exif_fields), tag->id);

	if (tag->id == TAG_XMP)
		xmp_read(t->m, tag->data);
	else if (tag->id == TAG_IPTC)
		iptc_read(t->m, tag->data);
	else if (tag->id == TAG_PHOTOSHOP)
		photoshop_read(t->m, tag->data);
	else if (tag->id >= TAG_XP_FIRST && tag->id <= TAG_XP_LAST)
		media_field(t->m, name, tag->data, MEDIA_UTF16LE);
	else if (tag->id == TAG_COMMENT)
		comment_read(t, tag->data);
	else if (tag->type == TYPE_ASCII || tag->type == TYPE_UTF8)
		media_field(t->m, name, tag->data, MEDIA_UTF8);
}

static bool
tag_is_text(const struct tag *tag)
{
	return tag->type == TYPE_ASCII || tag->type == TYPE_UTF8 || tag->id == TAG_XMP ||
	       tag->id == TAG_IPTC || tag->id == TAG_PHOTOSHOP || tag->id == TAG_COMMENT ||
	       (tag->id >= TAG_XP_FIRST && tag->id <= TAG_XP_LAST);
}

static void ifd_chain(struct tiff *t, size_t at, unsigned depth);

/* Reads the directories that a tag refers to. */
static void
ifd_below(struct tiff *t, const struct tag *tag, unsigned depth)
{
	struct media_rd r = tag_values(t, tag);

	if (depth == IFD_DEPTH) {
		media_flaw(t->m, FILE_BOMB);
		return;
	}
	while (media_left(&r) >= 4 && media_part(t->m))
		ifd_chain(t, media_u32(&r), depth + 1);
}

static void
tag_found(struct tiff *t, const struct tag *tag, uint32_t size[2], unsigned depth)
{
	struct media_rd r = tag_values(t, tag);

	if (tag->id == TAG_WIDTH || tag->id == TAG_HEIGHT)
		size[tag->id - TAG_WIDTH] = tag->type == 3 ? media_u16(&r) : media_u32(&r);
	else if (tag->id == TAG_ORIENTATION && !t->m->out->orientation)
		t->m->out->orientation = media_u16(&r) & 15;
	else if (tag->id == TAG_EXIF || tag->id == TAG_SUB_IFDS)
		ifd_below(t, tag, depth);
	else
		tag_text(t, tag);
}

/* Reads one directory. `places`: the GPS directory. *next: offset of the following directory,
 * 0: none. Returns false if the directory cannot be read. */
static bool
ifd_read(struct tiff *t, size_t at, unsigned depth, bool places, size_t *next)
{
	struct media_rd r = t->all;
	struct gps g = { 0 };
	uint32_t size[2] = { 0, 0 };
	struct tag tag;

	r.at = at < r.s.n ? at : r.s.n;
	for (unsigned n = media_u16(&r); n > 0 && !r.err; n--) {
		bool there = tag_read(&r, &tag);
		if (r.err || !media_part(t->m))
			break;
		if (!there) {
			if (tag_is_text(&tag))
				media_flaw(t->m, FILE_DAMAGED);
		} else if (places && tag.id <= GPS_LONGITUDE) {
			gps_read(&g, t, &tag);
		} else if (places && (tag.id == GPS_METHOD || tag.id == GPS_AREA)) {
			comment_read(t, tag.data);
		} else if (tag.id == TAG_GPS && !places) {
			struct media_rd v = tag_values(t, &tag);
			size_t none;
			ifd_read(t, media_u32(&v), depth, true, &none);
		} else {
			tag_found(t, &tag, size, depth);
		}
	}
	gps_write(t->m, &g);
	if (t->whole)
		media_points(t->m, size[0], size[1]);
	if (r.err)
		media_flaw(t->m, t->whole ? FILE_TRUNCATED : FILE_DAMAGED);
	struct media_rd end = r;
	*next = media_u32(&end);
	return !r.err && !end.err;
}

static void
ifd_chain(struct tiff *t, size_t at, unsigned depth)
{
	size_t next = at;

	while (next && media_part(t->m) && ifd_read(t, next, depth, false, &next))
		;
}

void
exif_read(struct media *m, struct span tiff, bool whole)
{
	struct tiff t = { .m = m, .all = media_rd(tiff), .whole = whole };

	t.all.little = span_starts(tiff, SPAN_LIT("II"));
	if (!t.all.little && !span_starts(tiff, SPAN_LIT("MM"))) {
		media_flaw(m, FILE_DAMAGED);
		return;
	}
	struct media_rd r = t.all;
	media_take(&r, 2);
	bool known = media_u16(&r) == 42;
	size_t first = media_u32(&r);
	if (!known || r.err)
		media_flaw(m, FILE_DAMAGED);
	else
		ifd_chain(&t, first, 0);
}
