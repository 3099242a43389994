/* A file inside a request.
 *
 * The first section has the table of magic numbers
 * (https://en.wikipedia.org/wiki/List_of_file_signatures), the names of kinds, and the media
 * types by which files are declared. file_read() reads a whole file in three steps: its kind,
 * whether a second file is inside, and its metadata by the reader of its kind.
 *
 * The last sections are for files without a magic number. They decode texts: UTF-8, and the
 * encodings that Excel and Notepad also write: UTF-16 (RFC 2781) with a byte order mark, and
 * Windows-1252 (https://encoding.spec.whatwg.org/windows-1252.html). Providers decode all of
 * them for the model. Markup is rendered as its words. */
#include "scan/media/media_file.h"

#include "base/ascii.h"
#include "base/utf8.h"
#include "base/err.h"
#include "base/scoped.h"
#include "scan/media/reader.h"

/* ---- kinds ---- */

/* The bit of a kind in a set of kinds. */
#define FILE_IS(kind) (UINT64_C(1) << (kind))

enum { ID3_HEAD = 10, DECLARED_MAX = 128, BLANKS_BEFORE = 16 };

#define KIND_ROW(kind, name, media) { name, media },
const struct file_kind file_kinds[FILE_KINDS] = { FILE_KIND_TABLE(KIND_ROW) };
#undef KIND_ROW

#define FLAW_ROW(flaw, name) name,
const char *const file_flaws[FILE_FLAWS] = { FILE_FLAW_TABLE(FLAW_ROW) };
#undef FLAW_ROW

/* The places at which a magic number may be used. MAGIC_ANY: at the start of any bytes.
 * MAGIC_WHOLE: only at the start of a complete file, because random data begins like this too
 * often. MAGIC_STRONG: anywhere, because nothing else has these bytes. */
enum magic_use { MAGIC_ANY, MAGIC_WHOLE, MAGIC_STRONG };

