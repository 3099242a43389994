/* Reads zip archives (APPNOTE.TXT 6.3) by their central directory. The archive is refused if
 * another reader could see other content in it: overlapping entries, two entries of one name, a
 * local header that differs from the directory, entries that only local headers name. */
#ifndef EXTRACT_ZIP_FILE_H
#define EXTRACT_ZIP_FILE_H

#include "base/buf.h"
#include "extract/extract.h"

enum {
	ZIP_ENTRIES = 10000, /* entries of an archive; more are EXTRACT_TOO_LARGE */
	ZIP_RATIO = 100,     /* an archive over a limit is a bomb from this ratio on */
};

/* An entry. Views of the archive's bytes. */
struct zip_entry {
	struct span name;   /* a backslash is '/' */
	struct span packed; /* compressed bytes */
	uint64_t bytes;	    /* when decompressed, as the directory states */
	uint64_t from;	    /* offset of the local header */
	uint32_t crc;
	bool deflated; /* false: stored */
};

/* owner: the caller of zip_open(), which frees it with zip_close(). */
struct zip {
	struct zip_entry *v; /* in the order of the directory; folders are left out */
	size_t n;
	struct buf names;
};

/* Reads the directory and checks each entry. Returns EXTRACT_READ or why the archive is
 * refused. *z is always set. */
enum extract_error zip_open(struct span file, struct zip *z);
void zip_close(struct zip *z);
/* Appends the content of an entry. `left`: bytes that may still be decompressed; it is reduced.
 * Returns EXTRACT_READ, EXTRACT_BOMB, EXTRACT_TOO_LARGE, EXTRACT_DAMAGED or EXTRACT_MEMORY. */
enum extract_error zip_inflate(const struct zip_entry *e, size_t *left, struct buf *out);
/* Decompresses a gzip file of one or more members (RFC 1952) in the same way. */
enum extract_error gzip_inflate(struct span file, size_t *left, struct buf *out);

#endif
