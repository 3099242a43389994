/* scan/media: kinds by magic numbers, flaws, and each place of text in metadata. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>

#include "base/buf.h"
#include "base/caps.h"
#include "base/err.h"
#include "base/scoped.h"
#include "scan/media/media_file.h"
#include "support/guard.h"

/* Media files, byte by byte: parts that tests combine. */

static void
make_be32(struct buf *b, uint32_t v)
{
	for (int i = 24; i >= 0; i -= 8)
		buf_putc(b, (char)(v >> i));
}

static void
make_le32(struct buf *b, uint32_t v)
{
	for (int i = 0; i < 32; i += 8)
		buf_putc(b, (char)(v >> i));
}

static void
make_le16(struct buf *b, unsigned v)
{
	buf_putc(b, (char)v);
	buf_putc(b, (char)(v >> 8));
}

static void
make_zlib(struct buf *b, struct span text)
{
	uLongf n = compressBound(text.n);
	char *to = buf_reserve(b, n);

	if (!to || compress((Bytef *)to, &n, (const Bytef *)text.p, text.n) != Z_OK)
		abort();
	buf_commit(b, n);
}

/* Appends a PNG chunk; the parser does not read the checksum. */
static void
make_chunk(struct buf *b, const char *type, struct span data)
{
	make_be32(b, (uint32_t)data.n);
	buf_str(b, type);
	buf_span(b, data);
	make_be32(b, 0);
}

static void
make_png_head(struct buf *b, uint32_t width, uint32_t height)
{
	buf_span(b, SPAN_LIT("\x89PNG\r\n\x1a\n"));
	make_be32(b, 13);
	buf_str(b, "IHDR");
	make_be32(b, width);
	make_be32(b, height);
	buf_span(b, SPAN_LIT("\x08\2\0\0\0....")); /* followed by a checksum */
}

static void
make_segment(struct buf *b, unsigned marker, struct span head, struct span data)
{
	size_t n = head.n + data.n + 2;

	buf_putc(b, '\xff');
	buf_putc(b, (char)marker);
	buf_putc(b, (char)(n >> 8));
	buf_putc(b, (char)n);
	buf_span(b, head);
	buf_span(b, data);
}

/* Appends a frame, a scan with a byte pair that looks like a marker, and the end. */
static void
make_jpeg_rest(struct buf *b, unsigned width, unsigned height)
{
	const char frame[] = { 8, 0, (char)height, 0, (char)width, 1, 1, 0x11, 0 };

	make_segment(b, 0xc0, span_of(frame, sizeof(frame)), SPAN_LIT(""));
	make_segment(b, 0xda, SPAN_LIT("\1\1\0\0\x3f\0"), SPAN_LIT(""));
	buf_span(b, SPAN_LIT("coded\xff\0\xff\xd0more\xff\xd9"));
}

static void
make_riff_chunk(struct buf *b, const char *type, struct span data)
{
	buf_str(b, type);
	make_le32(b, (uint32_t)data.n);
	buf_span(b, data);
	if (data.n & 1)
		buf_putc(b, '\0');
}

static void
make_box(struct buf *b, const char *type, struct span head, struct span data)
{
	make_be32(b, (uint32_t)(head.n + data.n + 8));
	buf_str(b, type);
	buf_span(b, head);
	buf_span(b, data);
}

/* Wraps the content of b in a box. Returns how many bytes precede it. */
static size_t
make_wrap(struct buf *b, const char *type)
{
	size_t before = b->n;
	struct buf inner;

	buf_init(&inner, 0);
	buf_span(&inner, buf_view(b));
	make_box(b, type, buf_view(&inner), SPAN_LIT(""));
	buf_free(&inner);
	return before;
}

/* ---- TIFF, little-endian ---- */

static void
make_tag(struct buf *b, unsigned id, unsigned type, uint32_t count, uint32_t value)
{
	make_le16(b, id);
	make_le16(b, type);
	make_le32(b, count);
	make_le32(b, value);
}

/* Artist "Ann Artist", XPTitle "Té", UserComment "User", and a place: 48° 51' 30" N, 2° 17' 40"
 * E. */
static void
make_exif(struct buf *b)
{
	static const uint32_t place[] = { 48, 1, 51, 1, 30, 1, 2, 1, 17, 1, 40, 1 };
	enum { EXIF = 62, GPS = 80, DATA = 134 };

	buf_span(b, SPAN_LIT("II*\0\x08\0\0\0\4\0"));
	make_tag(b, 0x013b, 2, 11, DATA);
	make_tag(b, 0x8769, 4, 1, EXIF);
	make_tag(b, 0x8825, 4, 1, GPS);
	make_tag(b, 0x9c9b, 1, 6, DATA + 12);
	buf_span(b, SPAN_LIT("\0\0\0\0\1\0"));
	make_tag(b, 0x9286, 7, 16, DATA + 18);
	buf_span(b, SPAN_LIT("\0\0\0\0\4\0"));
	make_tag(b, 1, 2, 2, 'N');
	make_tag(b, 2, 5, 3, DATA + 34);
	make_tag(b, 3, 2, 2, 'E');
	make_tag(b, 4, 5, 3, DATA + 58);
	buf_span(b, SPAN_LIT("\0\0\0\0Ann Artist\0\0T\0\xe9\0\0\0UNICODE\0U\0s\0e\0r\0"));
	for (size_t i = 0; i < COUNT_OF(place); i++)
		make_le32(b, place[i]);
}

/* ---- files, made by name ---- */

static void
put_png(struct buf *b, const char *type, struct span data)
{
	make_png_head(b, 3, 2);
	if (type)
		make_chunk(b, type, data);
	make_chunk(b, "IDAT", SPAN_LIT("pixels"));
	make_chunk(b, "IEND", SPAN_LIT(""));
}

static void
put_png_packed(struct buf *b, const char *type, struct span head, struct span text)
{
	SCOPED_BUF(data, 0);

	buf_span(&data, head);
	make_zlib(&data, text);
	put_png(b, type, buf_view(&data));
}

static void
put_jpeg(struct buf *b, unsigned marker, struct span head, struct span data)
{
	buf_span(b, SPAN_LIT("\xff\xd8"));
	if (marker)
		make_segment(b, marker, head, data);
	make_jpeg_rest(b, 5, 4);
}

static void
put_jpeg_exif(struct buf *b)
{
	SCOPED_BUF(exif, 0);

	make_exif(&exif);
	put_jpeg(b, 0xe1, SPAN_LIT("Exif\0\0"), buf_view(&exif));
}

static void
put_jpeg_extended(struct buf *b)
{
#define GUID "0123456789ABCDEF0123456789ABCDEF"
#define MORE SPAN_LIT("http://ns.adobe.com/xmp/extension/\0" GUID)
	buf_span(b, SPAN_LIT("\xff\xd8"));
	make_segment(b, 0xe1, MORE, SPAN_LIT("\0\0\0\x0a\0\0\0\5world"));
	make_segment(b, 0xe1, MORE, SPAN_LIT("\0\0\0\x0a\0\0\0\0hello"));
	make_jpeg_rest(b, 5, 4);
}

