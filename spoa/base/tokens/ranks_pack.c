/* Makes a rank file from published lines ("base64 rank"). The input is checked here, so that a
 * look-up may rely on every byte being a token. */
#include "base/err.h"
#include "base/sha256.h"
#include "base/tokens/ranks.h"
#include "base/tokens/ranks_key.h"

#include <openssl/evp.h>
#include <stdlib.h>

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
