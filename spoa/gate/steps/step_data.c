/* The step *data*: fetches values that conditions read from Redis and URLs. May wait for them.
 */
#include "gate/steps/steps.h"

#include "policy/policy.h"

static void
data_came(struct data_wait *w)
{
	struct request *r = TAGGED(request, w->arg);

	r->found.data_held[w->i] = w->value;
	if (w->value)
		r->found.data[w->i] = &w->value->v;
	if (--r->run.data_waits == 0 || r->run.life != LIFE_STEPS)
		r->calls->back(r);
	else
		request_answered(r);
}

static void
ask_data(struct request *r, size_t i)
{
	const struct data_source *s = &r->snap->policy->data[i];
	struct data_wait *w = &r->run.data_wait[i];

	*w = (struct data_wait){ .done = data_came, .arg = r, .i = i };
	int got = data_get(r->gate->data, s, &r->found.data_held[i], w);
	if (got > 0)
		r->found.data[i] = &r->found.data_held[i]->v;
	if (got == 0) {
		r->run.data_waits++;
		request_asked(r);
	}
}

/* Fetches only values that a condition in force reads, once for each request: the body is
 * decided with the same values as the head. */
enum step_result
step_data(struct request *r)
{
	const struct policy *p = r->snap->policy;
	bool asks = false;

	for (size_t i = 0; i < p->ndata; i++)
		asks |= p->data[i].read && p->data[i].kind != DATA_FILE;
	if (!asks)
		return STEP_NEXT;
	if (!r->run.data_asked) {
		r->run.data_asked = true;
		for (size_t i = 0; r->gate && i < p->ndata; i++)
			if (p->data[i].read && p->data[i].kind != DATA_FILE)
				ask_data(r, i);
		if (r->run.data_waits) {
			return request_waits(r, WAIT_DATA);
		}
	}
	request_waited(r);
	for (size_t i = 0; i < p->ndata; i++)
		if (p->data[i].read && p->data[i].kind != DATA_FILE && !r->found.data[i] &&
			!p->data[i].skip)
			return request_deny(r, 503, "data_unavailable", "",
				arena_printf(&r->arena, "data.%s is unavailable; retry later",
					p->data[i].name));
	return STEP_NEXT;
}

void
request_drop_data(struct request *r)
{
	for (size_t i = 0; i < CAP_DATA; i++)
		data_value_unref(&r->found.data_held[i]);
}
