/* What answer_read() makes of an event depends on where its tokens are, on its keys, and on
 * every value but one: a string that a row of the format calls text. Its bytes are passed on
 * and decide nothing. So an event that is equal up to that string and after it is what the last
 * one was, with another text there and all after it moved. */
#include "answer/event_template.h"

#include "base/err.h"
#include "codec/json.h"

void
event_template_init(struct event_template *t)
{
	memset(t, 0, sizeof(*t));
	buf_init(&t->event, TEMPLATE_BYTES);
}

void
event_template_free(struct event_template *t)
{
	buf_free(&t->event);
}

/* ---- views of one event as views of another ---- */

/* From one event to one that is equal but for the string that ends at `at`. */
struct shift {
	struct span from, to;
	size_t at;
	struct span type_from, type_to; /* what the framing says is the event's type */
};

static bool
is_within(struct span s, struct span all)
{
	return s.p >= all.p && s.p + s.n <= all.p + all.n;
}

static size_t
shifted(const struct shift *s, size_t offset)
{
	return offset < s->at ? offset : offset + s->to.n - s->from.n;
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

/* All but what the string itself says. */
static bool
shift_document(const struct shift *s, struct answer_document *d, size_t text)
{
	bool ok = shift_span(s, &d->type) && shift_span(s, &d->finish) &&
		  shift_span(s, &d->model);

	for (size_t i = 0; ok && i < d->ntexts; i++) {
		struct answer_text *t = &d->texts[i];
		if (i == text)
			continue;
		ok = shift_span(s, &t->text);
		t->start = shifted(s, t->start);
		t->end = shifted(s, t->end);
	}
	return ok;
}

/* ---- the last event ---- */

/* A string that a row calls text, and that does not say what the event is. */
static bool
may_differ(const struct answer_document *d, const struct answer_text *t)
{
	return t->kind != KIND_OTHER && !t->copy && !t->number && !t->key && !t->deep &&
	       !t->aside && !t->unnamed && d->type.p != t->text.p;
}

/* The one text of it that may differ; ntexts: it is of no use as a template. */
static size_t
differing_text(const struct answer_document *d)
{
	size_t text = d->ntexts;

	if (d->ntexts > TEMPLATE_TEXTS || d->ncalls || d->ninputs || d->nwithheld ||
		d->nseals || d->error || d->ends.any)
		return d->ntexts;
	for (size_t i = 0; i < d->ntexts; i++) {
		if (!may_differ(d, &d->texts[i]))
			continue;
		if (text < d->ntexts)
			return d->ntexts;
		text = i;
	}
	return text;
}

static void
keep_event(struct event_template *t, struct span event, struct span json,
	const struct answer_document *d)
{
	size_t text = differing_text(d);

	buf_clear(&t->event);
	if (text == d->ntexts || event.n + json.n > TEMPLATE_BYTES)
		return;
	buf_span(&t->event, event);
	buf_span(&t->event, json);
	struct span kept = buf_view(&t->event);
	t->type = span_cut(kept, 0, event.n);
	t->text = text;
	t->d = *d;
	t->d.texts = t->texts;
	t->d.texts_room = TEMPLATE_TEXTS;
	memcpy(t->texts, d->texts, d->ntexts * sizeof(*d->texts));
	struct shift s = { json, span_cut(kept, event.n, kept.n), json.n, event, t->type };
	if (buf_failed(&t->event) || !shift_document(&s, &t->d, text))
		buf_clear(&t->event);
}

/* ---- the next one ---- */

/* Whether it is the event that is kept, but for that text: *now is the bytes of it. */
static bool
is_another(
	const struct event_template *t, struct span event, struct span json, struct span *now)
{
	struct span kept = buf_view(&t->event);

	if (!kept.n || !span_eq(event, t->type))
		return false;
	kept = span_cut(kept, event.n, kept.n);
	size_t before = t->texts[t->text].start, after = kept.n - t->texts[t->text].end;
	if (json.n < before + after || json.n > TEMPLATE_BYTES)
		return false;
	*now = span_of(json.p + before, json.n - after - before);
	return !memcmp(kept.p, json.p, before) &&
	       !memcmp(kept.p + kept.n - after, json.p + json.n - after, after);
}

/* The string with these bytes between its quotes, by the reader that reads all of them. False:
 * they are not one string, or there is no memory. */
static bool
read_string(struct span bytes, struct arena *a, struct answer_text *t)
{
	struct span in = span_of(bytes.p - 1, bytes.n + 2);
	struct json_event ev;
	struct json *j = json_open(a, in);

	if (!j)
		return false;
	json_take_halves(j);
	if (json_next(j, &ev) != JSON_STRING)
		return false;
	t->text = json_text(a, in, &ev);
	t->halves = ev.halves;
	t->end = t->start + bytes.n;
	return t->text.p && json_next(j, &ev) == JSON_END;
}

/* False: it is read as any other. */
static bool
read_another(const struct event_template *t, struct span event, struct span json,
	struct span now, struct arena *a, struct answer_document *out)
{
	struct span kept = buf_view(&t->event);
	struct shift s = { span_cut(kept, event.n, kept.n), json, t->texts[t->text].end,
		t->type, event };

	*out = t->d;
	out->texts = arena_array(a, TEMPLATE_TEXTS, sizeof(*out->texts));
	if (!out->texts)
		return false;
	memcpy(out->texts, t->texts, out->ntexts * sizeof(*out->texts));
	return read_string(now, a, &out->texts[t->text]) && shift_document(&s, out, t->text);
}

int
event_template_read(struct event_template *t, const struct answer_format *f, struct span event,
	struct span json, struct arena *a, struct answer_document *out, const char **why)
{
	struct span now;

	if (is_another(t, event, json, &now) && read_another(t, event, json, now, a, out))
		return 0;
	int err = answer_read(f, event, json, a, out, why);
	if (err)
		buf_clear(&t->event);
	else
		keep_event(t, event, json, out);
	return err;
}
