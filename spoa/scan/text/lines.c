/* Reads JSON lines (https://jsonlines.org): one document per line. Also merges the parts of a
 * body, which were read separately, into one body; multipart.c uses the same functions. */
#include "base/caps.h"
#include "base/codec/json.h"
#include "base/err.h"
#include "base/push.h"
#include "base/scoped.h"
#include "scan/text/model_names.h"
#include "scan/text/opaque.h"
#include "scan/text/table.h"

/* ---- merging a part into the whole ---- */

int
ref_add(struct body *b, size_t *room, const struct body_ref *r, struct arena *a)
{
	for (size_t i = 0; i < b->nrefs; i++)
		if (!strcmp(b->refs[i].kind, r->kind)) {
			b->refs[i].n += r->n;
			return 0;
		}
	return ARENA_PUSH(a, b->refs, b->nrefs, *room, 4, *r) ? 0 : ERR_NOMEM;
}

int
merge_param(struct merge *m, const struct body_param *p)
{
	struct body *b = m->out;

	return ARENA_PUSH(m->a, b->params, b->nparams, m->params_room, 8, *p) ? 0 : ERR_NOMEM;
}

int
merge_model(struct merge *m, const struct model_mark *mark)
{
	struct body_marks *k = &m->out->marks;

	if (!ARENA_PUSH(m->a, k->model, k->nmodels, m->models_room, 4, *mark))
		return ERR_NOMEM;
	if (!m->out->model.p && !mark->null)
		m->out->model = mark->name;
	return 0;
}

static int
add_request(struct merge *m, const struct request_mark *q, size_t base)
{
	struct body_marks *k = &m->out->marks;
	struct request_mark *v =
		ARENA_PUSH(m->a, k->request, k->nrequests, m->requests_room, 4, *q);

	if (!v)
		return ERR_NOMEM;
	v->top += base;
	if (q->holder) {
		v->holder += base;
		v->holder_end += base;
	}
	return 0;
}

static int
add_marks(struct merge *m, const struct body *sub, size_t base)
{
	const struct body_marks *k = &sub->marks;
	struct body_marks *to = &m->out->marks;
	size_t requests = to->nrequests;
	int err = 0;

	for (size_t i = 0; i < k->nmodels && !err; i++) {
		struct model_mark mark = k->model[i];
		mark.start += base;
		mark.end += base;
		err = merge_model(m, &mark);
	}
	for (size_t i = 0; i < k->nrequests && !err; i++)
		err = add_request(m, &k->request[i], base);
	for (size_t i = 0; i < k->ncaps && !err; i++) {
		struct cap_mark cap = k->cap[i];
		cap.start += base;
		cap.end += base;
		cap.request += (uint32_t)requests;
		if (!ARENA_PUSH(m->a, to->cap, to->ncaps, m->caps_room, 4, cap))
			err = ERR_NOMEM;
	}
	if (sub->output_cap_tokens > m->out->output_cap_tokens)
		m->out->output_cap_tokens = sub->output_cap_tokens;
	if (sub->choices > m->out->choices)
		m->out->choices = sub->choices;
	if (sub->prompts > m->out->prompts)
		m->out->prompts = sub->prompts;
	return err;
}

int
merge_add(struct merge *m, const struct body *sub, size_t base, uint32_t key)
{
	uint32_t first = (uint32_t)m->segs->n;
	int err = 0;

	for (size_t i = 0; i < sub->nsegments; i++) {
		if (m->segs->n == CAP_SEGMENTS)
			return ERR_LIMIT;
		struct segment *to = seglist_add(m->segs);
		if (!to)
			return ERR_NOMEM;
		*to = sub->segments[i];
		to->start += (uint32_t)base;
		to->end += (uint32_t)base;
		to->key = to->key != SEGMENT_NO_KEY ? to->key + first : key;
	}
	m->out->inspected_bytes += sub->inspected_bytes;
	for (size_t i = 0; i < sub->unread.nmedia && !err; i++) {
		struct media file = sub->unread.media[i];
		file.start += base;
		file.end += base;
		file.segment += file.segment != SEGMENT_NO_KEY ? first : 0;
		err = opaque_add(&m->out->unread, m->a, &file, 0);
	}
	m->out->unread.bytes += sub->unread.bytes;
	m->out->nids += sub->nids;
	m->out->ids_bytes += sub->ids_bytes;
	for (size_t i = 0; i < sub->nrefs && !err; i++)
		err = ref_add(m->out, &m->refs_room, &sub->refs[i], m->a);
	for (size_t i = 0; i < sub->nothers && !err; i++)
		err = model_add_other(m->out, sub->others[i], m->a);
	return err ? err : add_marks(m, sub, base);
}

/* ---- lines ---- */

/* Returns the "url" of a line that is a request of a batch; empty if there is none. */
static struct span
url_of(struct span line, struct arena *a)
{
	struct json *j = json_open(a, line);
	struct json_member m;
	struct json_event ev;
	struct span url = SPAN_LIT("");
	int err = 0;

	if (!j || json_next(j, &ev) != JSON_OBJECT)
		return url;
	while (json_member(j, a, line, &m, &ev, &err))
		if (span_is(m.key, "url") && ev.tok == JSON_STRING)
			url = json_text(a, line, &ev);
		else
			json_skip(j, &ev);
	return url;
}

/* Copies a text into the body's arena, unless it is a view of the raw line: the line's scratch
 * memory is released after it was read. */
static bool
keep_text_line(struct span *text, struct span raw, struct arena *a)
{
	if (!text->p || (text->p >= raw.p && text->p <= raw.p + raw.n))
		return true;
	*text = arena_dup(a, *text);
	return text->p != NULL;
}

static int
read_batch_line(const struct table *t, struct span line, struct arena *scratch, struct merge *m,
	size_t base, struct body_refusal *why)
{
	const struct table *by = t->line ? t->line(url_of(line, scratch)) : t;
	struct body sub;
	bool kept = true;

	m->out->loose |= !by->batch;
	int err = body_json(by, line, scratch, &sub, why);
	if (err) {
		why->at += base;
		return err;
	}
	for (size_t i = 0; i < sub.nsegments && kept; i++)
		kept = keep_text_line(&sub.segments[i].text, line, m->a);
	for (size_t i = 0; i < sub.marks.nmodels && kept; i++)
		kept = keep_text_line(&sub.marks.model[i].name, line, m->a);
	for (size_t i = 0; i < sub.nothers && kept; i++)
		kept = keep_text_line(&sub.others[i], line, m->a);
	err = kept ? merge_add(m, &sub, base, SEGMENT_NO_KEY) : ERR_NOMEM;
	if (err)
		refuse(why, 413, "request_too_complex", base, "the body has too many lines");
	return err;
}

int
body_lines(const struct table *t, struct span raw, struct arena *a, struct body *out,
	struct body_refusal *why)
{
	struct seglist segs = { .a = a };
	struct merge m = { .a = a, .out = out, .segs = &segs };
	struct span rest = raw;
	SCOPED_ARENA(scratch, CAP_REQUEST_ARENA, true);
	int err = 0;

	body_begin(out, t, BODY_LINES);
	while (rest.n && !err) {
		struct span line = span_next(&rest, '\n');
		if (!span_trim(line, " \t\r").n)
			continue;
		err = read_batch_line(t, line, &scratch, &m, (size_t)(line.p - raw.p), why);
		arena_reset(&scratch);
	}
	out->segments = segs.v;
	out->nsegments = segs.n;
	return err;
}