/* The first row that matches decides. */
static const struct {
	size_t at;
	struct span bytes;
	enum file_magic kind;
	enum magic_use use;
} magics[] = {
	{ 0, SPAN_LIT("\x89PNG"), FILE_PNG, MAGIC_STRONG },
	{ 0, SPAN_LIT("\xff\xd8\xff"), FILE_JPEG, MAGIC_ANY },
	{ 0, SPAN_LIT("GIF8"), FILE_GIF, MAGIC_STRONG },
	{ 8, SPAN_LIT("WEBP"), FILE_WEBP, MAGIC_STRONG },
	{ 0, SPAN_LIT("II*\0"), FILE_TIFF, MAGIC_ANY },
	{ 0, SPAN_LIT("MM\0*"), FILE_TIFF, MAGIC_ANY },
	{ 0, SPAN_LIT("\0\0\1\0"), FILE_ICO, MAGIC_ANY },
	{ 0, SPAN_LIT("8BPS"), FILE_PSD, MAGIC_ANY },
	{ 4, SPAN_LIT("ftypheic"), FILE_HEIC, MAGIC_STRONG },
	{ 4, SPAN_LIT("ftypmif1"), FILE_HEIC, MAGIC_STRONG },
	{ 4, SPAN_LIT("ftypheix"), FILE_HEIC, MAGIC_WHOLE },
	{ 4, SPAN_LIT("ftypheim"), FILE_HEIC, MAGIC_WHOLE },
	{ 4, SPAN_LIT("ftypheis"), FILE_HEIC, MAGIC_WHOLE },
	{ 4, SPAN_LIT("ftyphev"), FILE_HEIC, MAGIC_WHOLE },
	{ 4, SPAN_LIT("ftypmsf1"), FILE_HEIC, MAGIC_WHOLE },
	{ 4, SPAN_LIT("ftypavif"), FILE_AVIF, MAGIC_STRONG },
	{ 4, SPAN_LIT("ftypavis"), FILE_AVIF, MAGIC_WHOLE },
	{ 4, SPAN_LIT("ftypM4A"), FILE_M4A, MAGIC_STRONG },
	{ 4, SPAN_LIT("ftypM4B"), FILE_M4A, MAGIC_WHOLE },
	{ 4, SPAN_LIT("ftyp"), FILE_MP4, MAGIC_STRONG },
	{ 8, SPAN_LIT("WAVE"), FILE_WAV, MAGIC_STRONG },
	{ 8, SPAN_LIT("AVI "), FILE_AVI, MAGIC_STRONG },
	{ 8, SPAN_LIT("AIFF"), FILE_AIFF, MAGIC_WHOLE },
	{ 8, SPAN_LIT("AIFC"), FILE_AIFF, MAGIC_WHOLE },
	{ 0, SPAN_LIT("\x1a\x45\xdf\xa3"), FILE_WEBM, MAGIC_STRONG },
	{ 0, SPAN_LIT("OggS"), FILE_OGG, MAGIC_STRONG },
	{ 0, SPAN_LIT("fLaC"), FILE_FLAC, MAGIC_STRONG },
	{ 0, SPAN_LIT("ID3"), FILE_MP3, MAGIC_ANY },
	{ 0, SPAN_LIT("\xff\xfb"), FILE_MP3, MAGIC_ANY },
	{ 0, SPAN_LIT("\xff\xf3"), FILE_MP3, MAGIC_ANY },
	{ 0, SPAN_LIT("\xff\xfa"), FILE_MP3, MAGIC_WHOLE },
	{ 0, SPAN_LIT("\xff\xf2"), FILE_MP3, MAGIC_WHOLE },
	{ 0, SPAN_LIT("\xff\xe2"), FILE_MP3, MAGIC_WHOLE },
	{ 0, SPAN_LIT("\xff\xe3"), FILE_MP3, MAGIC_WHOLE },
	{ 0, SPAN_LIT("\xff\xf1"), FILE_AAC, MAGIC_WHOLE },
	{ 0, SPAN_LIT("\xff\xf9"), FILE_AAC, MAGIC_WHOLE },
	{ 0, SPAN_LIT("%PDF"), FILE_PDF, MAGIC_STRONG },
	{ 0, SPAN_LIT("{\\rtf"), FILE_RTF, MAGIC_STRONG },
	{ 0, SPAN_LIT("%!PS"), FILE_PS, MAGIC_STRONG },
	{ 0, SPAN_LIT("PK\3\4"), FILE_ZIP, MAGIC_STRONG },
	{ 0, SPAN_LIT("\x1f\x8b\x08"), FILE_GZIP, MAGIC_ANY },
	{ 0, SPAN_LIT("\x78\x01"), FILE_ZLIB, MAGIC_ANY },
	{ 0, SPAN_LIT("\x78\x9c"), FILE_ZLIB, MAGIC_ANY },
	{ 0, SPAN_LIT("\x78\xda"), FILE_ZLIB, MAGIC_ANY },
	{ 0, SPAN_LIT("BZh"), FILE_BZIP2, MAGIC_ANY },
	{ 0, SPAN_LIT("\3757zXZ"), FILE_XZ, MAGIC_STRONG },
	{ 0, SPAN_LIT("\x28\xb5\x2f\xfd"), FILE_ZSTD, MAGIC_ANY },
	{ 0, SPAN_LIT("7z\xbc\xaf"), FILE_7Z, MAGIC_STRONG },
	{ 0, SPAN_LIT("Rar!"), FILE_RAR, MAGIC_STRONG },
	{ 0, SPAN_LIT("\177ELF"), FILE_ELF, MAGIC_STRONG },
	{ 0, SPAN_LIT("\xd0\xcf\x11\xe0"), FILE_OLE, MAGIC_STRONG },
	{ 0, SPAN_LIT("SQLite format"), FILE_SQLITE, MAGIC_STRONG },
	{ 0, SPAN_LIT("wOF"), FILE_WOFF, MAGIC_ANY },
	{ 0, SPAN_LIT("\0asm"), FILE_WASM, MAGIC_ANY },
	{ 0, SPAN_LIT("BM"), FILE_BMP, MAGIC_WHOLE },
	{ 4, SPAN_LIT("moov"), FILE_MP4, MAGIC_WHOLE }, /* QuickTime without ftyp */
	{ 4, SPAN_LIT("mdat"), FILE_MP4, MAGIC_WHOLE },
	{ 4, SPAN_LIT("wide"), FILE_MP4, MAGIC_WHOLE },
};

