/* Reads a file whole: its kind, whether another one is in it, and its metadata by its kind. */
#include "scan/media/media_file.h"

#include "base/ascii.h"
#include "base/err.h"
#include "scan/media/kinds.h"
#include "scan/media/reader.h"

enum {
	HEAD_BYTES = 1024, /* where another file's magic number makes it two, */
	PDF_BYTES = 4096,  /* and a PDF's, for which readers look further */
	MAGIC_AT = 8,	   /* the longest way from a file's beginning to its magic number */
};

/* Kinds that hold other files by nature: a directory of them is no second kind. */
static const enum file_magic archives[] = { FILE_ZIP, FILE_OLE, FILE_GZIP, FILE_ZLIB,
	FILE_BZIP2, FILE_XZ, FILE_ZSTD, FILE_7Z, FILE_RAR, FILE_SQLITE, FILE_ELF };
/* And pictures: covers of sounds, sizes of icons. */
static const enum file_magic albums[] = { FILE_MP3, FILE_AAC, FILE_FLAC, FILE_OGG, FILE_M4A,
	FILE_MP4, FILE_AIFF, FILE_WAV, FILE_ICO, FILE_WEBM, FILE_HEIC, FILE_AVIF };

static bool
kind_is_one(enum file_magic k, const enum file_magic *v, size_t n)
{
	while (n && v[n - 1] != k)
		n--;
	return n > 0;
}

/* "%PDF-1.7" begins here. */
static bool
is_pdf(struct span s)
{
	return s.n >= 8 && span_starts(s, SPAN_LIT("%PDF-")) && is_digit(s.p[5]) &&
	       s.p[6] == '.' && is_digit(s.p[7]);
}

/* Another file's beginning after the file's own. */
static bool
second_kind(struct media *m)
{
	enum file_magic first = m->out->kind;
	bool archive = kind_is_one(first, archives, COUNT_OF(archives)),
	     album = kind_is_one(first, albums, COUNT_OF(albums));

	for (size_t i = 1; i < PDF_BYTES && i < m->bytes.n; i++) {
		struct span s = span_cut(m->bytes, i, m->bytes.n);
		if (is_pdf(s) && first != FILE_PDF)
			return true;
		if (i >= HEAD_BYTES || archive)
			continue;
		enum file_magic k = file_kind_strong(s);
		if (k != FILE_OTHER && k != first && k != FILE_PDF &&
			!(album && span_is(span_str(file_kind_media(k)), "image")))
			return true;
	}
	return !archive && zip_end(m->bytes) != SIZE_MAX;
}

/* Readers of PDF pass over what comes before it, those of zips as well. */
static enum file_magic
kind_further(struct span bytes)
{
	for (size_t i = 1; i < HEAD_BYTES && i < bytes.n; i++)
		if (is_pdf(span_cut(bytes, i, bytes.n)) && memmem(bytes.p, bytes.n, " obj", 4))
			return FILE_PDF;
	return zip_end(bytes) != SIZE_MAX ? FILE_ZIP : FILE_OTHER;
}

/* Locked Office documents are OLE files with a stream of this name, in UTF-16. */
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
	if (further)
		out->kind = kind_further(bytes);
	if (!file_kind_fits(out->kind, declared))
		media_flaw(&m, FILE_NOT_AS_DECLARED);
	if (further ? out->kind == FILE_ZIP : second_kind(&m))
		media_flaw(&m, FILE_TWO_KINDS);
	if (readers[out->kind])
		readers[out->kind](&m);
	return m.nomem ? ERR_NOMEM : 0;
}
