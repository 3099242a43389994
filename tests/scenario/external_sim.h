/* A simulated external recognizer for scenarios, on the server of support/http_rig.h. The test
 * sets whether it answers correctly, slowly, wrongly or not at all. */
#ifndef TESTS_EXTERNAL_SIM_H
#define TESTS_EXTERNAL_SIM_H

#include <jansson.h>

#include "support/http_rig.h"

/* ---- the simulated recognizer: it finds names of persons ---- */

enum behaviour { GOOD, HANG, GARBAGE, BEHIND, STATUS, CLOSE, LATE, FLAG };

static struct {
	_Atomic int behaviour;
	_Atomic unsigned calls, texts, bearer;
	_Atomic bool release; /* requests that wait because of LATE are answered now */
} sim;

static inline size_t
points(const char *from, const char *to)
{
	size_t n = 0;

	for (; from < to; from++)
		n += ((unsigned char)*from & 0xc0) != 0x80;
	return n;
}

static inline json_t *
persons(const char *text)
{
	static const char *const names[] = { "zor blax", "quuxel" };
	json_t *list = json_array();

	for (size_t i = 0; i < 2; i++)
		for (const char *at = text; (at = strstr(at, names[i])); at++) {
			size_t start = points(text, at);
			json_array_append_new(
				list, json_pack("{s:s,s:i,s:i,s:f}", "entity_type", "PER",
					      "start", (int)start, "end",
					      (int)(start + strlen(names[i])), "score", 0.85));
		}
	/* Also finds one span that covers an address and the name before it. */
	const char *whole = strstr(text, "zibble <zibble@example.com>");
	if (whole)
		json_array_append_new(
			list, json_pack("{s:s,s:i,s:i,s:f}", "entity_type", "PER", "start",
				      (int)points(text, whole), "end",
				      (int)points(text, whole) + 27, "score", 0.9));
	return list;
}

static inline json_t *
answer_of(json_t *q)
{
	json_t *texts = json_object_get(q, "text"), *out = json_array(), *t;
	size_t i;

	if (json_is_array(json_object_get(q, "input"))) {
		json_array_foreach(json_object_get(q, "input"), i, t)
		{
			bool bad = strstr(json_string_value(t), "quuxel") != NULL;
			json_array_append_new(
				out, json_pack("{s:b,s:{s:b},s:{s:f}}", "flagged", bad,
					     "categories", "violence", bad, "category_scores",
					     "violence", bad ? 0.9 : 0.0));
		}
		json_t *o = json_object();
		json_object_set_new(o, "results", out);
		return o;
	}
	json_array_foreach(texts, i, t)
		json_array_append_new(out, persons(json_string_value(t)));
	return out;
}

static inline bool
on_request(void *arg, struct rig_conn *c, const struct rig_request *q)
{
	json_error_t err;
	json_t *doc = json_loadb(q->body.p, q->body.n, JSON_ALLOW_NUL, &err);

	(void)arg;
	atomic_fetch_add(&sim.calls, 1);
	atomic_fetch_add(
		&sim.texts, (unsigned)(json_array_size(json_object_get(doc, "text")) +
				       json_array_size(json_object_get(doc, "input"))));
	if (memmem(q->head.p, q->head.n, "Authorization: Bearer tok", 25))
		atomic_fetch_add(&sim.bearer, 1);
	int how = atomic_load(&sim.behaviour);
	while (how == LATE && !atomic_load(&sim.release))
		usleep(1000);
	json_t *a = answer_of(doc);
	char *text = json_dumps(a, JSON_COMPACT);
	bool more = true;
	switch (how) {
	case HANG:
		http_rig_hang(c);
		more = false;
		break;
	case GARBAGE: http_rig_answer(c, 200, "", SPAN_LIT("<html>busy</html>")); break;
	case BEHIND:
		http_rig_answer(c, 200, "",
			SPAN_LIT("[[{\"entity_type\":\"PER\",\"start\":0,\"end\":9999,"
				 "\"score\":1}]]"));
		break;
	case STATUS: http_rig_answer(c, 500, "", SPAN_LIT("no")); break;
	case CLOSE: more = false; break;
	default:
		http_rig_answer(c, 200, "Content-Type: application/json\r\n", span_str(text));
		break;
	}
	free(text);
	json_decref(a);
	json_decref(doc);
	return more;
}

/* Callbacks of an ask that never completes and is never canceled. */
static inline void
never(struct ask *a)
{
	(void)a;
	fail();
}

static inline bool
not_over(const struct ask *a)
{
	(void)a;
	return false;
}

#endif