static bool
magic_is_at(struct span bytes, size_t row)
{
	return span_starts(span_cut(bytes, magics[row].at, bytes.n), magics[row].bytes);
}

const char *
file_magic_media(struct span bytes, size_t least)
{
	for (size_t i = 0; i < COUNT_OF(magics); i++)
		if (magics[i].use != MAGIC_WHOLE && magics[i].bytes.n >= least &&
			magic_is_at(bytes, i))
			return file_kinds[magics[i].kind].media;
	return NULL;
}

static unsigned
byte_at(struct span s, size_t at)
{
	return at < s.n ? (unsigned char)s.p[at] : 0;
}

/* Returns true if the header of an MPEG audio frame (ISO 11172-3 2.4.1.3) has a valid bit rate
 * and sampling rate. */
static bool
is_mpeg_frame(struct span b)
{
	return b.n >= 4 && byte_at(b, 2) >> 4 != 15 && byte_at(b, 2) >> 4 != 0 &&
	       (byte_at(b, 2) >> 2 & 3) != 3;
}

/* Returns true if the bytes after a short magic number confirm the kind. */
static bool
kind_holds(enum file_magic k, struct span b)
{
	switch (k) {
	case FILE_WEBP:
	case FILE_WAV:
	case FILE_AVI:
		return span_starts(b, SPAN_LIT("RIFF")) || span_starts(b, SPAN_LIT("RIFX"));
	case FILE_AIFF: return span_starts(b, SPAN_LIT("FORM"));
	case FILE_GIF:
		return (byte_at(b, 4) == '7' || byte_at(b, 4) == '9') && byte_at(b, 5) == 'a';
	case FILE_ICO: /* the number of images, and the first one's reserved byte */
		return b.n >= 22 && byte_at(b, 4) + byte_at(b, 5) && !byte_at(b, 9);
	case FILE_BMP: /* the second header's size */
		return b.n >= 26 && !byte_at(b, 15) && !byte_at(b, 16) && !byte_at(b, 17) &&
		       byte_at(b, 14) >= 12 && byte_at(b, 14) <= 124;
	case FILE_MP3:
		return span_starts(b, SPAN_LIT("ID3")) ? byte_at(b, 3) < 16 && b.n >= ID3_HEAD
						       : is_mpeg_frame(b);
	case FILE_HEIC: /* the ftyp box is small; other rows are boxes of old QuickTime files */
	case FILE_AVIF:
	case FILE_M4A:
	case FILE_MP4:
		return !span_starts(span_cut(b, 4, b.n), SPAN_LIT("ftyp")) ||
		       (!byte_at(b, 0) && !byte_at(b, 1));
	case FILE_BZIP2: return span_starts(span_cut(b, 4, b.n), SPAN_LIT("1AY&SY"));
	default: return true;
	}
}

static enum file_magic
kind_at(struct span bytes)
{
	for (size_t i = 0; i < COUNT_OF(magics); i++)
		if (magic_is_at(bytes, i) && kind_holds(magics[i].kind, bytes))
			return magics[i].kind;
	return FILE_OTHER;
}

/* Returns the kind of a PDF or RTF after a UTF-8 mark, and up to 16 spaces or NULs, which some
 * programs write. The limit is too short for a PDF object, so all readers see the same
 * document. */
