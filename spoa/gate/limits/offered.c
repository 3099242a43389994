/* Applies rules with phase: tool to the tools that a chat request offers. Tools that rules hide
 * are removed from the body. If a rule denies a tool that the provider itself would run, the
 * request is denied. A batch's file contains many requests: each is examined, and a denial of
 * one denies all. */
#include "gate/limits/limits.h"

#include <stdlib.h>

#include "base/err.h"
#include "base/scoped.h"
#include "policy/policy.h"
#include "policy/rule.h"
#include "policy/verdict/tool_filter.h"

/* Keeps the cuts of one request, which begins at offset `from` of the body. */
static bool
keep_cuts(struct request *r, const struct tool_cuts *cuts, size_t from)
{
	struct found_offer *f = &r->found.offer;
	struct splice *v = arena_array(&r->arena, f->ncuts + cuts->n, sizeof(*v));

	if (!v)
		return false;
	if (f->ncuts)
		memcpy(v, f->cut, f->ncuts * sizeof(*v));
	for (size_t i = 0; i < cuts->n; i++)
		v[f->ncuts++] = (struct splice){ cuts->v[i].start + from, cuts->v[i].end + from,
			SPAN_LIT("") };
	f->cut = v;
	f->hidden += cuts->hidden;
	f->by = f->by ? f->by : cuts->by;
	return true;
}

static enum step_result
filter_one(struct request *r, const struct answer_request *asked, size_t from)
{
	struct tool_filter f = { 0 };
	struct tool_cuts cuts;
	int err = ERR_NOMEM;

	SCOPED_ARENA(own, 0, true);
	if ((f.judge = tool_list_new(r->snap->policy, asked, &own)))
		err = tool_filter_offered(
			&f, span_cut(r->in.raw, from, r->in.raw.n), &own, &cuts);
	if (!err && arena_failed(&own))
		err = ERR_NOMEM;
	bool kept = !err && (cuts.n == 0 || keep_cuts(r, &cuts, from)) &&
		    (r->in.body.marks.nrequests > 1 ||
			    !tools_told_copy(&cuts.told, &r->arena, &r->found.offer.told));
	bool refuses = !err && cuts.refuses, odd = !err && cuts.odd_uri;
	const struct rule *refused = refuses ? cuts.refused : NULL;
	if (err && err != ERR_NOMEM)
		return request_deny(r, 403, "unreadable_content", "",
			SPAN_LIT("the tool definitions in the request cannot be read; check "
				 "its tools"));
	if (!kept)
		return request_overload(r);
	if (odd)
		request_count_uri(r, refuses && !refused ? M_URI_REFUSED : M_URI_PASSED);
	if (refuses)
		return request_deny(r, 403, "content_policy_violation",
			refused ? refused->name : "",
			span_str(refused ? refused->reason : tool_odd_uri));
	return STEP_NEXT;
}

enum step_result
request_filter_offered(struct request *r)
{
	const struct body_marks *m = &r->in.body.marks;
	struct answer_request asked;
	struct policy_facts facts;

	r->found.offer = (struct found_offer){ 0 };
	/* no such rule applies to offered tools, or there is nothing to examine */
	if (!r->snap->policy->ntool_rules || !r->found.route->uses.offered ||
		!r->in.have_body || !m->nrequests || r->found.message ||
		!dialect_has_model(r->found.endpoint.family))
		return STEP_NEXT;
	request_asked_facts(r, &facts);
	facts.entries = true;
	if (policy_answer_request(r->snap->policy, &facts, &r->arena, &asked))
		return request_overload(r);
	for (size_t i = 0; i < m->nrequests; i++)
		if (m->request[i].top &&
			filter_one(r, &asked, m->request[i].top - 1) == STEP_DECIDED)
			return STEP_DECIDED;
	return STEP_NEXT;
}
