/* The vocabulary of a byte-pair tokenizer: the sequences of bytes that are tokens, and their
 * ranks, which are also their ids. ranks_pack() makes a file NAME.ranks from the published lines
 * ("base64 rank"). The file is mapped into memory as it is: nothing is parsed at start, and
 * processes share its pages. Immutable after opening; any thread may read it. */
#ifndef BASE_TOKENS_RANKS_H
#define BASE_TOKENS_RANKS_H

#include "base/buf.h"
#include "base/tokens/split.h"

#define RANK_NONE	 UINT32_MAX
#define RANKS_NAME_BYTES 32	     /* bytes of an encoding's name, with its NUL */
#define RANKS_TOKENS_MAX (1u << 21)  /* tokens of a vocabulary; a larger one is refused */
#define RANKS_TOKEN_MAX	 1024	     /* bytes of a token; a longer one is refused */
#define RANKS_LINES_MAX	 (64u << 20) /* bytes of the published lines */

/* The head of the file. The parts follow, each at a multiple of 64 bytes: the table, the filter,
 * ranks of pairs of bytes, ranks of bytes, offsets of tokens by rank, whole characters, places
 * that tokens cross, the bytes of the tokens. */
struct ranks_head {
	char magic[8];	     /* "tgranks1" */
	uint32_t byte_order; /* 0x01020304 in the order of the machine */
	uint32_t tokens;     /* ranks are 0 … tokens - 1 */
	uint32_t slots, filter_log2;
	uint32_t longest; /* bytes of the longest token */
	uint32_t pool;	  /* bytes of all tokens */
	uint64_t size;	  /* bytes of the file */
	char name[RANKS_NAME_BYTES];
	char pattern[16];
	/* checksum of the whole file, computed with zeros in this member */
	unsigned char sha256[32];
	/* checksum of the published lines from which the file was made */
	unsigned char source[32];
};

struct ranks_slot {
	uint64_t key; /* the bytes of a token of at most 8 bytes; otherwise a hash */
	uint32_t rank;
	uint32_t len; /* 0: the slot is free */
};

/* Bits of the tables `whole` and `cross`. */
#define RANKS_WHOLE_BITS 65536u
#define RANKS_CROSS_BITS 65536u

struct ranks {
	const struct ranks_head *head;
	const struct split_pattern *pattern;
	const struct ranks_slot *slots;
	const uint64_t *filter;
	uint64_t filter_mask;
	const uint32_t *pairs, *bytes, *offsets;
	const uint64_t *whole, *cross; /* bit tables, read by ranks_parts() */
	const char *pool;
	size_t mapped;
};

/* Maps and verifies a file. Returns 0; ERR_IO, with errno; or ERR_SYNTAX for a damaged file or
 * another format. *why (never NULL) has the reason. */
int ranks_open(const char *file, struct ranks **out, const char **why);
void ranks_close(struct ranks **r);
/* As ranks_find() in two steps, for n > 0 bytes that are probably a token. The first step
 * prefetches the memory that the second reads. */
struct ranks_word {
	const char *p;
	size_t n;
	uint64_t key, hash;
};
void ranks_word(const struct ranks *r, const char *p, size_t n, struct ranks_word *w);

/* Returns the bytes of a token; rank < tokens. */
static inline struct span
ranks_token(const struct ranks *r, uint32_t rank)
{
	return span_of(r->pool + r->offsets[rank], r->offsets[rank + 1] - r->offsets[rank]);
}

/* Appends the file made from published lines. Every byte must be a token, and every rank from 0
 * on must occur once. Returns 0, or ERR_SYNTAX, ERR_DUPLICATE, ERR_RANGE, ERR_LIMIT or
 * ERR_NOMEM, with the line (0: none) in *line and the reason in *why. */
int ranks_pack(struct span lines, const char *name, const struct split_pattern *pattern,
	struct buf *out, size_t *line, const char **why);

/* ---- the files of a folder ---- */

enum { ENCODINGS_MAX = 32 };

/* The rank files (NAME.ranks) of a folder: the encodings in which texts can be counted exactly.
 * Immutable after opening. */
struct encodings {
	char *dir; /* NULL: no folder was found */
	struct ranks *v[ENCODINGS_MAX];
	size_t n;
	size_t refused; /* files that are damaged or too many */
};

/* Opens every rank file of `dir`. If `dir` is NULL, opens those of the first of these folders
 * that has one: ranks/ next to the program, share/tollgate/ranks next to its folder. A refused
 * file adds a line "FILE: why" to *why, and the others are opened. Returns 0; ERR_NOTFOUND if
 * there is no file, with the searched folders in *why; or ERR_NOMEM. *out is valid in each case
 * except the last. */
int encodings_open(const char *dir, struct encodings **out, struct buf *why);
void encodings_close(struct encodings **e);
/* Returns the encoding with that name in its file, or NULL. */
const struct ranks *encodings_find(const struct encodings *e, struct span name);

#endif
