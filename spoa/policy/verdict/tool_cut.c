/* Removes elements from a JSON document: policy/verdict/tool_cut.h. */
#include "policy/verdict/tool_cut.h"

#include "base/err.h"
#include "base/push.h"

int
cut_bytes(struct cutting *c, size_t start, size_t end, struct span with)
{
	struct tool_cuts *o = c->out;
	struct splice s = { start, end, with };

	return ARENA_PUSH(c->a, o->v, o->n, o->room, 16, s) ? 0 : ERR_NOMEM;
}

int
cut_run_add(struct cutting *c, struct run *run, size_t start, size_t end, bool goes)
{
	int err = 0;

	if (goes) {
		run->from = run->from ? run->from : start;
		run->to = end;
		return 0;
	}
	if (run->from)
		err = cut_bytes(c, run->from, start, SPAN_LIT(""));
	run->from = 0;
	run->kept_end = end;
	return err;
}

int
cut_run_end(struct cutting *c, const struct run *run)
{
	if (!run->from)
		return 0;
	return cut_bytes(c, run->kept_end ? run->kept_end : run->from, run->to, SPAN_LIT(""));
}

int
cut_open(struct cutting *c, struct json_event *ev)
{
	if (!(c->j = json_open(c->a, c->in)))
		return ERR_NOMEM;
	if (json_next(c->j, ev) == JSON_OBJECT)
		return 0;
	int err = json_error(c->j, NULL, NULL);
	return err ? err : ERR_SYNTAX;
}

int
cut_pass(struct cutting *c, struct json_event *ev)
{
	json_skip(c->j, ev);
	return json_error(c->j, NULL, NULL);
}

int
cut_text(struct cutting *c, struct json_event *ev, struct span *to)
{
	if (ev->tok != JSON_STRING)
		return cut_pass(c, ev);
	*to = json_text(c->a, c->in, ev);
	return to->p ? 0 : ERR_NOMEM;
}