static enum file_magic
kind_after_blanks(struct span b)
{
	if (span_starts(b, SPAN_LIT("\xef\xbb\xbf")))
		b = span_cut(b, 3, b.n);
	for (size_t i = 0; i < BLANKS_BEFORE && b.n && strchr("\r\n\t ", b.p[0]); i++)
		b = span_cut(b, 1, b.n); /* strchr() also finds the NUL */
	return span_starts(b, SPAN_LIT("%PDF-"))    ? FILE_PDF
	       : span_starts(b, SPAN_LIT("{\\rtf")) ? FILE_RTF
						    : FILE_OTHER;
}

enum file_magic
file_kind_of(struct span b)
{
	enum file_magic k = kind_at(b);

	if (k == FILE_OTHER)
		return kind_after_blanks(b);
	if (k != FILE_MP3 || !span_starts(b, SPAN_LIT("ID3")))
		return k;
	/* The tag's size is four bytes of seven bits each (id3v2.4.0-structure 3.1). */
	size_t size =
		byte_at(b, 6) << 21 | byte_at(b, 7) << 14 | byte_at(b, 8) << 7 | byte_at(b, 9);
	enum file_magic after = kind_at(span_cut(b, ID3_HEAD + size, b.n));
	return after == FILE_FLAC || after == FILE_AAC || after == FILE_OGG ? after : k;
}

/* Returns the kinds whose magic number begins after the first byte of `head`. Only magic
 * numbers that do not occur by chance are searched. */
static uint64_t
file_kinds_inside(struct span head)
{
	uint64_t found = 0;

	for (size_t i = 0; i < COUNT_OF(magics); i++) {
		struct span magic = magics[i].bytes;
		if (magics[i].use != MAGIC_STRONG || found & FILE_IS(magics[i].kind))
			continue;
		for (size_t at = magics[i].at + 1; at < head.n; at++) {
			const char *p = memmem(head.p + at, head.n - at, magic.p, magic.n);
			if (!p)
				break;
			at = (size_t)(p - head.p);
			if (kind_holds(
				    magics[i].kind, span_cut(head, at - magics[i].at, head.n)))
				found |= FILE_IS(magics[i].kind);
		}
	}
	return found;
}

/* ---- declared types ---- */

#define IS_MP4	  (FILE_IS(FILE_MP4) | FILE_IS(FILE_M4A))
#define IS_HEIC	  (FILE_IS(FILE_HEIC) | FILE_IS(FILE_AVIF))
#define IS_OFFICE (FILE_IS(FILE_ZIP) | FILE_IS(FILE_OLE))
#define IS_WORD	  (IS_OFFICE | FILE_IS(FILE_RTF))
#define IS_TEXT	  FILE_IS(FILE_OTHER)

/* The kinds that each declared type can mean. Types are written without "x-", "vnd." and
 * parameters. A declared type without a slash is compared with the part after the slash: "png"
 * fits "image/png". A row that ends in * is a prefix. */
