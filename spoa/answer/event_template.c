/* What answer_read() makes of an event depends on where its tokens are, on its keys, and on all
 * values but some: a string that is text is passed on and decides nothing, and of words and
 * numbers where a format has those nothing is made. So an event that is equal between such gaps
 * is what the last one was, with other texts in them and all after them moved. */
#include "answer/event_template.h"

#include "base/ascii.h"
#include "base/codec/json.h"
#include "base/err.h"

enum { NUMBER_DIGITS = 15 };

void
event_template_init(struct event_template *t)
{
	memset(t, 0, sizeof(*t));
	buf_init(&t->event, CAP_EVENT_TEMPLATE);
}

void
event_template_free(struct event_template *t)
{
	buf_free(&t->event);
}

/* ---- views of one event as views of another ---- */

struct filling {
	struct span s;
	bool plain; /* of a text: it is what it spells */
};

struct shift {
	struct span from, to;		/* the two */
	struct span type_from, type_to; /* what the framing says is their type */
	const struct gap *gaps;		/* of `from` */
	const struct filling *now;	/* what is in them in `to` */
	size_t ngaps;
};

static bool
is_within(struct span s, struct span all)
{
	return s.p >= all.p && s.p + s.n <= all.p + all.n;
}

/* Of an offset that is in no gap. */
static size_t
shifted(const struct shift *s, size_t offset)
{
	size_t to = offset;

	for (size_t i = 0; i < s->ngaps && s->gaps[i].at.end <= offset; i++)
		to += s->now[i].s.n - (s->gaps[i].at.end - s->gaps[i].at.start);
	return to;
}

/* False: it is a view of neither. */
static bool
shift_span(const struct shift *s, struct span *v)
{
	if (!v->p)
		return true;
	if (is_within(*v, s->from))
		v->p = s->to.p + shifted(s, (size_t)(v->p - s->from.p));
	else if (s->type_from.p && is_within(*v, s->type_from))
		v->p = s->type_to.p + (v->p - s->type_from.p);
	else
		return false;
	return true;
}

/* The string with these bytes between its quotes, by the reader that reads all of them. False:
 * they are not one string, or there is no memory. */
static bool
read_string(const struct filling *f, struct arena *a, struct answer_text *t)
{
	struct span in = span_of(f->s.p - 1, f->s.n + 2);
	struct json_event ev;

	if (f->plain) {
		t->text = f->s;
		t->halves = false;
		return true;
	}
	struct json *j = json_open(a, in);
	if (!j)
		return false;
	json_take_halves(j);
	if (json_next(j, &ev) != JSON_STRING)
		return false;
	t->text = json_text(a, in, &ev);
	t->halves = ev.halves;
	return t->text.p && json_next(j, &ev) == JSON_END;
}

/* False: a view is of neither event, or a text is none. */
static bool
shift_document(const struct shift *s, struct arena *a, struct answer_document *d)
{
	size_t gap = 0;
	bool ok = shift_span(s, &d->type) && shift_span(s, &d->finish) &&
		  shift_span(s, &d->model);

	d->hidden.at.start = shifted(s, d->hidden.at.start);
	d->hidden.at.end = shifted(s, d->hidden.at.end);
	for (size_t i = 0; i < d->nmodels; i++) {
		struct answer_range *at = &d->models[i];
		if (ok && i + 1 == d->nmodels && d->nmodels < ANSWER_MODELS) {
			/* what `model` views, which is no gap */
			at->start = (size_t)(d->model.p - s->to.p);
			at->end = at->start + d->model.n;
			continue;
		}
		at->start = shifted(s, at->start);
		at->end = shifted(s, at->end);
	}
	for (size_t i = 0; ok && i < d->ntexts; i++) {
		struct answer_text *t = &d->texts[i];
		while (gap < s->ngaps &&
			(s->gaps[gap].kind != GAP_TEXT || s->gaps[gap].text < i))
			gap++;
		if (gap < s->ngaps && s->gaps[gap].text == i) {
			t->start = (size_t)(s->now[gap].s.p - s->to.p);
			t->end = t->start + s->now[gap].s.n;
			ok = read_string(&s->now[gap], a, t);
		} else {
			ok = shift_span(s, &t->text);
			t->start = shifted(s, t->start);
			t->end = shifted(s, t->end);
		}
	}
	return ok;
}

/* ---- the last event ---- */

/* Of texts and what is skipped, each in its order. */
static void
find_gaps(struct event_template *t, const struct answer_document *d)
{
	size_t s = 0;

	INVARIANT(d->ntexts <= TEMPLATE_TEXTS && d->nskipped <= ANSWER_SKIPPED);
	t->ngaps = 0;
	for (size_t i = 0; i <= d->ntexts; i++) {
		size_t until = i < d->ntexts ? d->texts[i].start : SIZE_MAX;
		for (; s < d->nskipped && d->skipped[s].at.start < until; s++)
			t->gaps[t->ngaps++] =
				(struct gap){ d->skipped[s].number ? GAP_NUMBER : GAP_WORD,
					d->skipped[s].at, 0 };
		/* A string of which nothing but itself is made: not one that is a text for what
		 * is in it, or that says what the event is. */
		const struct answer_text *x = i < d->ntexts ? &d->texts[i] : NULL;
		if (x && !x->number && !x->key && !x->deep && !x->aside && d->type.p != x->text.p)
			t->gaps[t->ngaps++] = (struct gap){ GAP_TEXT, { x->start, x->end }, i };
	}
}