static void
put_gif(struct buf *b, struct span block)
{
	buf_span(b, SPAN_LIT("GIF89a\7\0\6\0\x80\0\0\1\2\3\4\5\6"));
	buf_span(b, block);
	buf_span(b, SPAN_LIT("\x2c\0\0\0\0\7\0\6\0\0\2\2\x44\1\0\x3b"));
}

static void
put_riff(struct buf *b, const char *kind, struct span chunks)
{
	buf_str(b, "RIFF");
	make_le32(b, (uint32_t)chunks.n + 4);
	buf_str(b, kind);
	buf_span(b, chunks);
}

static void
put_webp(struct buf *b, const char *type, bool exif)
{
	SCOPED_BUF(chunks, 0);
	SCOPED_BUF(data, 0);

	make_riff_chunk(&chunks, "VP8X", SPAN_LIT("\0\0\0\0\x0f\0\0\x0e\0\0"));
	if (exif)
		make_exif(&data);
	else
		buf_str(&data, "<x>a&amp;b&#64;c&#x2e;d &bad; &lt;</x>");
	make_riff_chunk(&chunks, type, buf_view(&data));
	put_riff(b, "WEBP", buf_view(&chunks));
}

static void
put_id3(struct buf *b, unsigned version, unsigned flags, struct span frames)
{
	buf_printf(b, "ID3%c", (int)version);
	buf_putc(b, '\0');
	buf_putc(b, (char)flags);
	buf_putc(b, '\0');
	buf_putc(b, '\0');
	buf_putc(b, (char)(frames.n >> 7));
	buf_putc(b, (char)(frames.n & 0x7f));
	buf_span(b, frames);
	buf_span(b, SPAN_LIT("\xff\xfb\x90\x44 sound"));
}

#define COMMENTS "\5\0\0\0maker\2\0\0\0\x0a\0\0\0ARTIST=Ann\x18\0\0\0METADATA_BLOCK_PICTURE=x"

static void
put_ogg(struct buf *b, bool cut)
{
	buf_span(b, SPAN_LIT("OggS\0\2\0\0\0\0\0\0\0\0\1\2\3\4\0\0\0\0\0\0\0\0\1\x08OpusHead"));
	buf_span(b, SPAN_LIT("OggS\0\0\0\0\0\0\0\0\0\0\1\2\3\4\1\0\0\0\0\0\0\0\1"));
	buf_putc(b, (char)(8 + sizeof(COMMENTS) - 1));
	buf_str(b, "OpusTags");
	buf_put(b, COMMENTS, sizeof(COMMENTS) - 1 - cut);
}

static void
put_boxes(struct buf *b, const char *brand, struct span udta)
{
	SCOPED_BUF(inner, 0);
	SCOPED_BUF(moov, 0);

	make_box(b, "ftyp", span_str(brand), SPAN_LIT("\0\0\0\0isom"));
	make_box(&inner, "udta", udta, SPAN_LIT(""));
	make_box(&moov, "moov", buf_view(&inner), SPAN_LIT(""));
	buf_span(b, buf_view(&moov));
	make_box(b, "mdat", SPAN_LIT("sound"), SPAN_LIT(""));
}

static void
put_ilst(struct buf *b)
{
	SCOPED_BUF(data, 0);
	SCOPED_BUF(item, 0);
	SCOPED_BUF(ilst, 0);
	SCOPED_BUF(meta, 0);

	make_box(&data, "data", SPAN_LIT("\0\0\0\1\0\0\0\0"), SPAN_LIT("Ann Artist"));
	make_box(&item,
		"\xa9"
		"ART",
		buf_view(&data), SPAN_LIT(""));
	make_box(&ilst, "ilst", buf_view(&item), SPAN_LIT(""));
	make_box(&meta, "meta", SPAN_LIT("\0\0\0\0"), buf_view(&ilst));
	put_boxes(b, "M4A ", buf_view(&meta));
}

static void
put_zip(struct buf *b, bool locked)
{
	size_t start = b->n;

	buf_span(b,
		SPAN_LIT("PK\3\4\x0a\0\0\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0\1\0\0\0\5\0\0\0a.txtx"));
	size_t directory = b->n - start;
	buf_span(b, SPAN_LIT("PK\1\2\x0a\0\x0a\0"));
	buf_putc(b, locked);
	buf_span(b, SPAN_LIT("\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0\1\0\0\0\5\0\0\0\0\0\0\0\0\0\0\0\0"
			     "\0\0\0\0\0a.txt"));
	size_t size = b->n - start - directory;
	buf_span(b, SPAN_LIT("PK\5\6\0\0\0\0\1\0\1\0"));
	make_le32(b, (uint32_t)size);
	make_le32(b, (uint32_t)directory);
	buf_span(b, SPAN_LIT("\0\0"));
}