static const struct {
	const char *type;
	uint64_t kinds;
} declared_types[] = {
	{ "application/pdf", FILE_IS(FILE_PDF) },
	{ "image/png", FILE_IS(FILE_PNG) },
	{ "image/apng", FILE_IS(FILE_PNG) },
	{ "image/jpeg", FILE_IS(FILE_JPEG) },
	{ "image/jpg", FILE_IS(FILE_JPEG) },
	{ "image/pjpeg", FILE_IS(FILE_JPEG) },
	{ "image/gif", FILE_IS(FILE_GIF) },
	{ "image/webp", FILE_IS(FILE_WEBP) },
	{ "image/tiff", FILE_IS(FILE_TIFF) },
	{ "image/tif", FILE_IS(FILE_TIFF) },
	{ "image/bmp", FILE_IS(FILE_BMP) },
	{ "image/ms-bmp", FILE_IS(FILE_BMP) },
	{ "image/icon", FILE_IS(FILE_ICO) },
	{ "image/ico", FILE_IS(FILE_ICO) },
	{ "image/microsoft.icon", FILE_IS(FILE_ICO) },
	{ "image/adobe.photoshop", FILE_IS(FILE_PSD) },
	{ "image/psd", FILE_IS(FILE_PSD) },
	{ "image/heic*", IS_HEIC },
	{ "image/heif*", IS_HEIC },
	{ "image/avif", IS_HEIC },
	{ "image/svg+xml", IS_TEXT },
	{ "application/zip", FILE_IS(FILE_ZIP) },
	{ "application/zip-compressed", FILE_IS(FILE_ZIP) },
	{ "application/epub+zip", FILE_IS(FILE_ZIP) },
	{ "application/openxmlformats-officedocument*", IS_OFFICE },
	{ "application/oasis.opendocument*", FILE_IS(FILE_ZIP) | IS_TEXT },
	{ "application/ms-excel", IS_OFFICE | IS_TEXT }, /* Windows declares CSV so */
	{ "application/ms-excel*", IS_OFFICE },
	{ "application/ms-powerpoint*", IS_OFFICE },
	{ "application/ms-word*", IS_WORD },
	{ "application/msword", IS_WORD },
	{ "application/rtf", FILE_IS(FILE_RTF) },
	{ "text/rtf", FILE_IS(FILE_RTF) },
	{ "application/postscript", FILE_IS(FILE_PS) },
	{ "application/docx", IS_OFFICE },
	{ "application/xlsx", IS_OFFICE },
	{ "application/pptx", IS_OFFICE },
	{ "application/doc", IS_WORD },
	{ "application/xls", IS_OFFICE },
	{ "application/ppt", IS_OFFICE },
	{ "application/gzip", FILE_IS(FILE_GZIP) },
	{ "application/bzip2", FILE_IS(FILE_BZIP2) },
	{ "application/xz", FILE_IS(FILE_XZ) },
	{ "application/zstd", FILE_IS(FILE_ZSTD) },
	{ "application/7z-compressed", FILE_IS(FILE_7Z) },
	{ "application/rar", FILE_IS(FILE_RAR) },
	{ "application/sqlite3", FILE_IS(FILE_SQLITE) },
	{ "application/wasm", FILE_IS(FILE_WASM) },
	{ "application/json", IS_TEXT },
	{ "application/jsonl", IS_TEXT },
	{ "application/ndjson", IS_TEXT },
	{ "application/xml", IS_TEXT },
	{ "application/yaml", IS_TEXT },
	{ "text/*", IS_TEXT },
	{ "audio/wav", FILE_IS(FILE_WAV) },
	{ "audio/wave", FILE_IS(FILE_WAV) },
	{ "audio/mp3", FILE_IS(FILE_MP3) },
	{ "audio/mpeg", FILE_IS(FILE_MP3) },
	{ "audio/mpga", FILE_IS(FILE_MP3) },
	{ "audio/mpeg3", FILE_IS(FILE_MP3) },
	{ "audio/aac", FILE_IS(FILE_AAC) | IS_MP4 },
	{ "audio/ogg", FILE_IS(FILE_OGG) },
	{ "audio/oga", FILE_IS(FILE_OGG) },
	{ "audio/opus", FILE_IS(FILE_OGG) },
	{ "audio/vorbis", FILE_IS(FILE_OGG) },
	{ "application/ogg", FILE_IS(FILE_OGG) },
	{ "video/ogg", FILE_IS(FILE_OGG) },
	{ "audio/flac", FILE_IS(FILE_FLAC) },
	{ "audio/m4a", IS_MP4 },
	{ "audio/mp4", IS_MP4 },
	{ "video/mp4", IS_MP4 },
	{ "video/m4v", IS_MP4 },
	{ "video/quicktime", IS_MP4 },
	{ "video/mov", IS_MP4 },
	{ "video/3gp*", IS_MP4 },
	{ "audio/3gp*", IS_MP4 },
	{ "audio/aiff", FILE_IS(FILE_AIFF) },
	{ "video/avi", FILE_IS(FILE_AVI) },
	{ "video/msvideo", FILE_IS(FILE_AVI) },
	{ "video/webm", FILE_IS(FILE_WEBM) },
	{ "audio/webm", FILE_IS(FILE_WEBM) },
	{ "video/matroska", FILE_IS(FILE_WEBM) },
	{ "video/mkv", FILE_IS(FILE_WEBM) },
};

