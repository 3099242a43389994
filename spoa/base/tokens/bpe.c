/* The vocabulary of a byte-pair tokenizer, and the merging of a text's pieces by it.
 *
 * The first section maps a rank file, verifies it, and looks tokens up in it. A filter answers most
 * look-ups of byte sequences that are not tokens without touching the table. ranks_parts()
 * determines the characters at which merging may begin. encodings_open() opens the files of a
 * folder. The last part of the section makes a rank file from published lines ("base64 rank"). Its
 * input is checked there, so that a look-up may rely on every byte being a token.
 *
 * Merging a piece of text: the two neighbors whose concatenation has the lowest rank become one,
 * the leftmost first, until no concatenation is a token. Short pieces use an array that is
 * searched for its minimum each time. Long ones use a list with a heap, which costs n log n for
 * any content.
 *
 * Example: with the tokens "ab" (rank 1) and "bc" (rank 2), "abc" becomes "ab" and "c". */
#include "base/tokens/bpe.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/scoped.h"
#include "base/sha256.h"
#include "base/tokens/ranks.h"
#include "base/tokens/ranks_key.h"
#include "base/utf8.h"

/* ---- the vocabulary ---- */

/* ---- the format ---- */

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

/* Sets where each part begins; PART_END: the size of the file. Returns false for impossible
 * numbers. */
static bool
ranks_layout(const struct ranks_head *h, uint64_t at[PART_END + 1])
{
	const uint64_t bytes[PART_END] = {
		[PART_SLOTS] = (uint64_t)h->slots * sizeof(struct ranks_slot),
		[PART_FILTER] = UINT64_C(1) << (h->filter_log2 & 63) >> 3,
		[PART_PAIRS] = 65536 * sizeof(uint32_t),
		[PART_BYTES] = 256 * sizeof(uint32_t),
		[PART_OFFSETS] = ((uint64_t)h->tokens + 1) * sizeof(uint32_t),
		[PART_WHOLE] = RANKS_WHOLE_BITS / 8,
		[PART_CROSS] = RANKS_CROSS_BITS / 8,
		[PART_POOL] = h->pool,
	};
	uint64_t next = sizeof(*h);

	if (h->tokens < 256 || h->tokens > RANKS_TOKENS_MAX || h->slots <= h->tokens ||
		h->slots > 8 * RANKS_TOKENS_MAX || h->filter_log2 < 6 || h->filter_log2 > 28 ||
		h->longest > RANKS_TOKEN_MAX)
		return false;
	for (size_t i = 0; i < PART_END; i++) {
		at[i] = (next + RANKS_ALIGN - 1) / RANKS_ALIGN * RANKS_ALIGN;
		next = at[i] + bytes[i];
	}
	at[PART_END] = next;
	return true;
}

/* Checks everything that a look-up relies on. The checksum is not enough, because anyone can
 * compute one. */
static const char *
check_parts(const struct ranks *r)
{
	const struct ranks_head *h = r->head;
	uint32_t used = 0;

	if (r->offsets[0] != 0 || r->offsets[h->tokens] != h->pool)
		return "its offsets are invalid";
	for (uint32_t i = 0; i < h->tokens; i++)
		if (r->offsets[i + 1] <= r->offsets[i] ||
			r->offsets[i + 1] - r->offsets[i] > h->longest)
			return "its offsets are invalid";
	for (uint32_t i = 0; i < h->slots; i++) {
		const struct ranks_slot *s = &r->slots[i];
		if (!s->len)
			continue;
		used++;
		if (s->rank >= h->tokens || s->len != ranks_token(r, s->rank).n)
			return "its table is invalid";
	}
	for (uint32_t i = 0; i < 256; i++)
		if (r->bytes[i] >= h->tokens)
			return "a byte has no token";
	for (uint32_t i = 0; i < 65536; i++)
		if (r->pairs[i] != RANK_NONE && r->pairs[i] >= h->tokens)
			return "its table is invalid";
	return used == h->tokens ? NULL : "its table is invalid";
}

static void
ranks_checksum(const struct ranks_head *h, const char *rest, unsigned char out[SHA256_BYTES])
{
	struct ranks_head head = *h;
	struct sha256 sum;

	memset(head.sha256, 0, sizeof(head.sha256));
	sha256_begin(&sum);
	sha256_add(&sum, span_of(&head, sizeof(head)));
	sha256_add(&sum, span_of(rest, h->size - sizeof(head)));
	sha256_end(&sum, out);
}

