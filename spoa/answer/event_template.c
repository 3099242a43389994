/* Reuses the result of answer_read() for events that differ from the previous one only in gaps.
 *
 * The result depends on the places of the tokens, on the keys, and on most values. It does not
 * depend on a string that is text, and nothing is derived from skipped words and numbers. So if
 * all bytes between such gaps are equal to those of the kept event, the result is equal too,
 * with other texts and with shifted offsets. keep_event() stores an event, is_another()
 * compares the next one, and shift_document() moves the result.
 *
 * Example: the kept event is `{"id":"x","n":1,"text":"a"}` with gaps at x, 1 and a. For
 * `{"id":"x","n":2,"text":"hello"}` only the string "hello" is decoded. */
#include "answer/event_template.h"

#include "base/ascii.h"
#include "base/codec/json.h"
#include "base/err.h"

/* digits of a number in a gap; a longer one is parsed, since it may be a finding */
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

/* The content of a gap. */
struct filling {
	struct span s;
	bool plain; /* a text without escapes: its bytes are its value */
};

/* How to move views of event `from` to event `to`. */
struct shift {
	struct span from, to;		/* data of both events */
	struct span type_from, type_to; /* types of both events from the framing */
	const struct gap *gaps;		/* gaps of `from` */
	const struct filling *now;	/* their contents in `to` */
	size_t ngaps;
};

static bool
is_within(struct span s, struct span all)
{
	return s.p >= all.p && s.p + s.n <= all.p + all.n;
}

/* Returns the offset in `to` of an offset in `from` that is in no gap. */
static size_t
shifted(const struct shift *s, size_t offset)
{
	size_t to = offset;

	for (size_t i = 0; i < s->ngaps && s->gaps[i].at.end <= offset; i++)
		to += s->now[i].s.n - (s->gaps[i].at.end - s->gaps[i].at.start);
	return to;
}

/* Moves a view. Returns false if it is a view of neither data nor type. */
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

/* Decodes the string whose bytes are between quotes, with the parser that reads whole events.
 * Returns false if the bytes are not one string, or memory is out. */
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

/* Moves all views and offsets. Returns false if a view belongs to neither event, or a text is
 * not a string. */
static bool
shift_document(const struct shift *s, struct arena *a, struct answer_document *d)
{
	size_t gap = 0;
	bool ok = shift_span(s, &d->type) && shift_span(s, &d->finish) &&
		  shift_span(s, &d->model);

	d->hidden.at.start = shifted(s, d->hidden.at.start);
	d->hidden.at.end = shifted(s, d->hidden.at.end);
	d->sequence.start = shifted(s, d->sequence.start);
	d->sequence.end = shifted(s, d->sequence.end);
	for (size_t i = 0; i < d->nmodels; i++) {
		struct answer_range *at = &d->models[i];
		if (ok && i + 1 == d->nmodels && d->nmodels < ANSWER_MODELS) {
			/* the view of `model`, which is not a gap */
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

/* ---- the event that is kept ---- */

/* Lists the gaps in the order of the bytes: texts, and skipped words and numbers. */
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
		/* Returns true for a string from which nothing else is derived. Numbers, keys,
		 * arguments, words that do not look like words of the format, and the event's
		 * type are excluded. */
		const struct answer_text *x = i < d->ntexts ? &d->texts[i] : NULL;
		if (x && !x->number && !x->key && !x->deep && !x->aside &&
			d->type.p != x->text.p)
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
			/* decoded again for each event */
			t->texts[t->gaps[i].text].text = span_of(NULL, 0);
	struct shift s = {
		.from = json, .to = t->json, .type_from = event, .type_to = t->type
	};
	if (buf_failed(&t->event) || !shift_document(&s, NULL, &t->d))
		buf_clear(&t->event);
}

/* ---- the next event ---- */

static size_t
string_bytes(struct span s, bool *plain)
{
	size_t i = json_special(s, 0);

	*plain = i < s.n && s.p[i] == '"';
	while (i < s.n && s.p[i] != '"')
		i += s.p[i] == '\\' ? 2 : 1;
	return i < s.n ? i : s.n;
}

/* Reads the content of a gap, which begins with the first byte of `from`. Returns false if the
 * content is not permitted there. */
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

/* Returns true if `json` continues at `at` with the bytes of the kept event from `was` to
 * `until`. */
static bool
goes_on(const struct event_template *t, struct span json, size_t at, size_t was, size_t until)
{
	return json.n - at >= until - was && !memcmp(json.p + at, t->json.p + was, until - was);
}

/* Returns true if the event equals the kept one outside of the gaps, and sets the gaps'
 * contents. Words and numbers mostly stay the same, so the bytes up to the next text are first
 * compared with a single memcmp(). */
static bool
is_another(const struct event_template *t, struct span event, struct span json,
	struct filling now[TEMPLATE_GAPS])
{
	/* `json` matches the kept event in all bytes before these offsets */
	size_t was = 0, at = 0;

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

/* Builds the result from the kept one. Returns false if the event has to be parsed. */
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