/* `what`: the name of one of the samples below. */
static void
make_file(struct buf *b, const char *what)
{
	struct span png_name = SPAN_LIT("Comment\0"),
		    xmp = SPAN_LIT("http://ns.adobe.com/xap/1.0/\0");
	SCOPED_BUF(more, 0);

#define MADE(name, ...)                                                                        \
	if (!strcmp(what, name)) {                                                             \
		__VA_ARGS__;                                                                   \
		return;                                                                        \
	}
	MADE("png", put_png(b, NULL, SPAN_LIT("")))
	MADE("png tEXt", put_png(b, "tEXt", SPAN_LIT("Comment\0caf\xe9")))
	MADE("png tEXt without NUL", put_png(b, "tEXt", SPAN_LIT("Comment")))
	MADE("png zTXt", put_png_packed(b, "zTXt", SPAN_LIT("Comment\0\0"), SPAN_LIT("packed")))
	MADE("png zTXt damaged", put_png(b, "zTXt", SPAN_LIT("Comment\0\0xxxxxxx")))
	MADE("png iTXt",
		put_png(b, "iTXt", SPAN_LIT("Comment\0\0\0de\0Notiz\0\xc3\xa9t\xc3\xa9")))
	MADE("png iTXt packed",
		put_png_packed(b, "iTXt", SPAN_LIT("Comment\0\1\0\0\0"), SPAN_LIT("packed")))
	MADE("png iTXt xmp",
		put_png(b, "iTXt",
			SPAN_LIT("XML:com.adobe.xmp\0\0\0\0\0<x>ann&#x40;a.example</x>")))
	MADE("png profile",
		put_png(b, "tEXt",
			SPAN_LIT("Raw profile type iptc\0\niptc\n      8\n1c02780003486579\n")))
	MADE("png eXIf", make_exif(&more); put_png(b, "eXIf", buf_view(&more)))
	MADE("png bomb",
		for (size_t i = 0; i <= CAP_MEDIA_TEXT_BYTES; i++) buf_putc(&more, 'x');
		put_png_packed(b, "zTXt", SPAN_LIT("Comment\0\0"), buf_view(&more)))
	MADE("png texts", make_png_head(b, 3, 2); for (size_t i = 0; i <= CAP_MEDIA_TEXTS; i++)
			make_chunk(b, "tEXt", SPAN_LIT("a\0b"));
		make_chunk(b, "IEND", SPAN_LIT("")))
	MADE("png large", make_png_head(b, 8000, 5001); make_chunk(b, "IEND", SPAN_LIT("")))
	MADE("png at the cap", make_png_head(b, 8000, 5000);
		make_chunk(b, "IEND", SPAN_LIT("")))
	MADE("png without IEND", make_png_head(b, 3, 2); make_chunk(b, "IDAT", png_name))
	MADE("png and more", put_png(b, NULL, SPAN_LIT(""));
		buf_str(b, "this is no file of a kind that is known"))
	MADE("png and zeros", put_png(b, NULL, SPAN_LIT("")); buf_span(
		b, SPAN_LIT("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\r\n")))
	MADE("png and zip", put_png(b, NULL, SPAN_LIT("")); put_zip(b, false))
	MADE("png with pdf", put_png(b, "tEXt", SPAN_LIT("Comment\0%PDF-1.7 1 0 obj")))
	MADE("png with gif", put_png(b, "prVt", SPAN_LIT("GIF89a")))
	MADE("png of two", put_png(b, "fdAT", SPAN_LIT("\0\0\0\1pixels")))
	MADE("png without header", buf_span(b, SPAN_LIT("\x89PNG\r\n\x1a\n"));
		make_chunk(b, "IDAT", SPAN_LIT("x")))
	MADE("jpeg", put_jpeg(b, 0, xmp, xmp))
	MADE("jpeg exif", put_jpeg_exif(b))
	MADE("jpeg exif cut",
		put_jpeg(b, 0xe1, SPAN_LIT("Exif\0\0"),
			SPAN_LIT("MM\0*\0\0\0\x08\0\2\1\x3b\0\2\0\0\0\x20\0\0\0\x20")))
	MADE("jpeg exif loop", put_jpeg(b, 0xe1, SPAN_LIT("Exif\0\0"),
				       SPAN_LIT("MM\0*\0\0\0\x08\0\0\0\0\0\x08")))
	MADE("jpeg thumbnail",
		put_jpeg(b, 0xe2, SPAN_LIT("x"), SPAN_LIT("\xff\xd8\xff\xdb\xff\xd9")))
	MADE("jpeg xmp", put_jpeg(b, 0xe1, xmp, SPAN_LIT("<x>ann&#64;a.example</x>")))
	MADE("jpeg xmp properties",
		put_jpeg(b, 0xe1, xmp,
			SPAN_LIT("<x a:OwnerName='A&amp;B' exif:GPSLatitude=\"48,51.5S\">"
				 "<dc:creator>\n<rdf:Seq><rdf:li>Ann</rdf:li><rdf:li>Bob"
				 "</rdf:li></rdf:Seq></dc:creator><t:Name>No</t:Name>"
				 "<e:GPSLongitude>2,17,40E</e:GPSLongitude>"
				 "<mwg-rs:Name>Cy</mwg-rs:Name><p:Credit/>no</x>")))
	MADE("jpeg xmp extended", put_jpeg_extended(b))
	MADE("jpeg comment", put_jpeg(b, 0xfe, SPAN_LIT("a "), SPAN_LIT("comment")))
	MADE("jpeg iptc", put_jpeg(b, 0xed, SPAN_LIT("Photoshop 3.0\0"),
				  SPAN_LIT("8BIM\4\4\0\0\0\0\0\x08\x1c\2\x78\0\3Hey")))
	MADE("jpeg iptc damaged", put_jpeg(b, 0xed, SPAN_LIT("Photoshop 3.0\0"),
					  SPAN_LIT("8BIM\4\4\0\0\0\0\0\x08\x1d\2\x78\0\3Hey")))
	MADE("jpeg and mp4", put_jpeg(b, 0, xmp, xmp); put_boxes(b, "mp42", SPAN_LIT("")))
	MADE("jpeg and jpeg", put_jpeg(b, 0, xmp, xmp); put_jpeg(b, 0, xmp, xmp))
	MADE("jpeg of several", put_jpeg(b, 0xe2, SPAN_LIT("MPF\0"), xmp);
		buf_span(b, SPAN_LIT("\0\0\0"));
		put_jpeg(b, 0xfe, SPAN_LIT("the "), SPAN_LIT("second")))
	MADE("gif", put_gif(b, SPAN_LIT("")))
	MADE("gif comment", put_gif(b, SPAN_LIT("\x21\xfe\4two \5parts\0")))
	MADE("gif plain text", put_gif(b, SPAN_LIT("\x21\1\x0c............\5plain\0")))
	MADE("gif of two", put_gif(b, SPAN_LIT("\x2c\0\0\0\0\7\0\6\0\0\2\1x\0")))
	MADE("gif application", put_gif(b, SPAN_LIT("\x21\xff\x0bNETSCAPE2.0\3\1\0\0\0")))
	MADE("gif xmp", buf_span(&more, SPAN_LIT("\x21\xff\x0bXMP DataXMP<x>gif</x>\1"));
		for (int i = 255; i >= 0; i--) buf_putc(&more, (char)i); buf_putc(&more, '\0');
		put_gif(b, buf_view(&more)))
	MADE("webp exif", put_webp(b, "EXIF", true))
	MADE("webp xmp", put_webp(b, "XMP ", false))
	MADE("webp lossy",
		make_riff_chunk(&more, "VP8 ", SPAN_LIT("\0\0\0\x9d\1\x2a\x10\0\x0f\0"));
		put_riff(b, "WEBP", buf_view(&more)))
	MADE("webp lossless", make_riff_chunk(&more, "VP8L", SPAN_LIT("\x2f\x0f\x80\3\0"));
		put_riff(b, "WEBP", buf_view(&more)))
	MADE("webp of two", make_riff_chunk(&more, "VP8L", SPAN_LIT("\x2f\x0f\x80\3\0"));
		make_riff_chunk(&more, "ANMF", SPAN_LIT("x"));
		put_riff(b, "WEBP", buf_view(&more)))
	MADE("tiff", make_exif(b))
	MADE("tiff of blanks", buf_span(b, SPAN_LIT("II*\0\x08\0\0\0\5\0"));
		for (int i = 0; i < 5; i++) make_tag(b, 0x013b, 2, CAP_MEDIA_TEXT_BYTES, 74);
		for (size_t i = 0; i < CAP_MEDIA_TEXT_BYTES + 4; i++) buf_putc(b, '\0'))
	MADE("bmp", buf_span(b, SPAN_LIT("BM\x40\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0\3\0\0\0"
					 "\xfe\xff\xff\xff\1\0\x18\0")))
	MADE("ico",
		buf_span(b, SPAN_LIT("\0\0\1\0\1\0\x10\x10\0\0\1\0\x20\0\x18\0\0\0\x16\0\0\0"
				     "\x89PNG\r\n\x1a\n")))
	MADE("psd",
		buf_span(
			b, SPAN_LIT("8BPS\0\1\0\0\0\0\0\0\0\3\0\0\0\2\0\0\0\3\0\x08\0\3\0\0\0\0"
				    "\0\0\0\x14"
				    "8BIM\4\4\0\0\0\0\0\x08\x1c\2\x78\0\3Hey\0\0\0\0")))
	MADE("heic", make_box(b, "ftyp", SPAN_LIT("heic\0\0\0\0"), SPAN_LIT("mif1"));
		make_box(&more, "ispe", SPAN_LIT("\0\0\0\0"), SPAN_LIT("\0\0\0\7\0\0\0\6"));
		buf_consume(&more, make_wrap(&more, "ipco"));
		buf_consume(&more, make_wrap(&more, "iprp"));
		make_box(b, "meta", SPAN_LIT("\0\0\0\0"), buf_view(&more)))
	MADE("wav info", make_riff_chunk(&more, "LIST", SPAN_LIT("INFOIART\4\0\0\0Ann\0"));
		make_riff_chunk(&more, "data", SPAN_LIT("odd"));
		put_riff(b, "WAVE", buf_view(&more)))
	MADE("wav piped", buf_span(b, SPAN_LIT("RIFF\xff\xff\xff\xff"
					       "WAVEdata\xff\xff\xff\xffsound")))
	MADE("aiff", make_box(&more, "FORM", SPAN_LIT("AIFFNAME\0\0\0\4"), SPAN_LIT("Song"));
		more.p[more.start + 3] -= 8; buf_put(b, more.p + 4, 4); buf_put(b, more.p, 4);
		buf_put(b, more.p + 8, more.n - 8))
	MADE("mp3 2.2", put_id3(b, 2, 0, SPAN_LIT("TP1\0\0\4\0Ann")))
	MADE("mp3 2.3", put_id3(b, 3, 0,
				SPAN_LIT("TIT2\0\0\0\7\0\0\1\xff\xfe\xe9\0t\0"
					 "COMM\0\0\0\x0b\0\0\0engtop\0low"
					 "TXXX\0\0\0\5\0\0\0k\0vv"
					 "WXXX\0\0\0\6\0\0\0\0http\0\0\0\0")))
	MADE("mp3 without a mark", put_id3(b, 3, 0, SPAN_LIT("TIT2\0\0\0\7\0\0\1H\0e\0y\0")))
	MADE("rtf after a mark", buf_str(b, "\xef\xbb\xbf\n{\\rtf1 \\'44\\'45}"))
	MADE("mp3 2.4", put_id3(b, 4, 0,
				SPAN_LIT("USLT\0\0\0\x0a\0\0\3eng\0Words"
					 "TPE1\0\0\0\5\0\0\2\0A\0n"
					 "CHAP\0\0\0\x21\0\0id\0................"
					 "TIT2\0\0\0\4\0\0\3One")))
	MADE("mp3 unsynchronised",
		put_id3(b, 3, 0x80, SPAN_LIT("TIT2\0\0\0\5\0\0\1\xff\0\xfe\xe9\0")))
	MADE("mp3 packed", buf_span(&more, SPAN_LIT("TIT2\0\0\0\0\0\x80\0\0\0\x07"));
		make_zlib(&more, SPAN_LIT("\3packed")); more.p[7] = (char)(more.n - 10);
		put_id3(b, 3, 0, buf_view(&more)))
	MADE("mp3 locked", put_id3(b, 3, 0, SPAN_LIT("TIT2\0\0\0\4\0\x40\1\0xx")))
	MADE("mp3 damaged", put_id3(b, 3, 0, SPAN_LIT("TIT2\0\0\0\x40\0\0\0x")))
	MADE("mp3 old tag", buf_span(b, SPAN_LIT("\xff\xfb\x90\x44 sound")); buf_printf(b,
		"TAG%-30s%-30s%-30s%-4s%-30s\1", "Title", "Artist", "Album", "2005", "Comment"))
	MADE("mp3 ape", buf_span(b, SPAN_LIT("\xff\xfb\x90\x44 sound"));
		buf_span(b, SPAN_LIT("\3\0\0\0\0\0\0\0Artist\0Ann"
				     "APETAGEX\xd0\7\0\0\x32\0\0\0\1\0\0\0\0\0\0\0........")))
	MADE("aac", buf_span(b, SPAN_LIT("\xff\xf1\x50\x80\1\x1f\xfc")))
	MADE("flac", buf_span(b, SPAN_LIT("fLaC\4\0\0\x37" COMMENTS
					  "\x86\0\0\x14\0\0\0\3\0\0\0\3a/b\0\0\0\5Front")))
	MADE("flac damaged", buf_span(b, SPAN_LIT("fLaC\x84\0\0\x0a\xff\0\0\0maker\1")))
	MADE("ogg", put_ogg(b, false))
	MADE("ogg cut", put_ogg(b, true))
	MADE("m4a", put_ilst(b))
	MADE("mov", put_boxes(b, "qt  ", SPAN_LIT("\0\0\0\x10\xa9xyz\0\4\x15\xc7+1-2\0\0\0\0")))
	MADE("mov of a place",
		put_boxes(b, "qt  ",
			SPAN_LIT("\0\0\0\x1e\xa9xyz\0\x12\x15\xc7+48.8584+002.2945/")))
	MADE("mov of names",
		put_boxes(b, "qt  ", SPAN_LIT("\0\0\0\x66" "meta" "\0\0\0\x12hdlr..........\0\0\0\x2akeys\0\0\0\0\0\0\0\1"
			"\0\0\0\x1amdtacom.android.author" "\0\0\0\x22ilst\0\0\0\x1a\0\0\0\1\0\0\0\x12" "data\0\0\0\1\0\0\0\0Al")))
	MADE("mp4 of a place",
		put_boxes(b, "mp42", SPAN_LIT("\0\0\0\x27loci\0\0\0\0\x15\xc7" "Home\0\0\0\2\x80\0\xff\xfe\x80\0" "\0\0\0\0" "earth\0\0")))
	MADE("mp4 of half a place",
		put_boxes(b, "mp42", SPAN_LIT("\0\0\0\x16loci\0\0\0\0\x15\xc7" "Home\0\0\0\2")))
	MADE("flac of a place", buf_span(b, SPAN_LIT("fLaC\x84\0\0\x2f\0\0\0\0\1\0\0\0\x23\0\0\0location=+48.8584+002.2945/........")))
	MADE("mp4 3gp", put_boxes(b, "3gp4", SPAN_LIT("\0\0\0\x12titl\0\0\0\0\x15\xc7Song")))
	MADE("mp4 damaged", put_boxes(b, "mp42", SPAN_LIT("\0\0\0\x20titl\0\0\0\0")))
	MADE("zip", put_zip(b, false))
	MADE("zip locked", put_zip(b, true))
	MADE("zip cut", put_zip(b, false); b->n -= 30)
	MADE("text and zip", buf_str(b, "#!/usr/bin/python3\n"); put_zip(b, false))
	MADE("ole", buf_span(b, SPAN_LIT("\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")))
	MADE("ole locked",
		buf_span(b, SPAN_LIT("\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
				     "E\0n\0c\0r\0y\0p\0t\0e\0d\0P\0a\0c\0k\0a\0g\0e\0")))
	MADE("pdf", buf_str(b, "%PDF-1.7\n1 0 obj\n%%EOF\n"))
	MADE("pdf further in", buf_str(b, "\n\n  HTTP/1.1 200\n%PDF-1.7\n1 0 obj\n%%EOF\n"))
	MADE("pdf after a mark", buf_str(b, "\xef\xbb\xbf\r\n%PDF-1.7\n1 0 obj\n%%EOF\n"))
	MADE("pdf after NULs", buf_span(b, SPAN_LIT("\0\0\0%PDF-1.7\n1 0 obj\n%%EOF\n")))
	MADE("pdf after a mark of UTF-16", buf_str(b, "\xff\xfe%PDF-1.7\n1 0 obj\n%%EOF\n"))
	MADE("pdf after many blanks", buf_printf(b, "%17s%%PDF-1.7\n1 0 obj\n%%%%EOF\n", ""))
	MADE("pdf after blanks, and zip", buf_str(b, "\n%PDF-1.7\n1 0 obj\n%%EOF\n");
		put_zip(b, false))
	MADE("gif before a pdf", buf_str(b, "GIF89a%PDF-1.7\n1 0 obj\n%%EOF\n"))
	MADE("rtf", buf_str(b, "{\\rtf1 \\'44\\'45}"))
	MADE("ps", buf_str(b, "%!PS-Adobe-3.0\n"))
	MADE("pdf and zip", buf_str(b, "%PDF-1.7\n1 0 obj\n%%EOF\n"); put_zip(b, false))
	MADE("pdf, long, and zip", buf_printf(b, "%%PDF-1.7\n1 0 obj %2000s\n%%%%EOF\n", "");
		put_zip(b, false))
	MADE("flac after a tag", buf_span(b, SPAN_LIT("ID3\3\0\0\0\0\0\x0e"
						      "TPE1\0\0\0\4\0\0\0Bob"
						      "fLaC\x84\0\0\x37" COMMENTS)))
	MADE("gif and pdf", put_gif(b, SPAN_LIT("\x21\xfe\x10%PDF-1.4 1 0 obj\0")))
	MADE("text about pdf", buf_str(b, "A file begins with %PDF-1.7, they say."))
	MADE("text", buf_str(b, "just text"))
	MADE("empty", (void)b)
	fail_msg("no sample %s", what);
}