/* Returns NULL, or what is wrong with the file. */
static const char *
read_ranks_file(struct ranks *r, const char *base, size_t size)
{
	const struct ranks_head *h = (const struct ranks_head *)(const void *)base;
	unsigned char sum[SHA256_BYTES];
	uint64_t at[PART_END + 1];

	if (size < sizeof(*h) || memcmp(h->magic, RANKS_MAGIC, sizeof(h->magic)) != 0)
		return "the file is not a vocabulary file";
	if (h->byte_order != RANKS_BYTE_ORDER)
		return "the file was made on a machine with another byte order";
	if (!ranks_layout(h, at) || h->size != size || at[PART_END] != size ||
		!memchr(h->name, 0, sizeof(h->name)) ||
		!memchr(h->pattern, 0, sizeof(h->pattern)))
		return "the file is truncated, or of another version";
	ranks_checksum(h, base + sizeof(*h), sum);
	if (memcmp(sum, h->sha256, sizeof(sum)) != 0)
		return "the file is damaged: its checksum does not match";
	r->pattern = split_find(span_str(h->pattern));
	if (!r->pattern)
		return "the file names an unknown pattern";
	r->head = h;
	r->slots = (const struct ranks_slot *)(const void *)(base + at[PART_SLOTS]);
	r->filter = (const uint64_t *)(const void *)(base + at[PART_FILTER]);
	r->pairs = (const uint32_t *)(const void *)(base + at[PART_PAIRS]);
	r->bytes = (const uint32_t *)(const void *)(base + at[PART_BYTES]);
	r->offsets = (const uint32_t *)(const void *)(base + at[PART_OFFSETS]);
	r->whole = (const uint64_t *)(const void *)(base + at[PART_WHOLE]);
	r->cross = (const uint64_t *)(const void *)(base + at[PART_CROSS]);
	r->pool = base + at[PART_POOL];
	r->filter_mask = (UINT64_C(1) << h->filter_log2) - 1;
	return check_parts(r);
}

int
ranks_open(const char *file, struct ranks **out, const char **why)
{
	struct ranks *r = calloc(1, sizeof(*r));
	void *map = MAP_FAILED;
	struct stat st;

	*out = NULL;
	*why = err_str(ERR_NOMEM);
	if (!r)
		return ERR_NOMEM;
	SCOPED_FD(fd, open(file, O_RDONLY | O_CLOEXEC));
	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0)
		map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	else if (fd >= 0)
		errno = EINVAL;
	if (map == MAP_FAILED) {
		*why = strerror(errno);
		free(r);
		return ERR_IO;
	}
	r->mapped = (size_t)st.st_size;
	*why = read_ranks_file(r, map, r->mapped);
	if (*why) {
		munmap(map, r->mapped);
		free(r);
		return ERR_SYNTAX;
	}
	*why = "";
	/* The pages that the check has read are released. Counting touches fewer of them. */
	madvise(map, r->mapped, MADV_DONTNEED);
	*out = r;
	return 0;
}

void
ranks_close(struct ranks **p)
{
	struct ranks *r = *p;

	*p = NULL;
	if (!r)
		return;
	void *base = (void *)(uintptr_t)r->head;
	munmap(base, r->mapped);
	free(r);
}

static inline uint32_t
probe_slots(const struct ranks *r, const char *p, size_t n, uint64_t key, uint64_t hash)
{
	for (uint32_t i = ranks_slot_of(hash, r->head->slots);;) {
		const struct ranks_slot *s = &r->slots[i];
		if (s->key == key && s->len == n &&
			(n <= 8 || memcmp(ranks_token(r, s->rank).p, p, n) == 0))
			return s->rank;
		if (!s->len)
			return RANK_NONE;
		if (++i == r->head->slots)
			i = 0;
	}
}

/* Returns the rank of these bytes, or RANK_NONE if they are not a token. */
static uint32_t
ranks_find(const struct ranks *r, const char *p, size_t n)
{
	if (n == 2)
		return r->pairs[(unsigned char)p[0] | (unsigned)(unsigned char)p[1] << 8];
	if (n == 1)
		return r->bytes[(unsigned char)p[0]];
	if (!n || n > r->head->longest)
		return RANK_NONE;
	uint64_t key = ranks_key(p, n), hash = ranks_hash(key, n);
	uint64_t bit = hash & r->filter_mask;
	if (!(r->filter[bit / 64] >> (bit % 64) & 1))
		return RANK_NONE;
	return probe_slots(r, p, n, key, hash);
}

void
ranks_word(const struct ranks *r, const char *p, size_t n, struct ranks_word *w)
{
	*w = (struct ranks_word){ .p = p, .n = n };
	if (n <= 2 || (n > r->head->longest && n > 16))
		return;
	w->key = ranks_key(p, n);
	w->hash = ranks_hash(w->key, n);
	__builtin_prefetch(&r->slots[ranks_slot_of(w->hash, r->head->slots)]);
}

static uint32_t
ranks_find_word(const struct ranks *r, const struct ranks_word *w)
{
	if (w->n <= 2 || w->n > r->head->longest)
		return ranks_find(r, w->p, w->n);
	return probe_slots(r, w->p, w->n, w->key, w->hash);
}

