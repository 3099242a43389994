/* Reads Photoshop's image resources (Adobe Photoshop File Formats, "Image Resource Blocks"),
 * the IPTC-NAA records (IIM 4.2 1.6) inside them, and Photoshop's own files. Record 2 of IPTC
 * contains the texts. */
#include "scan/media/reader.h"

enum {
	CAPTION_RESOURCE = 0x03f0,
	IPTC_RESOURCE = 0x0404,
	URL_RESOURCE = 0x040b,
	EXIF_RESOURCE = 0x0422,
	XMP_RESOURCE = 0x0424,
	IPTC_TAG = 0x1c,
	PSD_HEAD = 14, /* bytes before the image's height in a PSD file */
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
			media_text(m, s, MEDIA_UTF8);
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