/* ---- expected results ---- */

static const struct {
	const char *name;
	enum file_magic kind;
	enum file_flaw flaw;
	unsigned width, height;
	const char *texts; /* with | after each */
} samples[] = {
	{ "png", FILE_PNG, FILE_SOUND, 3, 2, "" },
	{ "png tEXt", FILE_PNG, FILE_SOUND, 3, 2, "Comment: caf\xc3\xa9|" },
	{ "png tEXt without NUL", FILE_PNG, FILE_DAMAGED, 3, 2, "" },
	{ "png zTXt", FILE_PNG, FILE_SOUND, 3, 2, "Comment: packed|" },
	{ "png zTXt damaged", FILE_PNG, FILE_DAMAGED, 3, 2, "" },
	{ "png iTXt", FILE_PNG, FILE_SOUND, 3, 2, "Notiz|Comment: \xc3\xa9t\xc3\xa9|" },
	{ "png iTXt packed", FILE_PNG, FILE_SOUND, 3, 2, "Comment: packed|" },
	{ "png iTXt xmp", FILE_PNG, FILE_SOUND, 3, 2, "<x>ann@a.example</x>|" },
	{ "png profile", FILE_PNG, FILE_SOUND, 3, 2, "Hey|" },
	{ "png eXIf", FILE_PNG, FILE_SOUND, 3, 2,
		"artist name: Ann Artist|User|gps position: 48.858333, 2.294444|T\xc3\xa9|" },
	{ "png bomb", FILE_PNG, FILE_BOMB, 3, 2, "" },
	{ "png texts", FILE_PNG, FILE_BOMB, 3, 2, NULL },
	{ "png large", FILE_PNG, FILE_TOO_MANY_POINTS, 8000, 5001, "" },
	{ "png at the cap", FILE_PNG, FILE_SOUND, 8000, 5000, "" },
	{ "png without IEND", FILE_PNG, FILE_TRUNCATED, 3, 2, "" },
	{ "png and more", FILE_PNG, FILE_TRAILING, 3, 2, "" },
	{ "png and zeros", FILE_PNG, FILE_SOUND, 3, 2, "" },
	{ "png and zip", FILE_PNG, FILE_TWO_KINDS, 3, 2, "" },
	{ "png with pdf", FILE_PNG, FILE_TWO_KINDS, 3, 2, "Comment: %PDF-1.7 1 0 obj|" },
	{ "png with gif", FILE_PNG, FILE_TWO_KINDS, 3, 2, "" },
	{ "png of two", FILE_PNG, FILE_ANIMATED, 3, 2, "" },
	{ "png without header", FILE_PNG, FILE_DAMAGED, 0, 0, "" },
	{ "jpeg", FILE_JPEG, FILE_SOUND, 5, 4, "" },
	{ "jpeg exif", FILE_JPEG, FILE_SOUND, 5, 4,
		"artist name: Ann Artist|User|gps position: 48.858333, 2.294444|T\xc3\xa9|" },
	{ "jpeg exif cut", FILE_JPEG, FILE_DAMAGED, 5, 4, "" },
	{ "jpeg exif loop", FILE_JPEG, FILE_BOMB, 5, 4, "" },
	{ "jpeg thumbnail", FILE_JPEG, FILE_SOUND, 5, 4, "" },
	{ "jpeg xmp", FILE_JPEG, FILE_SOUND, 5, 4, "<x>ann@a.example</x>|" },
	{ "jpeg xmp properties", FILE_JPEG, FILE_SOUND, 5, 4, NULL },
	{ "jpeg xmp extended", FILE_JPEG, FILE_SOUND, 5, 4, "helloworld|" },
	{ "jpeg comment", FILE_JPEG, FILE_SOUND, 5, 4, "a comment|" },
	{ "jpeg iptc", FILE_JPEG, FILE_SOUND, 5, 4, "Hey|" },
	{ "jpeg iptc damaged", FILE_JPEG, FILE_DAMAGED, 5, 4, "" },
	{ "jpeg and mp4", FILE_JPEG, FILE_TWO_KINDS, 5, 4, "" },
	{ "jpeg and jpeg", FILE_JPEG, FILE_TWO_KINDS, 5, 4, "" },
	{ "jpeg of several", FILE_JPEG, FILE_SOUND, 5, 4, "the second|" },
	{ "gif", FILE_GIF, FILE_SOUND, 7, 6, "" },
	{ "gif comment", FILE_GIF, FILE_SOUND, 7, 6, "two parts|" },
	{ "gif plain text", FILE_GIF, FILE_SOUND, 7, 6, "plain|" },
	{ "gif of two", FILE_GIF, FILE_ANIMATED, 7, 6, "" },
	{ "gif application", FILE_GIF, FILE_SOUND, 7, 6, "" },
	{ "gif xmp", FILE_GIF, FILE_SOUND, 7, 6, "<x>gif</x>|" },
	{ "gif and pdf", FILE_GIF, FILE_TWO_KINDS, 7, 6, "%PDF-1.4 1 0 obj|" },
	{ "webp exif", FILE_WEBP, FILE_SOUND, 16, 15,
		"artist name: Ann Artist|User|gps position: 48.858333, 2.294444|T\xc3\xa9|" },
	{ "webp xmp", FILE_WEBP, FILE_SOUND, 16, 15, "<x>a&b@c.d &bad; <</x>|" },
	{ "webp lossy", FILE_WEBP, FILE_SOUND, 16, 15, "" },
	{ "webp lossless", FILE_WEBP, FILE_SOUND, 16, 15, "" },
	{ "webp of two", FILE_WEBP, FILE_ANIMATED, 16, 15, "" },
	{ "tiff", FILE_TIFF, FILE_SOUND, 0, 0,
		"artist name: Ann Artist|User|gps position: 48.858333, 2.294444|T\xc3\xa9|" },
	{ "tiff of blanks", FILE_TIFF, FILE_BOMB, 0, 0, "" },
	{ "bmp", FILE_BMP, FILE_SOUND, 3, 2, "" },
	{ "ico", FILE_ICO, FILE_SOUND, 0, 0, "" },
	{ "psd", FILE_PSD, FILE_SOUND, 3, 2, "Hey|" },
	{ "heic", FILE_HEIC, FILE_SOUND, 7, 6, "" },
	{ "wav info", FILE_WAV, FILE_SOUND, 0, 0, "artist name: Ann|" },
	{ "wav piped", FILE_WAV, FILE_SOUND, 0, 0, "" },
	{ "aiff", FILE_AIFF, FILE_SOUND, 0, 0, "Song|" },
	{ "mp3 2.2", FILE_MP3, FILE_SOUND, 0, 0, "artist name: Ann|" },
	{ "mp3 2.3", FILE_MP3, FILE_SOUND, 0, 0, "\xc3\xa9t|top: low|k: vv|http|" },
	{ "mp3 without a mark", FILE_MP3, FILE_SOUND, 0, 0, "Hey|" },
	{ "rtf after a mark", FILE_RTF, FILE_SOUND, 0, 0, "" },
	{ "mp3 2.4", FILE_MP3, FILE_SOUND, 0, 0, "Words|artist name: An|One|" },
	{ "mp3 unsynchronised", FILE_MP3, FILE_SOUND, 0, 0, "\xc3\xa9|" },
	{ "mp3 packed", FILE_MP3, FILE_SOUND, 0, 0, "packed|" },
	{ "mp3 locked", FILE_MP3, FILE_ENCRYPTED, 0, 0, "" },
	{ "mp3 damaged", FILE_MP3, FILE_DAMAGED, 0, 0, "" },
	{ "mp3 old tag", FILE_MP3, FILE_SOUND, 0, 0, "Title|artist name: Artist|Album|2005|Comment|" },
	{ "mp3 ape", FILE_MP3, FILE_SOUND, 0, 0, "Artist name: Ann|" },
	{ "aac", FILE_AAC, FILE_SOUND, 0, 0, "" },
	{ "flac", FILE_FLAC, FILE_SOUND, 0, 0, "maker|ARTIST name: Ann|Front|" },
	{ "flac damaged", FILE_FLAC, FILE_DAMAGED, 0, 0, NULL },
	{ "ogg", FILE_OGG, FILE_SOUND, 0, 0, "maker|ARTIST name: Ann|" },
	{ "ogg cut", FILE_OGG, FILE_TRUNCATED, 0, 0, NULL },
	{ "m4a", FILE_M4A, FILE_SOUND, 0, 0, "artist name: Ann Artist|" },
	{ "mov", FILE_MP4, FILE_SOUND, 0, 0, "+1-2|" },
	{ "mov of a place", FILE_MP4, FILE_SOUND, 0, 0, "gps position: 48.858400, 2.294500|" },
	{ "mov of names", FILE_MP4, FILE_SOUND, 0, 0, "author name: Al|" },
	{ "mp4 of a place", FILE_MP4, FILE_SOUND, 0, 0, "Home|gps position: -1.500000, 2.500000|earth|" },
	{ "mp4 of half a place", FILE_MP4, FILE_DAMAGED, 0, 0, "Home|" },
	{ "flac of a place", FILE_FLAC, FILE_SOUND, 0, 0, "gps position: 48.858400, 2.294500|" },
	{ "mp4 3gp", FILE_MP4, FILE_SOUND, 0, 0, "Song|" },
	{ "mp4 damaged", FILE_MP4, FILE_DAMAGED, 0, 0, "" },
	{ "zip", FILE_ZIP, FILE_SOUND, 0, 0, "a.txt|" },
	{ "zip locked", FILE_ZIP, FILE_ENCRYPTED, 0, 0, "a.txt|" },
	{ "zip cut", FILE_ZIP, FILE_TRUNCATED, 0, 0, "" },
	{ "text and zip", FILE_ZIP, FILE_TWO_KINDS, 0, 0, "a.txt|" },
	{ "ole", FILE_OLE, FILE_SOUND, 0, 0, "" },
	{ "ole locked", FILE_OLE, FILE_ENCRYPTED, 0, 0, "" },
	{ "pdf", FILE_PDF, FILE_SOUND, 0, 0, "" },
	{ "pdf further in", FILE_PDF, FILE_TWO_KINDS, 0, 0, "" },
	{ "pdf after a mark", FILE_PDF, FILE_SOUND, 0, 0, "" },
	{ "pdf after NULs", FILE_PDF, FILE_SOUND, 0, 0, "" },
	{ "pdf after a mark of UTF-16", FILE_PDF, FILE_TWO_KINDS, 0, 0, "" },
	{ "pdf after many blanks", FILE_PDF, FILE_TWO_KINDS, 0, 0, "" },
	{ "pdf after blanks, and zip", FILE_PDF, FILE_TWO_KINDS, 0, 0, "" },
	{ "gif before a pdf", FILE_GIF, FILE_TWO_KINDS, 20517, 17988, NULL },
	{ "rtf", FILE_RTF, FILE_SOUND, 0, 0, "" },
	{ "ps", FILE_PS, FILE_SOUND, 0, 0, "" },
	{ "pdf and zip", FILE_PDF, FILE_TWO_KINDS, 0, 0, "" },
	{ "pdf, long, and zip", FILE_PDF, FILE_TWO_KINDS, 0, 0, "" },
	{ "flac after a tag", FILE_FLAC, FILE_SOUND, 0, 0, "artist name: Bob|maker|ARTIST name: Ann|" },
	{ "text about pdf", FILE_OTHER, FILE_SOUND, 0, 0, "" },
	{ "text", FILE_OTHER, FILE_SOUND, 0, 0, "" },
	{ "empty", FILE_OTHER, FILE_SOUND, 0, 0, "" },
};

