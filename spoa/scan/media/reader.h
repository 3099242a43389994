/* Functions that the readers of file formats share. Private to scan/media/. */
#ifndef SCAN_MEDIA_READER_H
#define SCAN_MEDIA_READER_H

#include "base/buf.h"
#include "base/err.h"
#include "scan/media/media_file.h"

/* One file while it is read. Owner: file_read(); one thread. The counters enforce the limits of
 * base/caps.h, so that a small file cannot cause much work. */
struct media {
	struct span bytes;
	struct arena *a;
	struct file_facts *out;
	size_t room;	   /* capacity of out->texts */
	size_t text_bytes; /* bytes of texts found; limit CAP_MEDIA_TEXT_BYTES */
	size_t inflated;   /* bytes decompressed; the same limit */
	/* bytes examined as text before decoding; several places of a file may share bytes */
	size_t looked_at;
	size_t parts; /* tags, chunks and boxes; limit CAP_MEDIA_PARTS */
	/* QuickTime's names of metadata: size, namespace and name of each. n 0: none */
	struct span keys;
	bool nomem;
};

/* ---- a cursor that stays within its bytes and records an error beyond them ---- */

/* `at` is the offset in `s`. `little`: numbers are little-endian. `err`: a read went beyond the
 * end. */
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

/* Takes n bytes. At the end it takes fewer, and sets `err`. */
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

/* Takes a number of n <= 8 bytes; 0 after an error. */
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

/* ---- results ---- */

/* Records a flaw. The first flaw is kept. */
void media_flaw(struct media *m, enum file_flaw flaw);
/* Counts one tag, chunk or box. Returns false and records FILE_BOMB beyond the limit. */
bool media_part(struct media *m);
/* Counts n bytes to be examined as text. Returns false and records FILE_BOMB beyond the
 * limit. */
bool media_look(struct media *m, size_t n);
/* Records the size of an image. The largest is kept. */
void media_points(struct media *m, uint64_t width, uint64_t height);
/* Checks the bytes after the end of the file. A little padding is allowed; anything else is a
 * flaw. */
void media_after(struct media *m, size_t end);

enum media_charset {
	MEDIA_UTF8, /* invalid UTF-8 is read as Latin-1 */
	MEDIA_LATIN1,
	MEDIA_UTF16, /* by byte order mark, else big-endian */
	MEDIA_UTF16BE,
	MEDIA_UTF16LE,
};
/* Records one or more texts, separated by NUL. Texts of spaces only are skipped. */
void media_text(struct media *m, struct span s, enum media_charset c);
/* Records "name: text". A NUL in the text becomes a line break. If the name is that of a field
 * for persons ("Artist"), "name" is added to it, so that detectors know what the text is. Of a
 * name such as "com.apple.quicktime.author", the last part is used. A text that is a position in
 * the form of ISO 6709 is recorded as one. */
void media_named(struct media *m, struct span name, struct span s, enum media_charset c);
/* Records "name: text" with a name of ours, such as "owner name"; "": the text alone. */
void media_field(struct media *m, const char *name, struct span s, enum media_charset c);
/* Records a position in degrees, negative for south and west. */
void media_position(struct media *m, double latitude, double longitude);
/* Records a text that may be a position as ISO 6709 writes it: "+48.8584+002.2945/". */
void media_iso6709(struct media *m, struct span s, enum media_charset c);
/* Copies s to the arena. `b` is the buffer in which s was decoded. Returns an empty span and
 * records the failure if b exceeded its limit or memory is exhausted. */
struct span media_kept(struct media *m, const struct buf *b, struct span s);
/* Decompresses a zlib stream to the arena. Returns false and records a flaw if the stream is
 * invalid or too large. */
bool media_inflate(struct media *m, struct span s, struct span *out);

/* Parts of one datum that a file splits, concatenated in the arena. */
struct media_pieces {
	char *p;
	size_t n, room;
};
void media_append(struct media *m, struct media_pieces *to, struct span s);

/* ---- metadata that several formats contain ---- */

/* Reads an XMP packet: its XML as one text, with character references decoded. */
void xmp_read(struct media *m, struct span xml);
/* Reads the tags of a TIFF structure, which EXIF uses too. `whole`: a TIFF file; its
 * directories describe images. */
void exif_read(struct media *m, struct span tiff, bool whole);
/* Reads a JPEG APP1 segment: EXIF or XMP, each with its header. EXIF may lack the header. */
void jpeg_app1(struct media *m, struct span data);
/* Read Photoshop's resources, and IPTC texts inside resources or alone. */
void photoshop_read(struct media *m, struct span resources);
void iptc_read(struct media *m, struct span iim);
/* Reads an ID3v2 tag at the beginning of s. Returns the tag's length in bytes, 0 if there is
 * none. */
size_t id3_read(struct media *m, struct span s);

/* ---- copies without metadata ---- */

/* Append the parts of m->bytes that a decoder draws with. The file has no flaw. */
void jpeg_bare(struct media *m, struct media_pieces *out);
void png_bare(struct media *m, struct media_pieces *out);

/* ---- readers of whole files ---- */

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

/* Returns the offset of the record that ends a zip's directory; SIZE_MAX: none. */
size_t zip_end(struct span bytes);

#endif
