/* Makes shingles of documents, reads lists of shingles, and finds runs of known shingles in a
 * text. The shingle is a rolling hash: a new word is added and the oldest subtracted, so a text
 * takes constant time a word. */
#include "scan/detect/custom/fingerprint.h"

#include <errno.h>
#include <stdlib.h>

#include "base/ascii.h"
#include "base/err.h"
#include "base/file_set.h"
#include "base/scoped.h"

#define BASE UINT64_C(0x9E3779B97F4A7C15)

enum { ONE_LINE = 17, BITS_MAX = 24 };

/* A list of shingles. Immutable after loading. */
struct fingerprints {
	uint64_t *slots; /* open addressing; 0: a free slot */
	size_t nslots, n;
	struct hash_bits bits; /* for early rejection */
	uint64_t sum[2];
};

/* Returns BASE^SHINGLE_WORDS modulo 2^64, the factor of the word that leaves the window. */
static uint64_t
leaving_factor(void)
{
	uint64_t v = 1;

	for (unsigned i = 0; i < SHINGLE_WORDS; i++)
		v *= BASE;
	return v;
}

static bool
shingle_is_varied(const struct shingler *s)
{
	unsigned different = 0;

	for (unsigned i = 0; i < SHINGLE_WORDS && different < SHINGLE_VARIED; i++) {
		unsigned k = 0;
		while (k < i && s->hash[k] != s->hash[i])
			k++;
		different += k == i;
	}
	return different == SHINGLE_VARIED;
}

bool
shingle_next(struct shingler *s, const struct text_word *w, uint64_t *shingle)
{
	size_t at = s->n % SHINGLE_WORDS;

	s->rolling = s->rolling * BASE + w->hash;
	if (s->n >= SHINGLE_WORDS)
		s->rolling -= leaving_factor() * s->hash[at];
	s->hash[at] = w->hash;
	s->start[at] = w->start;
	s->n++;
	if (s->n < SHINGLE_WORDS)
		return false;
	/* Mix the bits: the low bits of the sum depend only on the low bits of the words. */
	uint64_t h = (s->rolling ^ s->rolling >> 32) * BASE;
	h ^= h >> 29;
	*shingle = h ? h : 1;
	return true;
}

size_t
fingerprint_make(struct span text, struct buf *out)
{
	struct word_cursor c = words_over(text);
	struct shingler s = { .n = 0 };
	struct text_word w;
	uint64_t window[SHINGLE_WINDOW], h, kept = 0;
	size_t n = 0, kept_at = 0, made = 0;

	while (word_next(&c, &w)) {
		if (!shingle_next(&s, &w, &h))
			continue;
		window[n++ % SHINGLE_WINDOW] = shingle_is_varied(&s) ? h : UINT64_MAX;
		if (n < SHINGLE_WINDOW)
			continue;
		/* the smallest of the window; of equal ones, the latest */
		size_t least = n - 1;
		for (size_t i = n - 1; i-- > n - SHINGLE_WINDOW;)
			if (window[i % SHINGLE_WINDOW] < window[least % SHINGLE_WINDOW])
				least = i;
		h = window[least % SHINGLE_WINDOW];
		if (h == UINT64_MAX || (made && least == kept_at && h == kept))
			continue;
		kept = h;
		kept_at = least;
		made++;
		buf_printf(out, "%016llx\n", (unsigned long long)h);
	}
	return made;
}

/* ---- lists ---- */

void
fingerprints_free(struct fingerprints **fp)
{
	struct fingerprints *f = *fp;

	*fp = NULL;
	if (!f)
		return;
	free(f->slots);
	free(f->bits.v);
	free(f);
}

static uint64_t *
shingle_slot(const struct fingerprints *f, uint64_t shingle)
{
	size_t i = shingle & (f->nslots - 1);

	while (f->slots[i] && f->slots[i] != shingle)
		i = (i + 1) & (f->nslots - 1);
	return &f->slots[i];
}

static struct fingerprints *
with_room(size_t n)
{
	struct fingerprints *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	for (f->nslots = 64; f->nslots < 2 * n;)
		f->nslots *= 2;
	f->slots = calloc(f->nslots, sizeof(*f->slots));
	f->bits = hash_bits_for(n, BITS_MAX);
	if (!f->slots || !f->bits.v)
		fingerprints_free(&f);
	return f;
}

