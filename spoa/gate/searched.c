/* What a policy searches texts for, and the record that says so: a later reader of decisions
 * knows by it what they could not hold. */
#include <stdlib.h>

#include "audit/audit.h"
#include "base/caps.h"
#include "base/clock.h"
#include "base/err.h"
#include "gate/snapshot.h"

static void
used_of(const struct snapshot *s, struct entity_set *out)
{
	const struct policy *p = s->policy, *shadow = s->shadow_policy;

	for (size_t i = 0; i < COUNT_OF(out->bit); i++)
		out->bit[i] = p->used.bit[i] | (shadow ? shadow->used.bit[i] : 0);
}

/* What the shadow policy's rules on answers can use; false: anything. */
static bool
shadow_uses(const struct snapshot *s, struct entity_set *used)
{
	const struct policy *p = s->shadow_policy;

	*used = (struct entity_set){ { 0 } };
	for (size_t i = 0; p && i < p->nroutes; i++) {
		const struct answer_uses *u = &p->routes[i].uses;
		if (u->any && u->all)
			return false;
		for (size_t k = 0; u->any && k < COUNT_OF(used->bit); k++)
			used->bit[k] |= u->entities.bit[k];
	}
	return true;
}

/* A byte of a stream waits only for what a rule that reaches its route can use. */
static int
use_in_answers(struct snapshot *s)
{
	const struct policy *p = s->policy;
	struct entity_set shadow, used;

	s->answers = arena_array(&s->arena, p->nroutes + 1, sizeof(*s->answers));
	if (!s->answers)
		return ERR_NOMEM;
	for (size_t i = 0; i < p->nroutes; i++) {
		const struct answer_uses *u = &p->routes[i].uses;
		if (!u->any || u->all || !shadow_uses(s, &shadow))
			continue;
		for (size_t k = 0; k < COUNT_OF(used.bit); k++)
			used.bit[k] = u->entities.bit[k] | shadow.bit[k];
		s->answers[i] = detect_used_new(s->rules, used.bit, p->thresholds);
		if (!s->answers[i])
			return ERR_NOMEM;
	}
	return 0;
}

int
snapshot_use(struct snapshot *s)
{
	struct entity_set used;

	if (use_in_answers(s))
		return ERR_NOMEM;
	if (s->policy->uses_all || (s->shadow_policy && s->shadow_policy->uses_all))
		return 0;
	used_of(s, &used);
	s->used = detect_used_new(s->rules, used.bit, s->policy->thresholds);
	if (!s->used)
		return ERR_NOMEM;
	policy_entities_hash(s->rules, &used, s->searched);
	return 0;
}

static void
put_names(const struct snapshot *s, const struct entity_set *set, struct buf *b)
{
	const char *comma = "";

	buf_putc(b, '[');
	for (size_t e = 0; e < detect_entity_count(s->rules); e++)
		if (entity_in(set, e)) {
			buf_str(b, comma);
			buf_json_str(b, span_str(detect_entity_name(s->rules, e)));
			comma = ",";
		}
	buf_putc(b, ']');
}

/* By the hash that records of answers say. */
static void
put_answers(const struct snapshot *s, struct buf *b)
{
	const struct policy *p = s->policy;
	size_t n = 0;

	for (size_t i = 0; i < p->nroutes; i++) {
		const struct answer_uses *u = &p->routes[i].uses;
		bool said = !u->any || !strcmp(u->searched, "all");
		for (size_t k = 0; k < i && !said; k++)
			said = !strcmp(p->routes[k].uses.searched, u->searched);
		if (said)
			continue;
		buf_str(b, n++ ? "," : ",\"answers\":{");
		buf_json_str(b, span_str(u->searched));
		buf_putc(b, ':');
		put_names(s, &u->entities, b);
	}
	if (n)
		buf_putc(b, '}');
}

static void
put_searched(const struct snapshot *s, struct buf *b)
{
	struct entity_set used;

	buf_str(b, ",\"searched\":");
	buf_json_str(b, span_str(s->searched));
	if (!s->used)
		return;
	used_of(s, &used);
	buf_str(b, ",\"entities\":");
	put_names(s, &used, b);
}

/* Whose records say observed, and until when. */
static void
put_observe(const struct observe *o, struct buf *b)
{
	char when[CLOCK_RFC3339_LEN];

	if (!o->backend)
		return;
	clock_rfc3339(o->until_ns, when);
	buf_printf(b, ",\"observe\":{\"until\":\"%s\",\"backend\":", when);
	buf_json_str(b, span_str(o->backend));
	for (size_t i = 0; i < o->nhosts; i++) {
		buf_str(b, i ? "," : ",\"hosts\":[");
		buf_json_str(b, span_str(o->hosts[i]));
	}
	buf_str(b, o->nhosts ? "]}" : "}");
}

static void
announced(struct audit_entry *e, int err)
{
	(void)err;
	buf_free(&e->fields);
	free(e);
}

void
snapshot_announce(const struct snapshot *s, struct audit *audit)
{
	struct audit_entry *e = audit ? calloc(1, sizeof(*e)) : NULL;

	if (!e)
		return;
	buf_init(&e->fields, CAP_RECORD_BYTES);
	buf_str(&e->fields, "\"type\":\"policy\",\"policy\":");
	buf_json_str(&e->fields, span_str(s->policy->label));
	buf_str(&e->fields, ",\"policy_version\":");
	buf_json_str(&e->fields, span_str(s->policy->version));
	put_searched(s, &e->fields);
	put_answers(s, &e->fields);
	put_observe(&s->policy->observe, &e->fields);
	e->keep = true;
	e->done = announced;
	audit_append(audit, e);
}