/* ---- merging from characters ---- */

/* Merging from characters instead of bytes, with the same result. A Chinese text then has a
 * third of the parts. A character c of two or three bytes may be one part from the beginning
 * under three conditions (prose: ok long):
 *
 * - Merging c alone gives the token c, by ranks of at most m(c).
 *
 * - Every token that contains c and more has a rank above m(c). Before any of them could be
 * formed, c would have been merged anyway, because the lowest rank comes first.
 *
 * - No token crosses an edge of c at this place: no token contains a part of c and bytes beyond
 * it, or c and a part of the next character.
 *
 * The first two are one bit for each character. The third is checked for each pair of neighbors:
 * a filter holds each (end of a character, beginning of the next one) inside tokens in which not
 * both characters are whole. A false hit in the filter costs time, but does not change the
 * result. */

/* Returns the bytes of a character that begins with c; 0: no character does. */
static inline size_t
sequence_bytes(char c)
{
	unsigned char u = (unsigned char)c;

	return u < 0x80 ? 1 : u < 0xC2 ? 0 : u < 0xE0 ? 2 : u < 0xF0 ? 3 : u < 0xF5 ? 4 : 0;
}

/* The contribution of an end of n bytes before p, or of a beginning of n bytes at p, to the
 * number of a bit. */
static inline uint32_t
hash_of_end(const char *p, size_t n)
{
	uint32_t v = (uint32_t)n;

	for (size_t i = n; i > 0; i--)
		v = v << 8 | (unsigned char)p[-(ptrdiff_t)i];
	return v * 0x9E3779B1u;
}

static inline uint32_t
hash_of_begin(const char *p, size_t n)
{
	uint32_t v = (uint32_t)n;

	for (size_t i = 0; i < n; i++)
		v = v << 8 | (unsigned char)p[i];
	return v * 0x85EBCA77u;
}

static inline uint32_t
cross_bit(uint32_t end, uint32_t begin)
{
	return (end ^ begin) >> 16;
}

static inline bool
table_bit(const uint64_t *v, uint32_t i)
{
	return v[i / 64] >> (i % 64) & 1;
}

/* Returns true if a token may cross the place p between a character of n bytes and one of m. */
static inline __attribute__((always_inline)) bool
crossed_by(const uint64_t *cross, const char *p, size_t n, size_t m)
{
	uint32_t begin[4];
	bool any = false;

	for (size_t k = 0; k < m; k++)
		begin[k] = hash_of_begin(p, k + 1);
	for (size_t i = 0; i < n; i++) {
		uint32_t end = hash_of_end(p, i + 1);
		for (size_t k = 0; k < m; k++)
			if (i + 1 < n || k + 1 < m)
				any |= table_bit(cross, cross_bit(end, begin[k]));
	}
	return any;
}

static bool
crosses_place(const struct ranks *r, const char *p, size_t n, size_t m)
{
	return n == 3 && m == 3 ? crossed_by(r->cross, p, 3, 3) : crossed_by(r->cross, p, n, m);
}

/* Writes the starts of the parts from which a piece is merged to start[0 … result]; the last one
 * is n. There must be room for n + 1. Merging from these parts has the same result as merging
 * from bytes. */
static size_t
ranks_parts(const struct ranks *r, const char *p, size_t n, uint32_t *start)
{
	size_t parts = 0, len = 0;
	bool clean = true; /* no token crosses the edge before the character at i */

	for (size_t i = 0; i < n; i += len) {
		if ((unsigned char)p[i] < 0x80 &&
			(i + 1 == n || (unsigned char)p[i + 1] < 0x80)) {
			start[parts++] = (uint32_t)i;
			len = 1;
			clean = true; /* between two ASCII characters, neither can be partial */
			continue;
		}
		len = utf8_sequence(p + i, n - i);
		if (!len) { /* not UTF-8: merges from bytes */
			for (parts = 0; parts < n; parts++)
				start[parts] = (uint32_t)parts;
			break;
		}
		size_t next = i + len < n ? sequence_bytes(p[i + len]) : 0;
		bool edge = clean;
		clean = !next || next > n - i - len ||
			!crosses_place(r, p + i + len, len, next);
		if (len > 1 && edge && clean && (len == 2 || len == 3) &&
			table_bit(r->whole, utf8_value(p + i, len)))
			start[parts++] = (uint32_t)i;
		else
			for (size_t k = 0; k < len; k++)
				start[parts++] = (uint32_t)(i + k);
	}
	start[parts] = (uint32_t)n;
	return parts;
}

/* ---- finding these characters ---- */

/* Returns the highest rank by which a character's bytes become its token; RANK_NONE: they do
 * not. */
