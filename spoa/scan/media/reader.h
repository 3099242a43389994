/* Private to scan/media/: what the readers of formats share. */
#ifndef SCAN_MEDIA_READER_H
#define SCAN_MEDIA_READER_H

#include "base/buf.h"
#include "base/err.h"
#include "scan/media/media_file.h"

/* A file under way. owner: the caller of file_read(). */
struct media {
	struct span bytes;
	struct arena *a;
	struct file_facts *out;
	size_t room;	   /* of out->texts */
	size_t text_bytes; /* of CAP_MEDIA_TEXT_BYTES */
	size_t inflated;   /* likewise */
	size_t looked_at;  /* bytes of texts before they are UTF-8: places may share them */
	size_t parts;	   /* of CAP_MEDIA_PARTS */
	bool nomem;
};

/* ---- a cursor that remembers that something was beyond the end ---- */

struct media_rd {
	struct span s;
	size_t at;
	bool little;
	bool err;
};

static inline struct media_rd
media_rd(struct span s)
{
	return (struct media_rd){ .s = s };
}

static inline size_t
media_left(const struct media_rd *r)
{
	return r->s.n - r->at;
}

/* Bytes, fewer at the end, which is an error then. */
static inline struct span
media_take(struct media_rd *r, uint64_t n)
{
	if (n > media_left(r)) {
		r->err = true;
		n = media_left(r);
	}
	r->at += n;
	INVARIANT(r->at <= r->s.n);
	return span_cut(r->s, r->at - n, r->at);
}

/* n <= 8 bytes; 0 after an error. */
static inline uint64_t
media_number(struct media_rd *r, size_t n)
{
	struct span s = media_take(r, n);
	uint64_t v = 0;

	for (size_t i = 0; i < n && !r->err; i++)
		v = v << 8 | (unsigned char)s.p[r->little ? n - 1 - i : i];
	return v;
}

static inline uint32_t
media_u8(struct media_rd *r)
{
	return (uint32_t)media_number(r, 1);
}

static inline uint32_t
media_u16(struct media_rd *r)
{
	return (uint32_t)media_number(r, 2);
}

static inline uint32_t
media_u32(struct media_rd *r)
{
	return (uint32_t)media_number(r, 4);
}

/* ---- what is found ---- */

/* The first one stays. */
void media_flaw(struct media *m, enum file_flaw flaw);
/* One more tag, chunk or box; false: too many, and said. */
bool media_part(struct media *m);
/* n more bytes to be looked at as text; false: too many, and said. */
bool media_look(struct media *m, size_t n);
/* The larger picture stays. */
void media_points(struct media *m, uint64_t width, uint64_t height);
/* What comes after the end of the file: nothing, a little padding, or a flaw. */
void media_after(struct media *m, size_t end);

enum media_charset {
	MEDIA_UTF8, /* what is none is Latin-1 */
	MEDIA_LATIN1,
	MEDIA_UTF16, /* by its first character, else big end first */
	MEDIA_UTF16BE,
	MEDIA_UTF16LE,
};
/* Texts, each of which ends at a NUL; what is blank is none. */
void media_text(struct media *m, struct span s, enum media_charset c);
/* The same of one with a name, "name: text"; a NUL in it is a line's end. */
void media_named(struct media *m, struct span name, struct span s, enum media_charset c);
/* A copy of the text, of which b has some, that stays; empty over b's cap or without memory,
 * and that is said. */
struct span media_kept(struct media *m, const struct buf *b, struct span s);
/* What a zlib stream holds, in the arena; false: it has none, and the flaw says why. */
bool media_inflate(struct media *m, struct span s, struct span *out);

/* Pieces that belong together, in the arena. */
struct media_pieces {
	char *p;
	size_t n, room;
};
void media_append(struct media *m, struct media_pieces *to, struct span s);

/* ---- metadata inside several formats ---- */

/* An XMP packet: its XML as one text, with what references spell. */
void xmp_read(struct media *m, struct span xml);
/* A TIFF file's tags, also those of EXIF. `whole`: of a file, not inside one. */
void exif_read(struct media *m, struct span tiff, bool whole);
/* The same with what JPEG's segments have before it, or XMP with that. */
void jpeg_app1(struct media *m, struct span data);
/* Photoshop's resources, and IPTC's texts in them or bare. */
void photoshop_read(struct media *m, struct span resources);
void iptc_read(struct media *m, struct span iim);
/* The comments of Vorbis, Opus and FLAC. */
void vorbis_read(struct media *m, struct span comments);
/* An ID3v2 tag at the beginning; how many bytes it has, 0: none is there. */
size_t id3_read(struct media *m, struct span s);

/* ---- files ---- */

void png_read(struct media *m);
void jpeg_read(struct media *m);
void gif_read(struct media *m);
void bmp_read(struct media *m);
void psd_read(struct media *m);
void riff_read(struct media *m);
void mp3_read(struct media *m);
void flac_read(struct media *m);
void ogg_read(struct media *m);
void boxes_read(struct media *m);
void zip_read(struct media *m);

/* Where a zip's directory ends, or would: the offset of its record; SIZE_MAX: nowhere. */
size_t zip_end(struct span bytes);

#endif
