/* The word lists as one hash table: a fingerprint and the flags of every term, and of
 * every beginning of a term of several words. Open addressing, no strings kept: 40 bits
 * of the hash and 300,000 terms make one word in four million a false hit. */
#include <pthread.h>
#include <dirent.h>
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>

#include "base/err.h"
#include "detect/names.h"
#include "detect/rule.h"

enum {
	TABLE_BITS_MAX = 22,
	FLAG_BITS = 24,
	TERM_MAX = 96, /* bytes */
	ENDS_MAX = 128,
	END_BYTES = 24,
};

struct names_table {
	uint64_t *slots; /* fingerprint << FLAG_BITS | flags */
	size_t mask, used;
	char ends[ENDS_MAX][END_BYTES]; /* endings of streets, lower case */
	size_t nends;
	unsigned char digest[crypto_hash_sha256_BYTES];
};

static const struct {
	const char *file;
	uint32_t flag;
} lists[] = {
	{ "after.txt", W_AFTER },
	{ "before.txt", W_BEFORE },
	{ "city.txt", W_CITY },
	{ "common.txt", W_COMMON },
	{ "country.txt", W_COUNTRY },
	{ "cue.txt", W_CUE },
	{ "eponym.txt", W_EPONYM },
	{ "facility.txt", W_FACILITY },
	{ "facility_start.txt", W_FACILITY_START },
	{ "given.txt", W_GIVEN },
	{ "honorific.txt", W_HONORIFIC },
	{ "key.txt", W_KEY },
	{ "nationality.txt", W_NATION },
	{ "never.txt", W_NEVER },
	{ "organisation.txt", W_ORG },
	{ "particle.txt", W_PARTICLE },
	{ "region.txt", W_REGION },
	{ "street.txt", W_STREET },
	{ "street_end.txt", W_STREET_END },
	{ "street_start.txt", W_STREET_START },
	{ "surname.txt", W_SURNAME },
	{ "title.txt", W_TITLE },
};

static uint32_t
flag_of(const char *name)
{
	const char *slash = strrchr(name, '/');

	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
		if (!strcmp(slash ? slash + 1 : name, lists[i].file))
			return lists[i].flag;
	return 0;
}

/* ---- the table ---- */

static uint64_t *
slot_of(const struct names_table *t, uint64_t hash)
{
	size_t i = (size_t)(hash >> 16) & t->mask;
	uint64_t print = hash << FLAG_BITS;

	while (t->slots[i] && (t->slots[i] ^ print) >> FLAG_BITS)
		i = (i + 1) & t->mask;
	return &t->slots[i];
}

uint32_t
names_flags(const struct names_table *t, uint64_t hash)
{
	return (uint32_t)(*slot_of(t, hash) & ((1u << FLAG_BITS) - 1));
}

static bool
grow(struct names_table *t)
{
	size_t room = t->slots ? (t->mask + 1) * 2 : 1u << 18;
	struct names_table wider = { .mask = room - 1 };

	if (room > 1u << TABLE_BITS_MAX)
		return false;
	wider.slots = calloc(room, sizeof(uint64_t));
	if (!wider.slots)
		return false;
	/* The slot is chosen by bits that the fingerprint keeps. */
	for (size_t i = 0; t->slots && i <= t->mask; i++)
		if (t->slots[i])
			*slot_of(&wider, t->slots[i] >> FLAG_BITS) = t->slots[i];
	free(t->slots);
	t->slots = wider.slots;
	t->mask = wider.mask;
	return true;
}

static bool
put(struct names_table *t, uint64_t hash, uint32_t flags)
{
	if ((!t->slots || t->used * 5 >= t->mask * 4) && !grow(t))
		return false;
	uint64_t *slot = slot_of(t, hash);
	t->used += *slot == 0;
	*slot |= hash << FLAG_BITS | flags;
	return true;
}

uint64_t
names_hash(struct span s)
{
	uint64_t h = HASH_SEED, folded;
	unsigned n;

	for (size_t i = 0; i < s.n; i += n) {
		enum letter k = glyph_at(s, i, &n, &folded);
		if (k != LETTER_NONE)
			h = folded ? hash_step(h, folded) : h;
		else if (strchr(" -_&/0123456789", s.p[i]))
			h = hash_step(h, (unsigned char)s.p[i]);
	}
	return h;
}

/* Every beginning that ends at a blank, and the last word of a cue. */
static bool
put_parts(struct names_table *t, struct span term, uint32_t flag)
{
	size_t last = 0;

	for (size_t i = 0; i < term.n; i++)
		if (term.p[i] == ' ') {
			last = i + 1;
			if (!put(t, names_hash(span_cut(term, 0, i)), W_MORE))
				return false;
		}
	return !(flag & (W_CUE | W_BEFORE | W_TITLE | W_KEY | W_STREET_START)) ||
	       put(t, names_hash(span_cut(term, last, term.n)), W_LAST);
}