static void
keep_event(struct event_template *t, struct span event, struct span json,
	const struct answer_document *d)
{
	buf_clear(&t->event);
	if (event.n + json.n > CAP_EVENT_TEMPLATE || d->ntexts > TEMPLATE_TEXTS || d->ncalls ||
		d->ninputs || d->nwithheld || d->nseals || d->error || d->ends.any ||
		(d->counts && d->usage))
		return;
	buf_span(&t->event, event);
	buf_span(&t->event, json);
	t->type = span_cut(buf_view(&t->event), 0, event.n);
	t->json = span_cut(buf_view(&t->event), event.n, event.n + json.n);
	find_gaps(t, d);
	t->d = *d;
	t->d.texts = t->texts;
	t->d.usage = NULL;
	if (d->ntexts)
		memcpy(t->texts, d->texts, d->ntexts * sizeof(*d->texts));
	for (size_t i = 0; i < t->ngaps; i++)
		if (t->gaps[i].kind == GAP_TEXT)
			t->texts[t->gaps[i].text].text = span_of(NULL, 0); /* is read anew */
	struct shift s = {
		.from = json, .to = t->json, .type_from = event, .type_to = t->type
	};
	if (buf_failed(&t->event) || !shift_document(&s, NULL, &t->d))
		buf_clear(&t->event);
}

/* ---- the next one ---- */

static size_t
string_bytes(struct span s, bool *plain)
{
	size_t i = json_special(s, 0);

	*plain = i < s.n && s.p[i] == '"';
	while (i < s.n && s.p[i] != '"')
		i += s.p[i] == '\\' ? 2 : 1;
	return i < s.n ? i : s.n;
}

/* What is in the gap, from the first byte of it on. False: not what may be. */
static bool
fills(enum gap_kind kind, struct span from, struct span was, struct filling *now)
{
	size_t n = kind == GAP_NUMBER ? span_past(from, 0, is_digit)
				      : string_bytes(from, &now->plain);

	now->s = span_cut(from, 0, n);
	switch (kind) {
	case GAP_WORD: return span_eq(now->s, was) || answer_is_word(now->s);
	case GAP_NUMBER: return n && n <= NUMBER_DIGITS && (n == 1 || now->s.p[0] != '0');
	default: return true;
	}
}

/* Where the bytes of `json` from `at` on are those of the kept event from `was` to `until`. */
static bool
goes_on(const struct event_template *t, struct span json, size_t at, size_t was, size_t until)
{
	return json.n - at >= until - was && !memcmp(json.p + at, t->json.p + was, until - was);
}

/* Whether it is the event that is kept, but for what is in the gaps. Words and numbers mostly
 * are what they were: all of them up to the next text are compared at once. */
static bool
is_another(const struct event_template *t, struct span event, struct span json,
	struct filling now[TEMPLATE_GAPS])
{
	size_t was = 0, at = 0; /* so far they are equal */

	if (!t->event.n || json.n > CAP_EVENT_TEMPLATE || !span_eq(event, t->type))
		return false;
	for (size_t i = 0, text = 0; i <= t->ngaps; i++) {
		const struct gap *g = &t->gaps[i];
		for (text = text < i ? i : text; text < t->ngaps; text++)
			if (t->gaps[text].kind == GAP_TEXT)
				break;
		bool same = text > i &&
			    goes_on(t, json, at, was,
				    text < t->ngaps ? t->gaps[text].at.start : t->json.n);
		for (; same && i < text; i++, g++)
			now[i].s = span_cut(json, at + g->at.start - was, at + g->at.end - was);
		size_t until = i < t->ngaps ? g->at.start : t->json.n;
		if (!same && !goes_on(t, json, at, was, until))
			return false;
		at += until - was;
		was = until;
		if (i == t->ngaps)
			break;
		if (!fills(g->kind, span_cut(json, at, json.n),
			    span_cut(t->json, g->at.start, g->at.end), &now[i]))
			return false;
		at += now[i].s.n;
		was = g->at.end;
	}
	return at == json.n;
}

/* False: it is read as any other. */
static bool
read_another(const struct event_template *t, struct span event, struct span json,
	const struct filling *now, struct arena *a, struct answer_document *out)
{
	struct shift s = { t->json, json, t->type, event, t->gaps, now, t->ngaps };

	*out = t->d;
	out->texts = arena_array(a, out->ntexts, sizeof(*out->texts));
	if (!out->texts)
		return false;
	memcpy(out->texts, t->texts, out->ntexts * sizeof(*out->texts));
	return shift_document(&s, a, out);
}

int
event_template_read(struct event_template *t, const struct answer_format *f,
	const struct dialect *counts, struct span event, struct span json, struct arena *a,
	struct answer_document *out, const char **why)
{
	struct filling now[TEMPLATE_GAPS];

	if (is_another(t, event, json, now) && read_another(t, event, json, now, a, out))
		return 0;
	int err = answer_read(f, counts, event, json, a, out, why);
	if (err)
		buf_clear(&t->event);
	else
		keep_event(t, event, json, out);
	return err;
}