static bool
declared_is(struct span declared, struct span row)
{
	if (span_chr(declared, '/') == declared.n)
		row = span_cut(row, span_chr(row, '/') + 1, row.n);
	if (span_ends(row, SPAN_LIT("*")))
		return row.n > 1 && span_starts(declared, span_cut(row, 0, row.n - 1));
	return span_eq(declared, row);
}

/* Returns the type in lower case, without parameters, spaces, "x-" and "vnd.". */
static struct span
declared_plain(struct span declared, char room[DECLARED_MAX])
{
	struct span rest = declared, type = span_trim(span_next(&rest, ';'), " \t\r\n\".");
	size_t n = 0;

	for (size_t i = 0; i < type.n && n < DECLARED_MAX; i++) {
		struct span at = span_cut(type, i, type.n);
		bool begins = i == 0 || type.p[i - 1] == '/' || type.p[i - 1] == '.';
		if (begins && span_istarts(at, SPAN_LIT("x-")))
			i++;
		else if (begins && span_istarts(at, SPAN_LIT("vnd.")))
			i += 3;
		else
			room[n++] = to_lower(type.p[i]);
	}
	return span_of(room, n);
}

/* Returns true if a file of kind k can have the declared type, as file_read() describes. */
static bool
file_kind_fits(enum file_magic k, struct span declared)
{
	char room[DECLARED_MAX];
	struct span type = declared_plain(declared, room);

	for (size_t i = 0; i < COUNT_OF(declared_types); i++)
		if (declared_is(type, span_str(declared_types[i].type)))
			return declared_types[i].kinds & FILE_IS(k);
	/* Unknown types: only the general kind must agree. Audio and video share containers. */
	struct span rest = type, media = span_next(&rest, '/'),
		    its = span_str(file_kinds[k].media);
	bool sounds = span_is(media, "audio") || span_is(media, "video");
	if (k == FILE_OTHER || (!sounds && !span_is(media, "image")))
		return true;
	return sounds ? span_is(its, "audio") || span_is(its, "video") : span_eq(its, media);
}

/* ---- a whole file ---- */

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

int
file_bare(struct span bytes, struct arena *a, struct span *out)
{
	struct file_facts f, of_copy;
	struct media m = { .bytes = bytes, .a = a, .out = &f };
	struct media_pieces copy = { NULL, 0, 0 };

	*out = (struct span){ NULL, 0 };
	int err = file_read(bytes, SPAN_LIT(""), a, &f);
	if (err || f.flaw || (f.kind != FILE_JPEG && f.kind != FILE_PNG))
		return err;
	if (f.kind == FILE_JPEG)
		jpeg_bare(&m, &copy);
	else
		png_bare(&m, &copy);
	if (m.nomem)
		return ERR_NOMEM;
	struct span bare = span_of(copy.p, copy.n);
	err = file_read(bare, SPAN_LIT(""), a, &of_copy);
	if (!err && of_copy.kind == f.kind && !of_copy.flaw && !of_copy.ntexts)
		*out = bare;
	return err;
}

/* ---- texts without a format ---- */

enum { OTHERS_PER_ASCII = 3 }; /* at most one character in four may be non-ASCII */

/* Returns the code point of a byte, 0 if Windows-1252 does not define the byte. */
static uint32_t
windows_1252(unsigned char c)
{
	static const uint16_t high[32] = { 0x20ac, 0, 0x201a, 0x192, 0x201e, 0x2026, 0x2020,
		0x2021, 0x2c6, 0x2030, 0x160, 0x2039, 0x152, 0, 0x17d, 0, 0, 0x2018, 0x2019,
		0x201c, 0x201d, 0x2022, 0x2013, 0x2014, 0x2dc, 0x2122, 0x161, 0x203a, 0x153, 0,
		0x17e, 0x178 };

	return c >= 0x80 && c < 0xa0 ? high[c - 0x80] : c;
}

