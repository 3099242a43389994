/* matches(): PCRE2 with limits on backtracking and memory. The search is part of the
 * pattern (.*? before it), so that one limit, in proportion to the text, counts all the
 * work: no pattern and no text take longer. Everything PCRE2
 * allocates comes from an arena, or, while matching, from scratch memory of the
 * thread, so that nothing has to be freed. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "policy/cel/functions/regex.h"

#include <pcre2.h>
#include <stdalign.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/regex/regex.h"

#define STEPS_LEAST  100000 /* of PCRE2: some 10 ms; */
#define STEPS_A_BYTE 16
#define STEPS_MOST   64000000 /* about a second */
#define HEAP_KIB     512
#define PATTERN_MAX  4096
#define SCRATCH_SIZE (48u << 10)

struct cel_regex {
	pcre2_code *code;
};

struct scratch {
	struct arena *a; /* once the buffer is full */
	size_t used, spilled;
	alignas(max_align_t) char p[SCRATCH_SIZE];
};

static _Thread_local struct scratch scratch;

static void *
from_arena(PCRE2_SIZE n, void *arena)
{
	return arena_alloc(arena, n);
}

static void *
from_scratch(PCRE2_SIZE n, void *arg)
{
	struct scratch *s = arg;
	size_t room =
		(n + alignof(max_align_t) - 1) / alignof(max_align_t) * alignof(max_align_t);

	if (room < n || room > SCRATCH_SIZE - s->used) {
		s->spilled += n;
		return arena_alloc(s->a, n);
	}
	s->used += room;
	return s->p + s->used - room;
}

static void
keep_regex(void *p UNUSED, void *arg UNUSED)
{
}

const struct cel_regex *
cel_regex_compile(struct arena *a, struct span pattern, const char **why)
{
	struct cel_regex *re = arena_new(a, struct cel_regex);
	pcre2_general_context *gc = pcre2_general_context_create(from_arena, keep_regex, a);
	pcre2_compile_context *cc = gc ? pcre2_compile_context_create(gc) : NULL;
	struct arena tmp;
	struct buf text;
	struct regex tree;
	int error = 0;
	PCRE2_SIZE at = 0;

	*why = "the pattern is too long";
	if (pattern.n > PATTERN_MAX)
		return NULL;
	*why = "out of memory";
	if (!re || !cc)
		return NULL;
	pcre2_set_newline(cc, PCRE2_NEWLINE_LF);
	pcre2_set_parens_nest_limit(cc, 100);
	arena_init(&tmp, 0, false);
	buf_init(&text, 0);
	if (!regex_read(&tmp, pattern, REGEX_RE2, true, &tree)) {
		*why = tree.why;
		goto out;
	}
	buf_str(&text, "(?s:.*?)(?:");
	buf_span(&text, tree.text);
	buf_putc(&text, ')');
	if (buf_failed(&text))
		goto out;
	re->code = pcre2_compile((PCRE2_SPTR)buf_view(&text).p, text.n,
		PCRE2_UTF | PCRE2_DOLLAR_ENDONLY | PCRE2_NEVER_BACKSLASH_C |
			PCRE2_NO_AUTO_POSSESS | PCRE2_NO_DOTSTAR_ANCHOR,
		&error, &at, cc);
	if (!re->code && !arena_failed(a))
		*why = "not a valid regular expression";
out:
	buf_free(&text);
	arena_reset(&tmp);
	return re->code ? re : NULL;
}

int
cel_regex_match(
	const struct cel_regex *re, struct span subject, struct arena *a, size_t *spilled)
{
	scratch.a = a;
	scratch.used = 0;
	scratch.spilled = 0;
	pcre2_general_context *gc =
		pcre2_general_context_create(from_scratch, keep_regex, &scratch);
	pcre2_match_data *md = gc ? pcre2_match_data_create(1, gc) : NULL;
	pcre2_match_context *limits = gc ? pcre2_match_context_create(gc) : NULL;
	if (!md || !limits)
		return ERR_NOMEM;
	uint64_t steps = STEPS_LEAST + (uint64_t)subject.n * STEPS_A_BYTE;
	pcre2_set_match_limit(limits, steps < STEPS_MOST ? (uint32_t)steps : STEPS_MOST);
	pcre2_set_heap_limit(limits, HEAP_KIB);
	int rc = pcre2_match(re->code, (PCRE2_SPTR)(subject.p ? subject.p : ""), subject.n, 0,
		PCRE2_ANCHORED, md, limits);
	*spilled = scratch.spilled;
	if (rc >= 0)
		return 1;
	if (rc == PCRE2_ERROR_NOMATCH)
		return 0;
	if (rc == PCRE2_ERROR_NOMEMORY)
		return ERR_NOMEM;
	return rc <= PCRE2_ERROR_UTF8_ERR1 && rc >= PCRE2_ERROR_UTF8_ERR21 ? ERR_ENCODING
									   : ERR_LIMIT;
}
