/* A scan: the stages in order, each adding candidates, then the resolution of their
 * overlaps. What a stage needs of memory is in the scratch. */
#include <stdlib.h>

#include "base/caps.h"
#include "base/effort.h"
#include "base/err.h"
#include "scan/detect/disguise/evade.h"
#include "scan/detect/engine.h"
#include "scan/detect/names/names.h"

enum {
	MATCH_LIMIT = 200000, /* of one attempt, in PCRE2's own units */
	DEPTH_LIMIT = 2000,
	HEAP_LIMIT_KB = 4096,
	JIT_STACK_MIN = 32 << 10,
	JIT_STACK_MAX = 1 << 20,
	CANDIDATES_KEPT = 512, /* room that stays for the next text */
};

struct detect_scratch *
detect_scratch_new(const struct detect_rules *r)
{
	struct detect_scratch *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->rules = r;
	s->context = pcre2_match_context_create(NULL);
	s->stack = pcre2_jit_stack_create(JIT_STACK_MIN, JIT_STACK_MAX, NULL);
	s->data = pcre2_match_data_create(16, NULL);
	s->free_from = calloc(r->npatterns + 1, sizeof(size_t));
	s->keyed = malloc(KEYED_ROOM);
	/* No stack: PCRE2 then uses 32 KB of the machine's own, and says so when it is full. */
	if (!s->context || !s->data || !s->free_from || !s->keyed) {
		detect_scratch_free(&s);
		return NULL;
	}
	pcre2_set_match_limit(s->context, MATCH_LIMIT);
	pcre2_set_depth_limit(s->context, DEPTH_LIMIT);
	pcre2_set_heap_limit(s->context, HEAP_LIMIT_KB);
	if (s->stack)
		pcre2_jit_stack_assign(s->context, NULL, s->stack);
	return s;
}

void
detect_scratch_wipe(struct detect_scratch *s)
{
	explicit_bzero(s->keyed, KEYED_ROOM);
	evade_wipe(s);
}

void
detect_scratch_free(struct detect_scratch **sp)
{
	struct detect_scratch *s = *sp;

	if (!s)
		return;
	pcre2_match_data_free(s->data);
	pcre2_jit_stack_free(s->stack);
	pcre2_match_context_free(s->context);
	free(s->free_from);
	free(s->v);
	if (s->keyed)
		explicit_bzero(s->keyed, KEYED_ROOM);
	free(s->keyed);
	evade_free(s);
	free(s);
	*sp = NULL;
}

/* All that could match: nothing gives way to anything. */
static int
keep_all(const struct detect_scratch *s, struct arena *a, struct findings *out)
{
	struct finding *v = arena_array(a, s->n, sizeof(*v));

	if (s->n > CAP_FINDINGS)
		return ERR_LIMIT;
	if (!v)
		return ERR_NOMEM;
	if (s->n)
		memcpy(v, s->v, s->n * sizeof(*v));
	for (size_t i = 0; i < s->n; i++)
		v[i].flags &= (uint16_t)~FINDING_WHILE;
	*out = (struct findings){ .v = v, .n = s->n };
	return 0;
}

int
scan_candidates(const struct detect_rules *r, struct detect_scratch *s, struct span text,
	const struct detect_options *opt)
{
	s->n = 0;
	s->evasion = s->found_one = false;
	int err = rules_scan(r, s, text, opt);
	if (!err)
		err = evade_scan(rules_scan, r, s, text, opt);
	if (!err)
		err = names_scan(r, s, text, opt);
	return err;
}

/* First for the entities that are asked for, up to the first of them; only where there is one,
 * for all that competes with it, too. */
static int
find_used(const struct detect_rules *r, struct detect_scratch *s, struct span text,
	const struct detect_options *opt)
{
	struct detect_options some = *opt;
	size_t known = s->known ? s->known->n : 0;

	some.thresholds = opt->used->thresholds;
	s->first_only = true;
	int err = scan_candidates(opt->used->rules, s, text, &some);
	s->first_only = false;
	if (!s->found_one)
		return err;
	if (s->known)
		s->known->n = known;
	return scan_candidates(r, s, text, opt);
}

struct column_table *
detect_table_new(struct arena *a)
{
	struct column_table *t = arena_new(a, struct column_table);

	if (t)
		t->more = true;
	return t;
}

void
detect_table_pass(struct column_table *t, struct span text, bool more)
{
	columns_pass(t, text);
	t->more = more;
}

uint64_t
detect_work(size_t n)
{
	size_t first = n < CAP_WORK_FIRST ? n : CAP_WORK_FIRST;

	return CAP_WORK_TEXT + (uint64_t)CAP_WORK_RATIO * first +
	       (uint64_t)CAP_WORK_FURTHER * (n - first);
}

int
detect_scan(const struct detect_rules *r, struct detect_scratch *s, struct span text,
	const struct detect_options *opt, struct arena *a, struct findings *out)
{
	*out = (struct findings){ 0 };
	INVARIANT(s->rules == r);
	if (text.n == 0)
		return 0;
	bool opened = effort_open(detect_work(text.n));
	const struct detect_used *used = opt ? opt->used : NULL;
	int err = used && used->rules ? find_used(r, s, text, opt)
				      : scan_candidates(r, s, text, opt);
	if (!err && opt && opt->all_candidates)
		err = keep_all(s, a, out);
	else if (!err)
		err = overlap_resolve(r, s->v, s->n, a, out);
	s->overworked = effort.over;
	if (opened)
		effort_close();
	if (s->room > CANDIDATES_KEPT) { /* a text full of findings */
		free(s->v);
		s->v = NULL;
		s->room = s->n = 0;
	}
	if (err)
		return err;
	/* What is found in their place is a sample too: the best of what overlaps has been
	 * chosen. */
	if (opt && opt->skip_samples) {
		size_t kept = 0;
		for (size_t i = 0; i < out->n; i++)
			if (!(out->v[i].flags & FINDING_SAMPLE))
				out->v[kept++] = out->v[i];
		out->n = kept;
	}
	if (used)
		used_filter(used, out);
	out->evasion = s->evasion;
	for (size_t i = 0; i < out->n; i++)
		out->evasion |= (out->v[i].flags & FINDING_EVASION) != 0;
	return 0;
}

bool
detect_overworked(const struct detect_scratch *s)
{
	return s->overworked;
}

bool
detect_is_clean(const struct detect_rules *r, struct detect_scratch *s, struct span word,
	struct arena *a)
{
	struct findings found;

	for (size_t i = 0; i < COUNT_OF(s->clean); i++)
		if (s->clean[i].n && span_eq(word, span_of(s->clean[i].p, s->clean[i].n)))
			return true;
	if (detect_scan(r, s, word, NULL, a, &found) || found.n)
		return false;
	if (word.n <= sizeof(s->clean[0].p)) {
		unsigned i = s->next_clean++ % COUNT_OF(s->clean);
		memcpy(s->clean[i].p, word.p, word.n);
		s->clean[i].n = word.n;
	}
	return true;
}