static uint32_t
rank_within(const struct ranks *r, const char *p, size_t n)
{
	uint32_t all = ranks_find(r, p, n);

	if (n == 2 || all == RANK_NONE)
		return all;
	uint32_t a = ranks_find(r, p, 2), b = ranks_find(r, p + 1, 2), low = a < b ? a : b;
	if (low == RANK_NONE)
		return RANK_NONE;
	return low > all ? low : all;
}

/* Notes the characters of a token, of which the first and the last may be partial. */
static void
look_through(const struct ranks *r, uint32_t rank, const uint32_t *within, uint64_t *whole,
	uint64_t *cross)
{
	struct span t = ranks_token(r, rank);
	size_t i = 0, len, last = 0;
	bool partial = false;

	for (; i < t.n; i += len) {
		size_t n = i ? sequence_bytes(t.p[i]) : utf8_sequence(t.p, t.n);
		bool part = !n || n > t.n - i;
		if (part && i == 0 && ((unsigned char)t.p[0] & 0xC0) == 0x80) {
			/* the end of a character */
			for (n = 1; n < t.n && ((unsigned char)t.p[n] & 0xC0) == 0x80;)
				n++;
		}
		len = !n || n > t.n - i ? t.n - i : n;
		if (i && (part || partial) && last <= 4 && len <= 4) {
			uint32_t bit = cross_bit(
				hash_of_end(t.p + i, last), hash_of_begin(t.p + i, len));
			cross[bit / 64] |= UINT64_C(1) << (bit % 64);
		}
		if (!part && (len == 2 || len == 3) && len < t.n) {
			uint32_t cp = utf8_value(t.p + i, len);
			if (cp < RANKS_WHOLE_BITS && rank <= within[cp])
				whole[cp / 64] &= ~(UINT64_C(1) << (cp % 64));
		}
		partial = part;
		last = len;
	}
}

/* Fills both bit tables from the other parts. Returns false if memory is exhausted. */
static bool
ranks_find_whole(const struct ranks *r, uint64_t *whole, uint64_t *cross)
{
	uint32_t *within = malloc(RANKS_WHOLE_BITS * sizeof(*within));
	char text[4];

	if (!within)
		return false;
	for (uint32_t cp = 0x80; cp < RANKS_WHOLE_BITS; cp++) {
		within[cp] = cp >= 0xD800 && cp < 0xE000
				     ? RANK_NONE
				     : rank_within(r, text, utf8_encode(cp, text));
		if (within[cp] != RANK_NONE)
			whole[cp / 64] |= UINT64_C(1) << (cp % 64);
	}
	for (uint32_t i = 0; i < r->head->tokens; i++)
		look_through(r, i, within, whole, cross);
	free(within);
	return true;
}

/* ---- the files of a folder ---- */

#define SUFFIX ".ranks"

/* The folders that an installed and a built program search, relative to the program's folder. */
static const char *const places[] = { "ranks", "../share/tollgate/ranks" };

static int
is_ranks(const struct dirent *d)
{
	return span_ends(span_str(d->d_name), SPAN_LIT(SUFFIX)) && d->d_name[0] != '.';
}

static void
open_encoding(struct encodings *e, const char *dir, const char *name, struct buf *why)
{
	char path[PATH_MAX];
	const char *what = "there are too many vocabulary files";
	struct ranks *r = NULL;

	if (snprintf(path, sizeof(path), "%s/%s", dir, name) >= (int)sizeof(path))
		what = "the path is too long";
	else if (e->n < ENCODINGS_MAX && ranks_open(path, &r, &what) == 0 &&
		 encodings_find(e, span_str(r->head->name)))
		what = "another file has the same encoding", ranks_close(&r);
	if (r) {
		e->v[e->n++] = r;
		return;
	}
	e->refused++;
	buf_printf(why, "%s/%s: %s\n", dir, name, what);
}

/* Opens the files of a folder. Returns their number, refused ones included, or -1 if the folder
 * cannot be read. */
static int
open_ranks_folder(struct encodings *e, const char *dir, struct buf *why)
{
	struct dirent **names;
	int n = scandir(dir, &names, is_ranks, alphasort);

	for (int i = 0; i < n; i++) {
		open_encoding(e, dir, names[i]->d_name, why);
		free(names[i]);
	}
	if (n >= 0)
		free(names);
	if (n > 0)
		e->dir = strdup(dir);
	return n;
}

static void
open_places(struct encodings *e, struct buf *why)
{
	char self[PATH_MAX], dir[PATH_MAX + 32];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (n <= 0)
		return;
	self[n] = '\0';
	char *slash = strrchr(self, '/');
	if (slash)
		*slash = '\0';
	for (size_t i = 0; i < COUNT_OF(places); i++) {
		snprintf(dir, sizeof(dir), "%s/%s", self, places[i]);
		if (open_ranks_folder(e, dir, why) > 0)
			return;
	}
	for (size_t i = 0; i < COUNT_OF(places); i++)
		buf_printf(why, "%s/%s: not a vocabulary file\n", self, places[i]);
}