static void
media_files_are_read(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(samples); i++) {
		SCOPED_BUF(b, 0);
		SCOPED_BUF(texts, 0);
		SCOPED_ARENA(a, 0, false);
		struct file_facts f;
		make_file(&b, samples[i].name);
		char *p = guard_dup(b.p ? b.p + b.start : "", b.n);
		assert_int_equal(file_read(span_of(p, b.n), SPAN_LIT(""), &a, &f), 0);
		for (size_t k = 0; k < f.ntexts; k++) {
			buf_span(&texts, f.texts[k]);
			buf_putc(&texts, '|');
		}
		if (f.kind != samples[i].kind || f.flaw != samples[i].flaw)
			fail_msg("%s: %s, %s", samples[i].name, file_kinds[f.kind].name,
				file_flaws[f.flaw]);
		if (f.width != samples[i].width || f.height != samples[i].height)
			fail_msg("%s: %u by %u", samples[i].name, f.width, f.height);
		if (samples[i].texts && !span_is(buf_view(&texts), samples[i].texts))
			fail_msg("%s: %.*s", samples[i].name, SPAN_ARG(buf_view(&texts)));
		guard_free(p, b.n);
	}
}

/* The values of XMP that are about persons get names; the whole XML is another text. */
static void
properties_of_xmp_get_names(void **state)
{
	static const char *const wanted[] = { "owner name: A&B", "creator name: Ann",
		"creator name: Bob", "person name: Cy", "gps position: -48.858333, 2.294444" };
	SCOPED_BUF(b, 0);
	SCOPED_ARENA(a, 0, false);
	struct file_facts f;

	(void)state;
	make_file(&b, "jpeg xmp properties");
	assert_int_equal(file_read(buf_view(&b), SPAN_LIT(""), &a, &f), 0);
	assert_int_equal(f.ntexts, COUNT_OF(wanted) + 1);
	for (size_t i = 0; i < COUNT_OF(wanted); i++)
		assert_true(span_is(f.texts[i], wanted[i]));
}

