/* What stands in a decision's record beside the request itself: what rules read from outside,
 * and what a second policy says. */
#include "steps/steps.h"

#include "policy/explain.h"

enum { VALUE_MAX = 8192 };

/* One list of names, where there are any. */
static void
put_names(struct buf *b, const char *member, const char *const *names, unsigned which)
{
	size_t n = 0;

	if (!which)
		return;
	buf_printf(b, ",\"%s\":[", member);
	for (size_t i = 0; i < 32; i++)
		if (which >> i & 1) {
			buf_str(b, n++ ? "," : "");
			buf_json_str(b, span_str(names[i]));
		}
	buf_putc(b, ']');
}

/* A value that is too long is named only. */
void
record_data(struct request *r, struct buf *b)
{
	const struct policy *p = r->snap->policy;
	const char *names[CAP_DATA];
	struct policy_facts f;
	unsigned left_out = 0;
	size_t n = 0;

	if (!r->found.have_verdict || !r->found.verdict.data_read)
		return;
	request_facts(r, &f);
	for (size_t i = 0; i < p->ndata; i++) {
		struct buf text;
		names[i] = p->data[i].name;
		if (!(r->found.verdict.data_read >> i & 1))
			continue;
		struct cel_value v = policy_data(p, &f, i, &r->arena);
		buf_init(&text, VALUE_MAX);
		cel_json(&v, &text);
		if (buf_failed(&text)) {
			left_out |= 1u << i;
		} else {
			buf_str(b, n++ ? "," : ",\"data\":{");
			buf_json_str(b, span_str(names[i]));
			buf_putc(b, ':');
			buf_span(b, buf_view(&text));
		}
		buf_free(&text);
	}
	if (n)
		buf_putc(b, '}');
	put_names(b, "data_left_out", names, left_out);
}

void
record_shadow(struct request *r, struct buf *b)
{
	static const char *const names[] = { "decision", "rule", "redactions", "route" };
	const struct shadow *s = &r->found.shadow;

	if (!s->asked)
		return;
	buf_str(b, ",\"shadow_policy\":{\"policy\":");
	buf_json_str(b, span_str(r->snap->shadow_policy->label));
	if (s->failed) {
		buf_str(b, ",\"failed\":true");
	} else {
		buf_printf(b, ",\"decision\":\"%s\"", rule_effect_name(s->effect));
		if (s->status)
			buf_printf(b, ",\"status\":%d", s->status);
		if (s->rule[0]) {
			buf_str(b, ",\"rule\":");
			buf_json_str(b, span_str(s->rule));
		}
	}
	put_names(b, "differs", names, s->differs);
	buf_putc(b, '}');
}
