/* Maps a rank file, verifies it, and looks tokens up in it. A filter answers most look-ups of
 * byte sequences that are not tokens without touching the table. */
#include "base/tokens/ranks.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/scoped.h"
#include "base/sha256.h"
#include "base/tokens/ranks_key.h"

bool
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

void
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
probe(const struct ranks *r, const char *p, size_t n, uint64_t key, uint64_t hash)
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

uint32_t
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
	return probe(r, p, n, key, hash);
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

uint32_t
ranks_find_word(const struct ranks *r, const struct ranks_word *w)
{
	if (w->n <= 2 || w->n > r->head->longest)
		return ranks_find(r, w->p, w->n);
	return probe(r, w->p, w->n, w->key, w->hash);
}