/* Copies of pictures have no texts. Other files have no copy, nor has a file with a flaw. */
static void
pictures_lose_their_metadata(void **state)
{
	static const char *const copied[] = { "png tEXt", "png zTXt", "png iTXt", "png iTXt xmp",
		"png profile", "png eXIf", "jpeg", "jpeg exif", "jpeg xmp", "jpeg xmp properties",
		"jpeg xmp extended", "jpeg comment", "jpeg iptc", "jpeg of several" };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(samples); i++) {
		SCOPED_BUF(b, 0);
		SCOPED_ARENA(a, 0, false);
		struct file_facts f;
		struct span bare;
		make_file(&b, samples[i].name);
		char *p = guard_dup(b.p ? b.p + b.start : "", b.n);
		assert_int_equal(file_bare(span_of(p, b.n), &a, &bare), 0);
		if (SPAN_IN(span_str(samples[i].name), copied) && !bare.n)
			fail_msg("%s has no copy", samples[i].name);
		if (bare.n && (samples[i].flaw ||
				      (samples[i].kind != FILE_JPEG && samples[i].kind != FILE_PNG)))
			fail_msg("%s has a copy", samples[i].name);
		assert_int_equal(file_read(bare, SPAN_LIT(""), &a, &f), 0);
		assert_true(!f.ntexts && !f.flaw && (!bare.n || f.kind == samples[i].kind));
		assert_true(!bare.n || (f.width == samples[i].width && f.height == samples[i].height));
		guard_free(p, b.n);
	}
}

