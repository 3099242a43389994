/* A request to a provider with `exchange` or `on_behalf_of` waits for the caller's token at
 * this provider, after its decision is on record and before it is sent. The relay refuses it if
 * there is none: the exchange's plan then has `refused`. */
#include <stdlib.h>

#include "base/codec/credentials.h"
#include "base/err.h"
#include "gate/engine/engine.h"
#include "gate/exchange.h"
#include "policy/policy.h"

static struct arena *
arena_of_plan(struct exchange *x)
{
	return x->tries ? &x->own : &x->r->arena;
}

/* The header that asks the client to log in: the identity provider's own words, or the route's
 * login. */
static struct span
challenge_of(struct exchange *x, const struct caller_ask *ask)
{
	const struct login *l = x->r->found.route->login;

	if (ask->challenge[0])
		return arena_dup(arena_of_plan(x), span_str(ask->challenge));
	return l ? arena_printf(arena_of_plan(x),
			   "Bearer resource_metadata=\"%s\", error=\"invalid_token\"",
			   l->metadata)
		 : (struct span){ NULL, 0 };
}

static void
add_token(struct exchange *x, struct caller_ask *ask)
{
	struct http_head *h = &x->plan.head;
	struct span value = arena_dup(arena_of_plan(x), span_of(ask->value, ask->n));
	struct caller_token_facts *facts =
		arena_new(arena_of_plan(x), struct caller_token_facts);

	if (!value.n || !facts) {
		x->plan.refused =
			(struct plan_refused){ CALLER_TOKEN_AWAY, "out of memory", value };
		return;
	}
	*facts = ask->facts;
	x->on_behalf.facts = facts;
	h->fields[h->nfields++] =
		(struct http_field){ SPAN_LIT(CREDENTIAL_SET "authorization"), value };
}

static void
token_is_here(struct caller_ask *ask)
{
	struct exchange *x = TAGGED(exchange, ask->exchange);
	struct on_behalf *b = &x->on_behalf;
	struct request *r = x->r;
	void (*then)(struct exchange *) = b->then;

	INVARIANT(b->ask == ask && then);
	b->then = NULL;
	if (ask->end == CALLER_TOKEN_HERE)
		add_token(x, ask);
	else
		x->plan.refused = (struct plan_refused){ ask->end,
			arena_strdup(arena_of_plan(x), ask->why), challenge_of(x, ask) };
	caller_ask_clear(ask);
	free(ask);
	b->ask = NULL;
	request_answered(r);
	if (r->run.life >= LIFE_FINISH)
		request_late(r);
	else
		then(x);
}

void
on_behalf_begin(struct exchange *x, void (*then)(struct exchange *x))
{
	struct on_behalf *b = &x->on_behalf;
	struct request *r = x->r;

	INVARIANT(!b->ask && !b->then);
	b->facts = NULL;
	x->plan.refused = (struct plan_refused){ CALLER_TOKEN_HERE, NULL, { NULL, 0 } };
	if (!b->token.n || x->plan.replays || x->plan.document.n || x->plan.unrecorded) {
		then(x);
		return;
	}
	struct caller_ask *ask = calloc(1, sizeof(*ask));
	if (!ask) {
		x->plan.refused = (struct plan_refused){ CALLER_TOKEN_AWAY, "out of memory",
			{ NULL, 0 } };
		then(x);
		return;
	}
	*ask = (struct caller_ask){ .back = token_is_here,
		.exchange = x,
		.to = r->gate->mail,
		.auth = request_auth(r, request_target(r)),
		.token = b->token,
		.person = r->found.identity.person,
		.expires_s = b->expires_s };
	b->ask = ask;
	b->then = then;
	request_asked(r);
	caller_token_ask(ask);
}