static void
shingle_add(struct fingerprints *f, uint64_t shingle)
{
	uint64_t *slot = shingle_slot(f, shingle);

	if (*slot)
		return;
	*slot = shingle;
	hash_bits_add(f->bits, shingle);
	f->n++;
	f->sum[0] += shingle;
	f->sum[1] += (shingle ^ shingle >> 31) * BASE;
}

static bool
read_shingle_hash(struct span line, uint64_t *out)
{
	*out = 0;
	for (size_t i = 0; i < line.n; i++)
		*out = *out << 4 | (unsigned)hex_value(line.p[i]);
	return line.n == 16 && span_past(line, 0, is_lower_hex) == 16 && *out;
}

static void
read_fingerprint_lines(struct fingerprints *f, struct span rest, const char *file,
	const struct yaml_node *at, struct diag *diag)
{
	struct yaml_node here = { .file = file, .column = 1 };
	uint64_t h;

	for (here.line = 1; rest.n; here.line++) {
		struct span line = span_trim(span_next(&rest, '\n'), " \t\r");
		if (here.line == 1 && !span_is(line, FINGERPRINT_HEAD)) {
			diag_at(diag, &here,
				"\"%s\" is expected as the first line: make the list with "
				"`tollgate detectors fingerprint`",
				FINGERPRINT_HEAD);
			return;
		}
		if (line.n == 0 || line.p[0] == '#')
			continue;
		if (!read_shingle_hash(line, &h)) {
			diag_at(diag, &here, "16 hexadecimal digits are expected, found %.*s",
				SPAN_ARG(span_cut(line, 0, 40)));
			return;
		}
		if (f->n == SHINGLES_MAX) {
			diag_at(diag, &here, "more than %d fingerprints", SHINGLES_MAX);
			return;
		}
		shingle_add(f, h);
	}
	if (f->n == 0)
		diag_at(diag, at, "fingerprints: %s: the file has none", file);
}

struct fingerprints *
fingerprints_load(const char *file, const struct yaml_node *at, struct diag *diag)
{
	struct fingerprints *f = NULL;
	unsigned errors = diag->errors;
	SCOPED_BUF(text, SHINGLES_FILE);

	if (!file_set_read_as(FILE_OF_WORDS, &text, file))
		diag_at(diag, at, "fingerprints: %s: %s", file, strerror(errno));
	else if (buf_failed(&text))
		diag_at(diag, at, "fingerprints: %s: larger than %d MB", file,
			SHINGLES_FILE >> 20);
	else if (!(f = with_room(text.n / ONE_LINE + 1)))
		diag_at(diag, at, "fingerprints: %s: %s", file, err_str(ERR_NOMEM));
	else
		read_fingerprint_lines(f, buf_view(&text), file, at, diag);
	if (diag->errors != errors)
		fingerprints_free(&f);
	return f;
}

size_t
fingerprints_count(const struct fingerprints *f)
{
	return f->n;
}

size_t
fingerprints_bytes(const struct fingerprints *f)
{
	return f->nslots * sizeof(*f->slots) + hash_bits_size(f->bits);
}

uint64_t
fingerprints_sum(const struct fingerprints *f, unsigned which)
{
	return f->sum[which & 1];
}

/* ---- runs ---- */

bool
fingerprints_search(const struct fingerprints *f, const struct shingler *s, uint64_t shingle,
	size_t end, size_t least, struct shingle_run *run, struct shingle_run *over)
{
	size_t last = s->n, first = last - SHINGLE_WORDS;
	bool closed = false;

	if (!hash_bits_may(f->bits, shingle) || !*shingle_slot(f, shingle))
		return false;
	if (run->shingles && first > run->last + RUN_GAP) {
		*over = *run;
		run->shingles = 0;
		closed = true;
	}
	if (run->shingles == 0) {
		run->first = first;
		/* the oldest of the last eight words */
		run->start = s->start[s->n % SHINGLE_WORDS];
		run->covered = 0;
		run->last = first;
	}
	run->covered += last - (first > run->last ? first : run->last);
	run->last = last;
	run->end = end;
	if (run->shingles >= least)
		return closed;
	for (size_t i = 0; i < run->shingles; i++)
		if (run->seen[i] == shingle)
			return closed;
	run->seen[run->shingles++] = shingle;
	return closed;
}