/* Cut anywhere, and with any byte changed, nothing is read beyond the file. */
static void
cut_files_are_read_within_their_bytes(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(samples); i++) {
		SCOPED_BUF(b, 0);
		make_file(&b, samples[i].name);
		for (size_t n = 0; n < b.n && b.n < 4096; n++) {
			SCOPED_ARENA(a, 0, false);
			struct file_facts f;
			char *p = guard_dup(b.p + b.start, n);
			struct span bare;
			assert_int_equal(file_read(span_of(p, n), SPAN_LIT(""), &a, &f), 0);
			assert_int_equal(file_bare(span_of(p, n), &a, &bare), 0);
			guard_free(p, n);
			b.p[b.start + n] ^= '\xff';
			assert_int_equal(file_read(buf_view(&b), SPAN_LIT(""), &a, &f), 0);
			b.p[b.start + n] ^= '\xff';
		}
	}
}

/* A cut picture or sound is reported as truncated, wherever it is cut. */
static void
cut_files_are_reported_as_truncated(void **state)
{
	static const char *const names[] = { "png tEXt", "jpeg exif", "gif comment",
		"webp exif", "wav info" };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(names); i++) {
		SCOPED_BUF(b, 0);
		make_file(&b, names[i]);
		for (size_t n = 12; n < b.n; n++) {
			SCOPED_ARENA(a, 0, false);
			struct file_facts f;
			file_read(span_cut(buf_view(&b), 0, n), SPAN_LIT(""), &a, &f);
			if (f.flaw != FILE_TRUNCATED)
				fail_msg("%s cut at %zu: %s", names[i], n, file_flaws[f.flaw]);
		}
	}
}