static bool
decode_1252(struct span s, struct buf *b)
{
	size_t others = 0;

	for (size_t i = 0; i < s.n; i++) {
		uint32_t cp = windows_1252((unsigned char)s.p[i]);
		if (!cp)
			return false;
		others += cp >= 0x80;
		buf_utf8(b, cp);
	}
	return others * OTHERS_PER_ASCII <= s.n - others;
}

/* Decodes UTF-16 after the mark. */
static bool
decode_16(struct span s, bool little, struct buf *b)
{
	if (s.n % 2)
		return false;
	while (s.n)
		buf_utf8(b, utf16_next(&s, little));
	return true;
}

bool
file_is_picture(enum file_magic k)
{
	static const enum file_magic pictures[] = { FILE_PNG, FILE_JPEG, FILE_GIF, FILE_WEBP,
		FILE_TIFF };

	for (size_t i = 0; i < COUNT_OF(pictures); i++)
		if (pictures[i] == k)
			return true;
	return false;
}

bool
file_is_document(enum file_magic k)
{
	return k == FILE_ZIP || k == FILE_GZIP || k == FILE_RTF;
}

int
file_text(struct span bytes, struct arena *a, struct span *text, bool *is)
{
	SCOPED_BUF(b, 0);
	bool little = span_starts(bytes, SPAN_LIT("\xff\xfe"));

	*text = bytes;
	*is = utf8_text(bytes);
	if (*is)
		return 0;
	*is = little || span_starts(bytes, SPAN_LIT("\xfe\xff"))
		      ? decode_16(span_cut(bytes, 2, bytes.n), little, &b)
		      : decode_1252(bytes, &b);
	*is = *is && utf8_text(buf_view(&b));
	if (!*is)
		return 0;
	*text = arena_dup(a, buf_view(&b));
	return buf_failed(&b) || !text->p ? ERR_NOMEM : 0;
}

/* Returns the length of the tag at the beginning of s, brackets included; 0: no tag. The caller
 * checks that s contains a ">". *within: the tag can be inside a word. */
static size_t
markup_tag(struct span s, bool *within)
{
	static const char *const names[] = { "a", "b", "em", "font", "i", "mark", "s", "small",
		"span", "strong", "sub", "sup", "tspan", "u" };
	size_t at = s.n > 1 && s.p[1] == '/' ? 2 : 1, n = at;

	if (s.p[0] != '<' || !(is_alpha(s.p[at]) || strchr("!?", s.p[at])))
		return 0;
	while (is_alpha(s.p[n]) || is_digit(s.p[n]))
		n++;
	*within = strchr("> \t\r\n/", s.p[n]) && SPAN_IN(span_cut(s, at, n), names);
	return span_chr(s, '>') + 1;
}

int
file_text_shown(struct span text, struct arena *a, struct span *out)
{
	SCOPED_BUF(b, 0);
	struct span inner = span_trim(text, " \t\r\n");
	bool within, torn = false;

	*out = (struct span){ NULL, 0 };
	if (span_starts(inner, SPAN_LIT("\xef\xbb\xbf")))
		inner = span_trim(span_cut(inner, 3, inner.n), " \t\r\n");
	if (!span_starts(inner, SPAN_LIT("<")))
		return 0;
	const char *last = memrchr(inner.p, '>', inner.n);
	while (inner.n) {
		size_t n = last && inner.p < last ? markup_tag(inner, &within) : 0;
		if (!n)
			buf_putc(&b, inner.p[0]);
		else if (!within)
			buf_putc(&b, '\n');
		torn |= n && within;
		inner = span_cut(inner, n ? n : 1, inner.n);
	}
	if (torn && !buf_failed(&b))
		*out = arena_dup(a, buf_view(&b));
	return buf_failed(&b) || (torn && !out->p) ? ERR_NOMEM : 0;
}