int
encodings_open(const char *dir, struct encodings **out, struct buf *why)
{
	struct encodings *e = *out = calloc(1, sizeof(*e));

	if (!e)
		return ERR_NOMEM;
	if (!dir)
		open_places(e, why);
	else {
		int n = open_ranks_folder(e, dir, why);
		if (n <= 0)
			buf_printf(why, "%s: %s\n", dir,
				n ? strerror(errno) : "not a vocabulary file");
	}
	return e->n || e->refused ? 0 : ERR_NOTFOUND;
}

void
encodings_close(struct encodings **p)
{
	struct encodings *e = *p;

	*p = NULL;
	for (size_t i = 0; e && i < e->n; i++)
		ranks_close(&e->v[i]);
	if (e)
		free(e->dir);
	free(e);
}

const struct ranks *
encodings_find(const struct encodings *e, struct span name)
{
	for (size_t i = 0; e && i < e->n; i++)
		if (span_is(name, e->v[i]->head->name))
			return e->v[i];
	return NULL;
}

/* ---- making the file ---- */

struct packing {
	struct span *tokens; /* by rank; n 0: not read yet */
	char *pool;	     /* decoded, in the order of the lines */
	size_t pooled;
	uint32_t count, longest;
};

/* Decodes standard base64 with padding. Returns the number of bytes, or 0 if it is malformed. */
static size_t
decode_rank(struct span s, char *out)
{
	size_t pad = 0;

	if (!s.n || s.n % 4 || s.n > RANKS_TOKEN_MAX * 2)
		return 0;
	while (pad < 2 && s.p[s.n - 1 - pad] == '=')
		pad++;
	int n = EVP_DecodeBlock((unsigned char *)out, (const unsigned char *)s.p, (int)s.n);
	return n < 0 || (size_t)n <= pad ? 0 : (size_t)n - pad;
}

static int
take_rank_line(struct packing *k, struct span line, size_t most, const char **why)
{
	struct span rank = line, text = span_next(&rank, ' ');
	uint64_t id;

	if (!rank.p || span_u64(rank, &id) != 0) {
		*why = "a line is \"BASE64 RANK\"";
		return ERR_SYNTAX;
	}
	if (id >= most) {
		*why = "the rank is beyond the number of lines: ranks have no gaps";
		return ERR_RANGE;
	}
	size_t n = decode_rank(text, k->pool + k->pooled);
	if (!n || n > RANKS_TOKEN_MAX) {
		*why = "the token is not base64, is empty, or is too long";
		return ERR_SYNTAX;
	}
	if (k->tokens[id].n) {
		*why = "the rank occurs twice";
		return ERR_DUPLICATE;
	}
	k->tokens[id] = span_of(k->pool + k->pooled, n);
	k->pooled += n;
	k->count++;
	if (n > k->longest)
		k->longest = (uint32_t)n;
	return 0;
}

static int
read_ranks_lines(struct packing *k, struct span lines, size_t *line, const char **why)
{
	struct span rest = lines;
	size_t most = 0;

	for (size_t i = 0; i < lines.n; i++)
		most += lines.p[i] == '\n';
	most++;
	if (lines.n > RANKS_LINES_MAX || most > RANKS_TOKENS_MAX) {
		*why = "too many tokens";
		return ERR_LIMIT;
	}
	k->tokens = calloc(most, sizeof(*k->tokens));
	k->pool = malloc(lines.n + 16);
	if (!k->tokens || !k->pool)
		return ERR_NOMEM;
	for (*line = 1; rest.n; ++*line) {
		struct span one = span_trim(span_next(&rest, '\n'), " \t\r");
		int err = one.n ? take_rank_line(k, one, most, why) : 0;
		if (err)
			return err;
	}
	*line = 0;
	for (uint32_t i = 0; i < k->count; i++)
		if (!k->tokens[i].n) {
			*why = "a rank is missing: ranks have no gaps";
			return ERR_SYNTAX;
		}
	return 0;
}

static void
insert_rank(struct ranks_slot *slots, uint64_t *filter, const struct ranks_head *h,
	struct span t, uint32_t rank)
{
	uint64_t key = ranks_key(t.p, t.n), hash = ranks_hash(key, t.n);
	uint64_t bit = hash & ((UINT64_C(1) << h->filter_log2) - 1);
	uint32_t i = ranks_slot_of(hash, h->slots);

	filter[bit / 64] |= UINT64_C(1) << (bit % 64);
	while (slots[i].len)
		i = i + 1 == h->slots ? 0 : i + 1;
	slots[i] = (struct ranks_slot){ key, rank, (uint32_t)t.n };
}

