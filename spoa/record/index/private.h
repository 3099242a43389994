/* The layout of an index file, for index.c and tests. */
#ifndef RECORD_INDEX_PRIVATE_H
#define RECORD_INDEX_PRIVATE_H

#include <stdlib.h>

#include "base/sha256.h"
#include "record/index/index.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "numbers are as the file has them");

enum {
	HIT_BYTES = 20,
	TERM_BYTES = 12,
	BLOCK_BYTES = 16 << 10,
	SUM_BYTES = 8,
};
#define ONLY_HIT  (1u << 31) /* flag of a term with a single hit and no posting */
#define NO_MORE	  UINT32_MAX
#define HITS_MAX  (ONLY_HIT - 1)
#define INDEX_MAX (3ull << 30) /* bytes: an index that would be larger is not made */

struct header {
	char magic[8];
	uint64_t version, bytes; /* version of the terms; length of the file */
	uint64_t segment_bytes;
	int64_t segment_mtime;
	uint64_t records, first_seq, last_seq;
	int64_t from_ns, to_ns;
	uint64_t last_line; /* offset of the last line */
	uint32_t hits, terms;
	uint64_t more, term, posting,
		sums; /* offsets of the tables; `hits` follows the header */
	unsigned char first[SHA256_BYTES], last[SHA256_BYTES]; /* hashes of the first and
								* last line */
	char segment[INDEX_NAME_MAX];
	unsigned char
		sum[SUM_BYTES]; /* checksum of the header up to this member, and of `sums` */
};

struct index {
	struct header h;
	unsigned char *image; /* h.bytes; a block is valid once it was read */
	uint64_t *there;      /* a bit for each block that was read; NULL: all were */
	int fd;		      /* -1: the index was made, not opened */
	bool bad;
};

static inline uint64_t
get(const unsigned char *p, size_t n)
{
	uint64_t v = 0;

	memcpy(&v, p, n);
	return v;
}

static inline size_t
blocks_of(const struct header *h)
{
	return (size_t)((h->sums - sizeof(*h) + BLOCK_BYTES - 1) / BLOCK_BYTES);
}

/* Computes the checksum of the header and of the sums in memory. */
void index_header_sum(
	const struct header *h, const unsigned char *sums, unsigned char out[SUM_BYTES]);
void index_sum(const void *p, size_t n, unsigned char out[SUM_BYTES]);
/* Reads every whole line, up to a NUL byte, and passes it to each maker whose `making` is not
 * NULL and that has not returned false. Returns 0, or with *why ERR_IO, ERR_NOMEM, or
 * ERR_BAD_STATE if stopped. */
int index_read_lines(const struct index_segment *s, const struct index_makers *m,
	void *const making[INDEX_MAKERS], const atomic_bool *stop, struct buf *why);

#endif
