/* What a record says of findings and recognizers. */
#include "base/scoped.h"
#include "gate/steps/record.h"
#include "policy/section.h"

#include <stdlib.h>

/* One entity's findings of one list. */
struct tally {
	size_t n, samples;
	double best;
	unsigned sources; /* bit by recognizer */
};

static void
tally(struct tally *t, const struct hit *hits, size_t n, size_t entity)
{
	for (size_t i = 0; i < n; i++) {
		const struct finding *f = &hits[i].f;
		if (f->entity != entity || hits[i].kind >= HIT_POSSIBLE)
			continue;
		t->n++;
		t->samples += (f->flags & FINDING_SAMPLE) != 0;
		if ((double)f->score > t->best)
			t->best = (double)f->score;
		t->sources |= 1u << (f->flags >> FINDING_SOURCE_SHIFT);
	}
}

/* "by": the recognizers that found it, where there are any. */
static void
put_sources(struct request *r, struct buf *b, unsigned sources)
{
	const struct policy *p = r->snap->policy;
	size_t n = 0;

	for (size_t i = 0; i < p->nexternals; i++)
		if (sources >> p->externals[i].rec.source & 1)
			put_text_item(
				b, RF_ENTITIES_BY, n++, span_str(p->externals[i].rec.name));
	put_end(b, n);
}

/* Who was asked, and what came of it. */
/* What on_failure.classifier said, where it is by classes and somebody was silent. */
static void
put_unclassified(struct request *r, struct buf *b)
{
	const struct policy_class *by = r->found.unclassified_by;
	bool silent =
		r->found.classifier_failed || (r->found.have_verdict && request_unanswered(r));

	for (size_t i = 0; i < r->scan.nrecognitions; i++)
		silent |= r->scan.recognitions[i].outcome != ASK_ANSWERED;
	if (!silent || !request_on_failure(r)->nby_class)
		return;
	put_object(b, RF_UNCLASSIFIED);
	put_name(b, RF_UNCLASSIFIED_APPLIED, outcome_words[r->found.unclassified]);
	put_name(b, RF_UNCLASSIFIED_CLASS, by ? by->name : NULL);
	buf_putc(b, '}');
}

void
record_recognitions(struct request *r, struct buf *b)
{
	for (size_t i = 0; i < r->scan.nrecognitions; i++) {
		const struct recognition *c = &r->scan.recognitions[i];
		put_object_item(b, RF_RECOGNIZERS, i);
		put_name(b, RF_RECOGNIZERS_NAME, c->x->rec.name);
		put_name(b, RF_RECOGNIZERS_OUTCOME, ask_outcome_names[c->outcome]);
		if (c->outcome != ASK_ANSWERED)
			put_name(b, RF_RECOGNIZERS_APPLIED, outcome_words[c->applied]);
		put_int(b, RF_RECOGNIZERS_TEXTS, (int64_t)c->texts);
		put_int(b, RF_RECOGNIZERS_REMEMBERED, (int64_t)c->cached);
		put_int(b, RF_RECOGNIZERS_US, (int64_t)c->us);
		buf_putc(b, '}');
	}
	put_end(b, r->scan.nrecognitions);
	put_unclassified(r, b);
}

/* As a rule read it: it has no further digits. */
static void
put_injection(struct request *r, struct buf *b)
{
	if (!r->snap->policy->scores)
		return;
	put_roles(b, RF_INJECTION_ROLES, r->snap->policy->inject_roles);
	key(b, RF_INJECTION);
	buf_printf(b, "%.6f", r->found.injection);
	if (r->found.injection_pattern) {
		key(b, RF_INJECTION_REASON);
		buf_printf(b, "\"pattern:%s\"", r->found.injection_pattern);
	}
}

/* How often each entity was found, with its best score. */
void
record_findings(struct request *r, struct buf *b)
{
	bool first = true;

	SCOPED_BUF(names, 4096);
	request_classes(r, &names);
	key(b, RF_CLASSES);
	buf_putc(b, '[');
	struct span rest = buf_view(&names);
	for (; rest.n; first = false) {
		buf_str(b, first ? "" : ",");
		buf_json_str(b, span_next(&rest, ','));
	}
	buf_putc(b, ']');
	put_injection(r, b);
	if (r->scan.nhits + r->scan.nextra == 0)
		return;
	put_object(b, RF_ENTITIES);
	for (size_t e = 0; e < detect_entity_count(r->snap->rules); e++) {
		struct tally t = { 0 };
		if (!entity_in(&r->found.entities, e))
			continue;
		tally(&t, r->scan.hits, r->scan.nhits, e);
		tally(&t, r->scan.extra, r->scan.nextra, e);
		if (t.n == 0)
			continue;
		key_in_map(b, detect_entity_name(r->snap->rules, e));
		/* Further mentions of one entity's values that are replaced too. */
		size_t further = 0;
		for (size_t i = 0; i < r->scan.overlay.nhits; i++)
			further += r->scan.overlay.hits[i].of &&
				   r->scan.overlay.hits[i].f.entity == e;
		buf_putc(b, '{');
		put_int(b, RF_ENTITIES_COUNT, (int64_t)(t.n + further));
		key(b, RF_ENTITIES_SCORE);
		buf_printf(b, "%.2f", t.best);
		put_count(b, RF_ENTITIES_MENTIONS, further);
		put_count(b, RF_ENTITIES_SAMPLES, t.samples);
		put_roles(b, RF_ENTITIES_ROLES, r->found.roles ? r->found.roles[e] : 0);
		put_sources(r, b, t.sources);
		put_name(b, RF_ENTITIES_WITH, request_redacted_with(r, e));
		buf_putc(b, '}');
	}
	buf_putc(b, '}');
}