/* Writes the parts into `base`, which is zeroed. */
static int
fill_ranks(const struct packing *k, struct ranks_head *h, char *base, const uint64_t *at,
	const char **why)
{
	struct ranks_slot *slots = (struct ranks_slot *)(void *)(base + at[PART_SLOTS]);
	uint64_t *filter = (uint64_t *)(void *)(base + at[PART_FILTER]);
	uint32_t *pairs = (uint32_t *)(void *)(base + at[PART_PAIRS]),
		 *bytes = (uint32_t *)(void *)(base + at[PART_BYTES]),
		 *offsets = (uint32_t *)(void *)(base + at[PART_OFFSETS]);

	memset(pairs, 0xFF, 65536 * sizeof(*pairs));
	memset(bytes, 0xFF, 256 * sizeof(*bytes));
	for (uint32_t i = 0; i < k->count; i++) {
		struct span t = k->tokens[i];
		memcpy(base + at[PART_POOL] + offsets[i], t.p, t.n);
		offsets[i + 1] = offsets[i] + (uint32_t)t.n;
		insert_rank(slots, filter, h, t, i);
		if (t.n == 1)
			bytes[(unsigned char)t.p[0]] = i;
		if (t.n == 2)
			pairs[(unsigned char)t.p[0] | (unsigned)(unsigned char)t.p[1] << 8] = i;
	}
	for (uint32_t i = 0; i < 256; i++)
		if (bytes[i] == RANK_NONE) {
			*why = "a byte has no token: this is not a byte-pair vocabulary";
			return ERR_SYNTAX;
		}
	const struct ranks r = { .head = h,
		.slots = slots,
		.filter = filter,
		.filter_mask = (UINT64_C(1) << h->filter_log2) - 1,
		.pairs = pairs,
		.bytes = bytes,
		.offsets = offsets,
		.pool = base + at[PART_POOL] };
	for (uint32_t i = 0; i < k->count; i++)
		if (ranks_find(&r, k->tokens[i].p, k->tokens[i].n) != i) {
			*why = "two ranks have the same bytes";
			return ERR_DUPLICATE;
		}
	return ranks_find_whole(&r, (uint64_t *)(void *)(base + at[PART_WHOLE]),
		       (uint64_t *)(void *)(base + at[PART_CROSS]))
		       ? 0
		       : ERR_NOMEM;
}

int
ranks_pack(struct span lines, const char *name, const struct split_pattern *pattern,
	struct buf *out, size_t *line, const char **why)
{
	struct ranks_head h = { .byte_order = RANKS_BYTE_ORDER };
	struct packing k = { 0 };
	uint64_t at[PART_END + 1];
	char *base = NULL;

	*line = 0;
	*why = "";
	memcpy(h.magic, RANKS_MAGIC, sizeof(h.magic));
	int err = read_ranks_lines(&k, lines, line, why);
	if (err)
		goto out;
	h.tokens = k.count;
	h.slots = k.count + k.count / 2 + 64;
	for (h.filter_log2 = 12; (UINT64_C(1) << h.filter_log2) < (uint64_t)k.count * 10;)
		h.filter_log2++;
	h.longest = k.longest;
	h.pool = (uint32_t)k.pooled;
	if (strlen(name) >= sizeof(h.name) || !ranks_layout(&h, at)) {
		*why = "the name is too long, or the vocabulary too small";
		err = ERR_RANGE;
		goto out;
	}
	memcpy(h.name, name, strlen(name));
	memcpy(h.pattern, pattern->name, strlen(pattern->name));
	h.size = at[PART_END];
	sha256(lines, h.source);
	base = buf_reserve(out, h.size);
	if (!base) {
		err = ERR_NOMEM;
		goto out;
	}
	memset(base, 0, h.size);
	err = fill_ranks(&k, &h, base, at, why);
	if (err)
		goto out;
	ranks_checksum(&h, base + sizeof(h), h.sha256);
	memcpy(base, &h, sizeof(h));
	buf_commit(out, h.size);
out:
	if (err == ERR_NOMEM)
		*why = err_str(err);
	free(k.tokens);
	free(k.pool);
	return err;
}

/* ---- merging ---- */

enum { SHORT_PIECE = 100 }; /* bytes */

struct out {
	int (*each)(void *arg, uint32_t id); /* NULL: tokens are only counted */
	void *arg;
	uint64_t tokens;
};

static int
emit_token(struct out *o, uint32_t id)
{
	o->tokens++;
	return o->each ? o->each(o->arg, id) : 0;
}

enum { LANES = 8, NEVER = INT32_MAX };
/* ---- short pieces ---- */
_Static_assert(RANKS_TOKENS_MAX <= 1u << 21 && SHORT_PIECE < 128, "a key holds both");

/* key: the rank of a part joined with the next one, times 128, plus the part's number. The
 * smallest key is the lowest rank, and the leftmost one of equal ranks. */
