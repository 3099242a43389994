/* Reads the words of the injection model from its features. */
#include "support/inject_words.h"

struct watching {
	struct inject_walk walk; /* first member: watch_word() is given its address */
	const struct inject_patterns *patterns;
	struct pattern_state state;
};

static void
ignore_features(struct inject_walk *w, bool end)
{
	(void)w, (void)end;
}

static void
watch_word(struct inject_walk *w, uint32_t hash)
{
	struct watching *x = (struct watching *)(void *)w;

	inject_pattern_word(x->patterns, &x->state, hash, w->nwords);
}

uint64_t
words_match(const struct inject_patterns *p, struct span text)
{
	struct watching x;

	memset(&x, 0, sizeof(x));
	x.patterns = p;
	inject_walk_begin(&x.walk, ignore_features);
	x.walk.watch = p->watch;
	x.walk.seen = watch_word;
	inject_walk_text(&x.walk, text);
	inject_walk_end(&x.walk);
	return x.state.found;
}
