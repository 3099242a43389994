/* Reads zip files (APPNOTE.TXT): finds the record that ends the directory, wherever the archive
 * begins, and reads the names, comments and encryption flags of the directory's entries. The
 * contents are read elsewhere. */
#include "scan/media/reader.h"

enum { ZIP_END = 22, ZIP_COMMENT_MAX = 0xffff, ZIP_ENTRY = 46, ZIP_LOCKED = 1 };

/* Returns true if an end record with a directory before it is at this offset (APPNOTE
 * 4.3.16). */
static bool
zip_end_at(struct span bytes, size_t at, size_t *directory, size_t *entries)
{
	struct media_rd r = media_rd(span_cut(bytes, at, bytes.n));

	r.little = true;
	media_take(&r, 10);
	*entries = media_u16(&r);
	size_t size = media_u32(&r), offset = media_u32(&r), comment = media_u16(&r);
	bool large =
		/* zip64: another record has the sizes */
		offset == UINT32_MAX || size == UINT32_MAX;
	if (r.err || comment > media_left(&r) || (!large && (size > at || offset > at - size)))
		return false;
	*directory = large ? SIZE_MAX : at - size;
	return large || span_starts(span_cut(bytes, *directory, at), SPAN_LIT("PK"));
}

static size_t
zip_find(struct span bytes, size_t *directory, size_t *entries)
{
	size_t least =
		bytes.n > ZIP_END + ZIP_COMMENT_MAX ? bytes.n - ZIP_END - ZIP_COMMENT_MAX : 0;

	for (size_t end = bytes.n; end > least;) {
		const char *p = memrchr(bytes.p + least, 'P', end - least);
		if (!p)
			break;
		end = (size_t)(p - bytes.p);
		if (span_starts(span_cut(bytes, end, bytes.n), SPAN_LIT("PK\5\6")) &&
			zip_end_at(bytes, end, directory, entries))
			return end;
	}
	return SIZE_MAX;
}

size_t
zip_end(struct span bytes)
{
	size_t directory, entries;

	return zip_find(bytes, &directory, &entries);
}

void
zip_read(struct media *m)
{
	size_t directory, entries;

	if (zip_find(m->bytes, &directory, &entries) == SIZE_MAX) {
		media_flaw(m, FILE_TRUNCATED);
		return;
	}
	struct media_rd r = media_rd(m->bytes);
	r.little = true;
	r.at = directory == SIZE_MAX ? m->bytes.n : directory;
	while (media_left(&r) >= ZIP_ENTRY && entries-- && media_part(m)) {
		media_take(&r, 8);
		unsigned flags = media_u16(&r);
		media_take(&r, 18);
		size_t name = media_u16(&r), extra = media_u16(&r), comment = media_u16(&r);
		media_take(&r, 12);
		struct span s = media_take(&r, name);
		media_take(&r, extra);
		struct span said = media_take(&r, comment);
		if (flags & ZIP_LOCKED)
			media_flaw(m, FILE_ENCRYPTED);
		media_text(m, s, MEDIA_UTF8);
		media_text(m, said, MEDIA_UTF8);
	}
	if (r.err)
		media_flaw(m, FILE_DAMAGED);
}