struct parts {
	const struct ranks *r;
	const char *p;
	size_t n; /* initial number of parts */
	uint32_t start[SHORT_PIECE + 1];
	int32_t key[SHORT_PIECE + LANES];
	uint8_t next[SHORT_PIECE], before[SHORT_PIECE];
};

static inline void
key_again(struct parts *s, size_t at)
{
	size_t next = s->next[at];
	uint32_t rank = RANK_NONE;

	if (next < s->n)
		rank = ranks_find(
			s->r, s->p + s->start[at], s->start[s->next[next]] - s->start[at]);
	s->key[at] = rank == RANK_NONE ? NEVER : (int32_t)(rank << 7 | (uint32_t)at);
}

static inline int32_t
least_key(const int32_t *key, size_t n)
{
	int32_t low[LANES], least;

	memcpy(low, key, sizeof(low));
	for (size_t i = LANES; i < n; i += LANES)
		for (size_t k = 0; k < LANES; k++)
			low[k] = key[i + k] < low[k] ? key[i + k] : low[k];
	least = low[0];
	for (size_t k = 1; k < LANES; k++)
		least = low[k] < least ? low[k] : least;
	return least;
}

static int
merge_short(const struct ranks *r, const char *p, size_t bytes, struct out *o)
{
	struct parts s;
	int err = 0;

	s.r = r;
	s.p = p;
	size_t parts = s.n = ranks_parts(r, p, bytes, s.start);
	for (size_t i = 0; i < s.n; i++) {
		s.next[i] = (uint8_t)(i + 1);
		s.before[i] = (uint8_t)(i - 1);
	}
	for (size_t i = 0; i < s.n + LANES; i++)
		s.key[i] = NEVER;
	for (size_t i = 0; i + 1 < s.n; i++)
		key_again(&s, i);
	for (int32_t low; (low = least_key(s.key, s.n)) != NEVER; parts--) {
		size_t at = (size_t)low & 127, gone = s.next[at], after = s.next[gone];
		s.key[gone] = NEVER;
		s.next[at] = (uint8_t)after;
		if (after < s.n)
			s.before[after] = (uint8_t)at;
		key_again(&s, at);
		if (at)
			key_again(&s, s.before[at]);
	}
	if (!o->each) {
		o->tokens += parts;
		return 0;
	}
	for (size_t i = 0; i < s.n && !err; i = s.next[i]) {
		uint32_t from = s.start[i];
		err = emit_token(o, ranks_find(r, p + from, s.start[s.next[i]] - from));
	}
	return err;
}

/* ---- long pieces ---- */

struct part {
	uint32_t start;
	/* numbers of the neighboring parts. The last part has the end as its next one; the
	 * first part has itself as the part before. */
	uint32_t next, before;
	uint32_t rank;	       /* rank of this part joined with the next part */
};

struct heap {
	uint64_t *v; /* rank << 32 | part */
	size_t n;
};

static void
heap_push(struct heap *h, uint64_t v)
{
	size_t i = h->n++;

	for (size_t up; i > 0 && h->v[up = (i - 1) / 2] > v; i = up)
		h->v[i] = h->v[up];
	h->v[i] = v;
}

static uint64_t
heap_pop(struct heap *h)
{
	uint64_t top = h->v[0], v = h->v[--h->n];
	size_t i = 0;

	for (size_t c; (c = 2 * i + 1) < h->n; i = c) {
		c += c + 1 < h->n && h->v[c + 1] < h->v[c];
		if (h->v[c] >= v)
			break;
		h->v[i] = h->v[c];
	}
	h->v[i] = v;
	return top;
}

/* Computes the rank of a part again. v has one more part at the end, which is never merged. */
static void
rank_again(const struct ranks *r, const char *p, size_t n, struct part *v, uint32_t at,
	struct heap *h)
{
	uint32_t next = v[at].next, from = v[at].start;

	v[at].rank =
		next < n ? ranks_find(r, p + from, v[v[next].next].start - from) : RANK_NONE;
	if (v[at].rank != RANK_NONE)
		heap_push(h, (uint64_t)v[at].rank << 32 | at);
}

/* There are at most n - 1 pushes at first and two for each of at most n - 1 merges. */
static void
merge_all(const struct ranks *r, const char *p, size_t n, struct part *v, struct heap *h)
{
	for (uint32_t i = 0; i + 1 < n; i++)
		rank_again(r, p, n, v, i, h);
	while (h->n) {
		uint64_t top = heap_pop(h);
		uint32_t at = (uint32_t)top, rank = (uint32_t)(top >> 32);
		/* Ignores stale entries: a part that was merged has no rank, and a part that
		 * grew has another one. */
		if (v[at].rank != rank)
			continue;
		uint32_t gone = v[at].next;
		v[at].next = v[gone].next;
		v[gone].rank = RANK_NONE;
		v[v[at].next].before = at;
		rank_again(r, p, n, v, at, h);
		if (at)
			rank_again(r, p, n, v, v[at].before, h);
	}
}

