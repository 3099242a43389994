/* Reads a whole file in three steps: its kind, whether a second file is inside, and its
 * metadata by the reader of its kind. */
#include "scan/media/media_file.h"

#include "base/ascii.h"
#include "base/err.h"
#include "scan/media/kinds.h"
#include "scan/media/reader.h"

enum {
	HEAD_BYTES = 1024, /* bytes in which a second magic number is searched */
	/* bytes in which a PDF is searched, because PDF readers search further */
	PDF_BYTES = 4096,
};

/* Kinds that contain other files by design: a zip directory inside them is not a second
 * kind. */
#define ARCHIVES                                                                               \
	(FILE_IS(FILE_ZIP) | FILE_IS(FILE_OLE) | FILE_IS(FILE_GZIP) | FILE_IS(FILE_ZLIB) |     \
		FILE_IS(FILE_BZIP2) | FILE_IS(FILE_XZ) | FILE_IS(FILE_ZSTD) |                  \
		FILE_IS(FILE_7Z) | FILE_IS(FILE_RAR) | FILE_IS(FILE_SQLITE))
#define PICTURES                                                                               \
	(FILE_IS(FILE_PNG) | FILE_IS(FILE_GIF) | FILE_IS(FILE_WEBP) | FILE_IS(FILE_HEIC) |     \
		FILE_IS(FILE_AVIF))

/* Returns the offset of a PDF header ("%PDF-1.7") in the first bytes; 0: none, or only at
 * offset 0. */
static size_t
pdf_inside(struct span head)
{
	for (size_t at = 1; at < head.n; at++) {
		const char *p = memmem(head.p + at, head.n - at, "%PDF-", 5);
		if (!p)
			break;
		at = (size_t)(p - head.p);
		if (head.n - at >= 8 && is_digit(p[5]) && p[6] == '.' && is_digit(p[7]))
			return at;
	}
	return 0;
}

bool
file_is_coded(struct span bytes, bool whole)
{
	enum file_magic k = file_kind_of(bytes);

	if (k != FILE_OTHER)
		return k == FILE_PDF || k == FILE_RTF || k == FILE_PS;
	return pdf_inside(span_cut(bytes, 0, HEAD_BYTES)) &&
	       (!whole || memmem(bytes.p, bytes.n, " obj", 4));
}

/* Returns the kinds that a kind may contain as its own parts: covers in sounds, images in
 * icons, FLAC in Ogg. */
static uint64_t
kinds_at_home(enum file_magic k)
{
	uint64_t own = FILE_IS(k) | FILE_IS(FILE_PDF);

	if (k == FILE_OGG)
		own |= FILE_IS(FILE_FLAC);
	if (span_is(span_str(file_kinds[k].media), "image") && k != FILE_ICO)
		return own;
	return own | PICTURES;
}

/* Returns true if another file begins after the file's own beginning. */
static bool
second_kind(const struct media *m)
{
	enum file_magic k = m->out->kind;

	if (k != FILE_PDF && pdf_inside(span_cut(m->bytes, 0, PDF_BYTES)))
		return true;
	if (ARCHIVES & FILE_IS(k))
		return false;
	return file_kinds_inside(span_cut(m->bytes, 0, HEAD_BYTES)) & ~kinds_at_home(k) ||
	       zip_end(m->bytes) != SIZE_MAX;
}

/* Reads an OLE file. Encrypted Office documents have a stream with this name, in UTF-16. */
static void
ole_read(struct media *m)
{
	static const char name[] = "E\0n\0c\0r\0y\0p\0t\0e\0d\0P\0a\0c\0k\0a\0g\0e";

	if (memmem(m->bytes.p, m->bytes.n, name, sizeof(name) - 1))
		media_flaw(m, FILE_ENCRYPTED);
}

static void
tiff_read(struct media *m)
{
	exif_read(m, m->bytes, true);
}

static void (*const readers[FILE_KINDS])(struct media *) = {
	[FILE_PNG] = png_read,
	[FILE_JPEG] = jpeg_read,
	[FILE_GIF] = gif_read,
	[FILE_WEBP] = riff_read,
	[FILE_TIFF] = tiff_read,
	[FILE_BMP] = bmp_read,
	[FILE_PSD] = psd_read,
	[FILE_HEIC] = boxes_read,
	[FILE_AVIF] = boxes_read,
	[FILE_ZIP] = zip_read,
	[FILE_OLE] = ole_read,
	[FILE_WAV] = riff_read,
	[FILE_AVI] = riff_read,
	[FILE_AIFF] = riff_read,
	[FILE_MP3] = mp3_read,
	[FILE_AAC] = mp3_read,
	[FILE_FLAC] = flac_read,
	[FILE_OGG] = ogg_read,
	[FILE_M4A] = boxes_read,
	[FILE_MP4] = boxes_read,
};

int
file_read(struct span bytes, struct span declared, struct arena *a, struct file_facts *out)
{
	struct media m = { .bytes = bytes, .a = a, .out = out };

	*out = (struct file_facts){ .kind = file_kind_of(bytes) };
	bool further = out->kind == FILE_OTHER;
	/* readers of PDF and zip accept other bytes in front */
	if (further)
		out->kind = file_is_coded(bytes, true)	 ? FILE_PDF
			    : zip_end(bytes) != SIZE_MAX ? FILE_ZIP
							 : FILE_OTHER;
	if (!file_kind_fits(out->kind, declared))
		media_flaw(&m, FILE_NOT_AS_DECLARED);
	/* PDF readers count offsets from different places, so they may see different
	 * documents */
	if (further ? out->kind != FILE_OTHER : second_kind(&m))
		media_flaw(&m, FILE_TWO_KINDS);
	if (readers[out->kind])
		readers[out->kind](&m);
	return m.nomem ? ERR_NOMEM : 0;
}