static bool
put_end(struct names_table *t, struct span term)
{
	size_t n = 0;
	uint64_t folded;
	unsigned len;

	if (t->nends == ENDS_MAX)
		return false;
	for (size_t i = 0; i < term.n; i += len) {
		if (glyph_at(term, i, &len, &folded) == LETTER_NONE)
			continue;
		for (; folded && n + 1 < END_BYTES; folded >>= 32)
			t->ends[t->nends][n++] = (char)folded;
	}
	t->nends += n > 0;
	return true;
}

size_t
names_street_end(const struct names_table *t, struct span word)
{
	size_t best = 0;

	for (size_t i = 0; i < t->nends; i++) {
		struct span end = span_str(t->ends[i]);
		if (end.n > best && word.n >= end.n + 3 && span_ends(word, end))
			best = end.n;
	}
	return best;
}

/* ---- reading ---- */

/* list = { "#" comment | term "\n" }. 0: read; else the number of the line at fault. */
static size_t
read_list(struct names_table *t, struct span text, uint32_t flag)
{
	size_t line = 0;

	while (text.n) {
		struct span term = span_trim(span_next(&text, '\n'), " \t\r");
		line++;
		if (term.n == 0 || term.p[0] == '#')
			continue;
		if (term.n > TERM_MAX || names_hash(term) == HASH_SEED ||
			!put(t, names_hash(term), flag) || !put_parts(t, term, flag))
			return line;
		if (flag == W_STREET_END && !put_end(t, term))
			return line;
	}
	return 0;
}

static void
digest_list(crypto_hash_sha256_state *h, uint32_t flag, struct span text)
{
	crypto_hash_sha256_update(h, (const unsigned char *)&flag, sizeof(flag));
	crypto_hash_sha256_update(h, (const unsigned char *)text.p, text.n);
}

static struct names_table *builtin;

static void
make_builtin(void)
{
	struct names_table *t = calloc(1, sizeof(*t));
	crypto_hash_sha256_state h;
	bool good = t != NULL;

	crypto_hash_sha256_init(&h);
	for (size_t i = 0; good && i < names_files_count; i++) {
		const struct detect_file *f = &names_files[i];
		good = flag_of(f->name) &&
		       !read_list(t, span_of(f->text, f->n), flag_of(f->name));
		digest_list(&h, flag_of(f->name), span_of(f->text, f->n));
	}
	if (!good) {
		names_free(&t);
		return;
	}
	crypto_hash_sha256_final(&h, t->digest);
	builtin = t;
}

const struct names_table *
names_builtin(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, make_builtin);
	return builtin;
}

static int
is_list(const struct dirent *e)
{
	struct span name = span_str(e->d_name);

	return name.n > 4 && name.p[0] != '.' && span_ends(name, SPAN_LIT(".txt"));
}

static void
load_file(struct names_table *t, const char *path, struct arena *a, struct diag *d,
	crypto_hash_sha256_state *h)
{
	FILE *f = fopen(path, "r");
	struct buf b;
	char chunk[4096];
	size_t n;

	if (!flag_of(path)) {
		diag_file(d, path,
			"no list of words has this name; see policies/detectors/names");
		goto out;
	}
	if (!f) {
		diag_file(d, path, "%s", strerror(errno));
		goto out;
	}
	buf_init(&b, 64u << 20);
	while ((n = fread(chunk, 1, sizeof(chunk), f)) > 0)
		buf_put(&b, chunk, n);
	struct span text = buf_view(&b);
	size_t line = ferror(f) || buf_failed(&b) ? 1 : read_list(t, text, flag_of(path));
	if (line) {
		struct yaml_node at = {
			.file = arena_strdup(a, path), .line = (unsigned)line, .column = 1
		};
		diag_at(d, &at,
			"a term has letters and at most %d bytes; a list at most %d terms",
			TERM_MAX, 1 << TABLE_BITS_MAX);
	}
	digest_list(h, flag_of(path), text);
	buf_free(&b);
out:
	if (f)
		fclose(f);
}

struct names_table *
names_load(const char *dir, struct arena *a, struct diag *d)
{
	struct names_table *t = calloc(1, sizeof(*t));
	struct dirent **v = NULL;
	crypto_hash_sha256_state h;
	int n = scandir(dir, &v, is_list, alphasort);

	crypto_hash_sha256_init(&h);
	if (n <= 0)
		diag_file(d, dir, "%s",
			n < 0 ? strerror(errno) : "no list of words (*.txt) in it");
	for (int i = 0; i < n; i++) {
		struct span path = arena_printf(a, "%s/%s", dir, v[i]->d_name);
		if (t && path.p)
			load_file(t, path.p, a, d, &h);
		free(v[i]);
	}
	free(v);
	if (t && (t->slots || grow(t)))
		crypto_hash_sha256_final(&h, t->digest);
	else
		names_free(&t);
	return t;
}

void
names_free(struct names_table **t)
{
	if (!*t)
		return;
	free((*t)->slots);
	free(*t);
	*t = NULL;
}

const unsigned char *
names_digest(const struct names_table *t)
{
	return t->digest;
}