static int
merge_long(const struct ranks *r, const char *p, size_t bytes, struct out *o)
{
	size_t start_room = (bytes + 1) * sizeof(uint32_t), room = 0, heap_room = 0, n = 0;
	uint32_t *start = bytes < UINT32_MAX / 2 ? mem_get(start_room) : NULL;
	struct part *v = NULL;
	struct heap h = { NULL, 0 };
	int err = ERR_NOMEM;

	if (!start)
		goto out;
	n = ranks_parts(r, p, bytes, start);
	room = (n + 1) * sizeof(*v);
	heap_room = 3 * n * sizeof(*h.v);
	v = mem_get(room);
	h.v = mem_get(heap_room);
	if (!v || !h.v)
		goto out;
	for (uint32_t i = 0; i <= n; i++)
		v[i] = (struct part){ start[i], i + 1, i ? i - 1 : 0, RANK_NONE };
	merge_all(r, p, n, v, &h);
	err = 0;
	for (uint32_t i = 0; i < n && !err; i = v[i].next) {
		uint32_t from = v[i].start;
		if (o->each)
			err = emit_token(o, ranks_find(r, p + from, v[v[i].next].start - from));
		else
			o->tokens++;
	}
out:
	if (h.v)
		mem_put(h.v, heap_room);
	if (v)
		mem_put(v, room);
	if (start)
		mem_put(start, start_room);
	return err;
}

static int
merge_parts(const struct ranks *r, const struct ranks_word *w, struct out *o)
{
	uint32_t whole = ranks_find_word(r, w);

	if (whole != RANK_NONE)
		return emit_token(o, whole);
	return w->n <= SHORT_PIECE ? merge_short(r, w->p, w->n, o)
				   : merge_long(r, w->p, w->n, o);
}

/* ---- pieces ---- */

/* The numbers of tokens of pieces of 3 to 16 bytes that this text had before, because most words
 * of a text are repeated. */
enum { MEMO_PIECES = 1024, MEMO_FROM = 2048 /* bytes of a text from which the table pays off */ };
struct memo {
	uint64_t first, last; /* the bytes: all of up to 8, and 0 */
	uint32_t n;	      /* number of bytes; 0: the entry is unused */
	uint32_t tokens;
};

static int
merge_again(const struct ranks *r, const struct ranks_word *w, struct memo *memo, struct out *o)
{
	uint64_t before = o->tokens;

	if (w->n < 3 || w->n > 16)
		return merge_parts(r, w, o);
	struct memo *m = &memo[w->hash % MEMO_PIECES];
	uint64_t first = w->n > 8 ? load_64(w->p) : w->key,
		 last = w->n > 8 ? load_64(w->p + w->n - 8) : 0;
	if (m->n == w->n && m->first == first && m->last == last) {
		o->tokens += m->tokens;
		return 0;
	}
	int err = merge_parts(r, w, o);
	*m = (struct memo){ first, last, (uint32_t)w->n, (uint32_t)(o->tokens - before) };
	return err;
}

/* Each piece is found, and its memory prefetched, before the previous one is merged. `memo`:
 * NULL, or MEMO_PIECES zeroed entries. */
static int
each_piece(const struct ranks *r, struct span text, size_t most, struct memo *memo,
	struct out *o, bool *bounded)
{
	struct ranks_word w, next = { 0 };
	int err = 0;

	for (size_t at = 0; (at < text.n || next.n) && !err;) {
		w = next;
		next.n = 0;
		if (at < text.n) {
			size_t end = split_next(r->pattern, text, at);
			ranks_word(r, text.p + at, end - at, &next);
			at = end;
		}
		if (w.n > most) {
			o->tokens += w.n;
			*bounded = true;
		} else if (w.n) {
			err = memo ? merge_again(r, &w, memo, o) : merge_parts(r, &w, o);
		}
	}
	return err;
}

int
bpe_count(const struct ranks *r, struct span text, struct bpe_count *out)
{
	struct memo *memo = NULL;
	struct out o = { 0 };

	*out = (struct bpe_count){ 0 };
	if (text.n >= MEMO_FROM)
		memo = mem_get_zeroed(MEMO_PIECES * sizeof(*memo)); /* NULL: no table is used */
	int err = each_piece(r, text, BPE_PIECE_MAX, memo, &o, &out->bounded);
	if (memo)
		mem_put(memo, MEMO_PIECES * sizeof(*memo));
	out->tokens = o.tokens;
	return err;
}

int
bpe_encode(
	const struct ranks *r, struct span text, int (*each)(void *arg, uint32_t id), void *arg)
{
	struct out o = { each, arg, 0 };
	bool bounded;

	return each_piece(r, text, SIZE_MAX, NULL, &o, &bounded);
}
