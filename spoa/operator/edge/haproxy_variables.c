/* Which variables a line writes (configuration.txt 2.8, 7.3.1): by an action, by a converter in
 * any of its expressions, by set-var of global. Arguments of converters may be quoted and
 * escaped once more. */
#include "operator/edge/haproxy_file.h"

static const struct span writers[] = { SPAN_LIT("set-var("), SPAN_LIT("set-var-fmt("),
	SPAN_LIT("do-resolve(") };

/* The first writer in a text: what follows its brace; p NULL: none. "unset-var(" holds one. */
static struct span
after_writer(struct span text)
{
	struct span first = { NULL, 0 };

	for (size_t i = 0; i < COUNT_OF(writers); i++) {
		const char *p = memmem(text.p, text.n, writers[i].p, writers[i].n);
		size_t at = p ? (size_t)(p - text.p) + writers[i].n : 0;
		if (p && (!first.p || text.p + at < first.p))
			first = span_cut(text, at, text.n);
	}
	return first;
}

bool
haproxy_written(const struct haproxy_line *l, struct haproxy_written *w, struct span *name)
{
	size_t n = 0;

	if (w->word == 0 && w->at == 0 &&
		(span_is(l->word[0], "set-var") || span_is(l->word[0], "set-var-fmt"))) {
		w->word = 1;
		*name = haproxy_word(l, 1);
		return name->n != 0;
	}
	for (; w->word < l->n; w->word++, w->at = 0) {
		struct span word = l->word[w->word];
		struct span rest = after_writer(span_cut(word, w->at, word.n));
		if (!rest.p)
			continue;
		for (; rest.n && *rest.p != ',' && *rest.p != ')';
			rest = span_cut(rest, 1, rest.n))
			if (!strchr("\"'\\ \t", *rest.p) && n < sizeof(w->name))
				w->name[n++] = *rest.p;
		w->at = (size_t)(rest.p - word.p);
		*name = span_of(w->name, n);
		return true;
	}
	return false;
}

bool
haproxy_writes(const struct haproxy_line *l, struct span name)
{
	struct haproxy_written w = { .word = 0 };
	struct span written;

	while (haproxy_written(l, &w, &written))
		if (span_eq(written, name))
			return true;
	return false;
}