static void
declared_types_must_match_the_bytes(void **state)
{
	static const struct {
		const char *file, *declared;
		bool fits;
	} rows[] = {
		{ "png", "image/png", true },
		{ "png", "IMAGE/PNG; charset=x", true },
		{ "png", "image/x-png", true },
		{ "png", "png", true },
		{ "png", "", true },
		{ "png", "application/octet-stream", true },
		{ "png", "image/*", true },
		{ "png", "image/unheard-of", true },
		{ "png", "unheard-of", true },
		{ "png", "image/jpeg", false },
		{ "png", "jpg", false },
		{ "png", "audio/unheard-of", false },
		{ "png", "application/pdf", false },
		{ "png", "text/plain", false },
		{ "jpeg", "image/jpg", true },
		{ "jpeg", "image/pjpeg", true },
		{ "jpeg", "jpeg", true },
		{ "jpeg", "image/png", false },
		{ "mp3 2.3", "audio/mpeg", true },
		{ "mp3 2.3", "mp3", true },
		{ "mp3 2.3", "audio/x-wav", false },
		{ "wav info", "audio/x-wav", true },
		{ "wav info", "audio/vnd.wave", true },
		{ "wav info", "wav", true },
		{ "mov", "video/quicktime", true },
		{ "m4a", "audio/mp4", true },
		{ "m4a", "video/mp4", true },
		{ "m4a", "audio/mpeg", false },
		{ "pdf", "application/x-pdf", true },
		{ "pdf", "pdf", true },
		{ "pdf", "image/png", false },
		{ "zip",
			"application/"
			"vnd.openxmlformats-officedocument.wordprocessingml.document",
			true },
		{ "zip", "docx", true },
		{ "ole", "application/msword", true },
		{ "ole", "application/vnd.ms-excel", true },
		{ "zip", "application/pdf", false },
		{ "text", "text/markdown", true },
		{ "text", "image/svg+xml", true },
		{ "text", "application/unheard-of", true },
		{ "text", "application/vnd.ms-excel", true },
		{ "text", "application/vnd.ms-excel.sheet.macroEnabled.12", false },
		{ "ole", "application/vnd.ms-excel", true },
		{ "text", "audio/pcm", true },
		{ "text", "image/png", false },
		{ "text", "pdf", false },
		{ "empty", "image/png", false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		SCOPED_BUF(b, 0);
		SCOPED_ARENA(a, 0, false);
		struct file_facts f;
		make_file(&b, rows[i].file);
		file_read(buf_view(&b), span_str(rows[i].declared), &a, &f);
		if ((f.flaw == FILE_SOUND) != rows[i].fits ||
			(!rows[i].fits && f.flaw != FILE_NOT_AS_DECLARED))
			fail_msg("%s as %s: %s", rows[i].file, rows[i].declared,
				file_flaws[f.flaw]);
	}
}

static void
few_bytes_are_not_a_magic_number(void **state)
{
	static const struct span texts[] = { SPAN_LIT("BM is a note"), SPAN_LIT("ID3 tags"),
		SPAN_LIT("BZhang"), SPAN_LIT("GIF8 is short"), SPAN_LIT("\xff\xfb\xff\xff"),
		SPAN_LIT("12345678WAVE"), SPAN_LIT("free of moov"), SPAN_LIT("now ftypes") };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(texts); i++)
		if (file_kind_of(texts[i]) != FILE_OTHER)
			fail_msg("%s: %s", texts[i].p, file_kinds[file_kind_of(texts[i])].name);
	assert_int_equal(file_kind_of(SPAN_LIT("ID3\4\0\0\0\0\0\1.fLaC")), FILE_FLAC);
	assert_string_equal(file_kinds[FILE_WEBM].media, "video");
}

/* Files without a magic number are decoded as text. */
static void
text_files_are_decoded(void **state)
{
	static const struct {
		struct span bytes;
		const char *text; /* NULL: not a text */
	} rows[] = {
		{ SPAN_LIT(""), "" },
		{ SPAN_LIT("caf\xc3\xa9\r\n"), "caf\xc3\xa9\r\n" },
		{ SPAN_LIT("caf\xe9;\x80 5\r\n"), "caf\xc3\xa9;\xe2\x82\xac 5\r\n" },
		{ SPAN_LIT("\xff\xfe"
			   "a\0\xe9\0\x3d\xd8\0\xde"),
			"a\xc3\xa9\xf0\x9f\x98\x80" },
		{ SPAN_LIT("\xfe\xff\0a\0\xe9\0\n"), "a\xc3\xa9\n" },
		{ SPAN_LIT("\xff\xfe"), "" },
		{ SPAN_LIT("\xff\xfe"
			   "a\0b"),
			NULL },
		{ SPAN_LIT("\xff\xfe\0\0a\0\0\0"), NULL }, /* UTF-32 */
		{ SPAN_LIT("a\0b\0"), NULL },		   /* no byte order mark */
		{ SPAN_LIT("text \x01 and"), NULL },
		{ SPAN_LIT("text \xe9 \0 and"), NULL },
		{ SPAN_LIT("text \x81 and"), NULL },
		{ SPAN_LIT("\xca\xee\xed\xf2"), NULL },
		{ SPAN_LIT("abc\xe9"), "abc\xc3\xa9" },
		{ SPAN_LIT("ab\xe9"), NULL },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		SCOPED_ARENA(a, 0, false);
		struct span text;
		bool is;
		char *p = guard_dup(rows[i].bytes.p, rows[i].bytes.n);
		assert_int_equal(file_text(span_of(p, rows[i].bytes.n), &a, &text, &is), 0);
		if (is != (rows[i].text != NULL) || (is && !span_is(text, rows[i].text)))
			fail_msg("row %zu: %d, %.*s", i, is, SPAN_ARG(text));
		guard_free(p, rows[i].bytes.n);
	}
}

static void
markup_is_read_as_displayed(void **state)
{
	static const char *const rows[][2] = {
		{ "<svg><text>D<tspan x='1'>E8</tspan></text></svg>", "\n\nDE8\n\n" },
		{ "\xef\xbb\xbf\n<p>12<B>3</B>4", "" },
		{ "<p>12<b>3</b>4<br>5 < 6", "\n1234\n5 < 6" },
		{ "<td>1</td><td>2</td>", "" },
		{ "a<b>c</b>", "" },
		{ "<!-- x --><i>a</i><b", "\na<b" },
		{ "<", "" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		SCOPED_ARENA(a, 0, false);
		struct span out;
		size_t n = strlen(rows[i][0]);
		char *p = guard_dup(rows[i][0], n);
		assert_int_equal(file_text_shown(span_of(p, n), &a, &out), 0);
		if (!span_is(out, rows[i][1]))
			fail_msg("%s: %.*s", rows[i][0], SPAN_ARG(out));
		guard_free(p, n);
	}
}

/* Lack of memory is reported, and nothing is read beyond the data. */
static void
lack_of_memory_is_reported(void **state)
{
	(void)state;
	for (size_t cap = 1; cap < 4096; cap += 64) {
		SCOPED_BUF(b, 0);
		SCOPED_ARENA(a, cap, false);
		struct file_facts f;
		make_file(&b, "png zTXt");
		int err = file_read(buf_view(&b), SPAN_LIT(""), &a, &f);
		assert_int_equal(err, a.failed ? ERR_NOMEM : 0);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(media_files_are_read),
		cmocka_unit_test(properties_of_xmp_get_names),
		cmocka_unit_test(pictures_lose_their_metadata),
		cmocka_unit_test(cut_files_are_read_within_their_bytes),
		cmocka_unit_test(cut_files_are_reported_as_truncated),
		cmocka_unit_test(declared_types_must_match_the_bytes),
		cmocka_unit_test(few_bytes_are_not_a_magic_number),
		cmocka_unit_test(text_files_are_decoded),
		cmocka_unit_test(markup_is_read_as_displayed),
		cmocka_unit_test(lack_of_memory_is_reported),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
