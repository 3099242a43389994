/* The vocabulary of a byte-pair tokenizer: which runs of bytes are tokens, and their ranks,
 * which are their ids too. A file NAME.ranks is made by ranks_pack() from the published lines
 * ("base64 rank") and is mapped into memory as it is: nothing is parsed at start, and processes
 * share its pages. Immutable once it is open; any thread may read it. */
#ifndef BASE_TOKENS_RANKS_H
#define BASE_TOKENS_RANKS_H

#include "base/buf.h"
#include "base/tokens/split.h"

#define RANK_NONE	 UINT32_MAX
#define RANKS_NAME_BYTES 32	     /* of an encoding's name, with its NUL */
#define RANKS_TOKENS_MAX (1u << 21)  /* a vocabulary: beyond, refused */
#define RANKS_TOKEN_MAX	 1024	     /* bytes of a token: beyond, refused */
#define RANKS_LINES_MAX	 (64u << 20) /* bytes of the lines */

/* How the file begins. What follows, each at a multiple of 64 bytes: the table, the filter,
 * ranks of pairs of bytes, ranks of bytes, offsets of tokens by rank, characters that are
 * whole, where tokens cross them, the tokens' bytes. */
struct ranks_head {
	char magic[8];	     /* "tgranks1" */
	uint32_t byte_order; /* RANKS_BYTE_ORDER, as the machine writes it */
	uint32_t tokens;     /* ranks are 0 … tokens - 1 */
	uint32_t slots, filter_log2;
	uint32_t longest; /* bytes of a token */
	uint32_t pool;	  /* bytes of all of them */
	uint64_t size;	  /* of the file */
	char name[RANKS_NAME_BYTES];
	char pattern[16];
	unsigned char sha256[32]; /* of the whole file, with zeros here */
	unsigned char source[32]; /* of the lines it was made of */
};

struct ranks_slot {
	uint64_t key; /* of a token of at most 8 bytes the bytes, else a hash */
	uint32_t rank;
	uint32_t len; /* 0: the slot is free */
};

struct ranks {
	const struct ranks_head *head;
	const struct split_pattern *pattern;
	const struct ranks_slot *slots;
	const uint64_t *filter;
	uint64_t filter_mask;
	const uint32_t *pairs, *bytes, *offsets;
	const uint64_t *whole, *cross; /* ranks_whole.c */
	const char *pool;
	size_t mapped;
};

/* Maps and verifies a file. 0, or ERR_IO (errno says why), ERR_SYNTAX: it is damaged, or not
 * such a file; *why (never NULL) says what. */
int ranks_open(const char *file, struct ranks **out, const char **why);
void ranks_close(struct ranks **r);
/* The rank of these bytes, RANK_NONE where they are no token. */
uint32_t ranks_find(const struct ranks *r, const char *p, size_t n);
/* The same in two halves, for n > 0 bytes that probably are one: the first has the memory
 * fetched that the second reads. */
struct ranks_word {
	const char *p;
	size_t n;
	uint64_t key, hash;
};
void ranks_word(const struct ranks *r, const char *p, size_t n, struct ranks_word *w);
uint32_t ranks_find_word(const struct ranks *r, const struct ranks_word *w);
/* The bytes of a token; rank < tokens. */
static inline struct span
ranks_token(const struct ranks *r, uint32_t rank)
{
	return span_of(r->pool + r->offsets[rank], r->offsets[rank + 1] - r->offsets[rank]);
}

/* Appends the file made of published lines. Every byte must be a token and every rank from 0 on
 * be given once. 0, or ERR_SYNTAX, ERR_DUPLICATE, ERR_LIMIT, ERR_NOMEM, with the line (0: none)
 * in *line and *why. */
int ranks_pack(struct span lines, const char *name, const struct split_pattern *pattern,
	struct buf *out, size_t *line, const char **why);

/* ---- ranks_whole.c: characters of several bytes from which merging may begin ---- */
#define RANKS_WHOLE_BITS 65536u
#define RANKS_CROSS_BITS 65536u
/* The starts of the parts from which a piece is merged, n in the end, in start[0 … result];
 * room for n + 1. Merging from them gives what merging from bytes gives. */
size_t ranks_parts(const struct ranks *r, const char *p, size_t n, uint32_t *start);
/* Fills both tables of bits, from all the others. False: out of memory. */
bool ranks_find_whole(const struct ranks *r, uint64_t *whole, uint64_t *cross);

/* ---- the file, for its two sides ---- */
#define RANKS_MAGIC	 "tgranks1"
#define RANKS_BYTE_ORDER 0x01020304u
#define RANKS_ALIGN	 64u
enum ranks_part {
	PART_SLOTS,
	PART_FILTER,
	PART_PAIRS,
	PART_BYTES,
	PART_OFFSETS,
	PART_WHOLE,
	PART_CROSS,
	PART_POOL,
	PART_END
};
/* Where each part begins; PART_END: the file's size. False: numbers that no file has. */
bool ranks_layout(const struct ranks_head *h, uint64_t at[PART_END + 1]);

void ranks_checksum(const struct ranks_head *h, const char *rest, unsigned char out[32]);

#endif
