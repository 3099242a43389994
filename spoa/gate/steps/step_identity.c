/* The step *identity*: determines the caller. May wait for an issuer's keys. */
#include "gate/steps/steps.h"

#include "base/attr.h"
#include "base/err.h"
#include "base/log.h"
#include "base/scoped.h"
#include "base/utf8.h"
#include "policy/identity_entry.h"
#include "policy/policy.h"

/* Returns true if the API key may be used on this route: it has no scopes, or names the route.
 */
static bool
key_in_scope(const struct request *r)
{
	for (size_t i = 0; i < r->found.identity.nscopes; i++)
		if (!strcmp(r->found.identity.scopes[i], r->found.route->name))
			return true;
	return r->found.identity.nscopes == 0;
}

struct span
request_listed(struct request *r, const char *const *names, size_t n)
{
	enum { BYTES_SHOWN = 256 };
	SCOPED_BUF(list, 0);

	for (size_t i = 0; i < n && list.n <= BYTES_SHOWN; i++)
		buf_printf(&list, "%s%s", i ? ", " : "", names[i]);
	struct span all = buf_view(&list);
	struct span shown = span_cut(all, 0, BYTES_SHOWN);
	shown.n = utf8_prefix(shown);
	return arena_printf(&r->arena, "%.*s%s", SPAN_ARG(shown), shown.n < all.n ? " …" : "");
}

/* Returns the reason for refusing a request whose route is not among the key's scopes, as a string
 * in the request's arena. */
static struct span
why_out_of_scope(struct request *r)
{
	struct span scopes =
		request_listed(r, r->found.identity.scopes, r->found.identity.nscopes);
	struct span why = arena_printf(&r->arena,
		"the API key is not permitted on route %s: its scopes are %.*s",
		r->found.route->name, SPAN_ARG(scopes));

	return why.n ? why : SPAN_LIT("the API key is not permitted on this route");
}

/* The issuer's keys arrived, or could not be fetched. */
static void
keys_came(struct mail *m, void *consumer UNUSED)
{
	struct request *r = TAGGED_OF(request, run.keys_waiter.mail, m);

	request_waited(r);
	r->calls->back(r);
}

/* The token's key is unknown. Waits once for the issuer's current keys. Returns false if the
 * request does not wait. */
static bool
waits_for_keys(struct request *r, const struct credentials *given)
{
	if (!r->gate || r->run.waited_for_keys)
		return false;
	r->run.waited_for_keys = true;
	r->run.keys_waiter.mail.run = keys_came;
	r->run.keys_waiter.to = r->gate->mail;
	r->run.keys_waiter.since_us = r->begun_us;
	request_asked(r);
	request_waits(r, WAIT_KEYS);
	if (keyset_wait(given->missed, &r->run.keys_waiter))
		return true;
	request_answered(r);
	request_waited(r);
	return false;
}

/* Returns true if the caller sent any credential, valid or not. */
static bool
presents_credential(const struct request *r)
{
	const struct policy *p = r->snap->policy;

	for (size_t i = 0; i < p->nidentities; i++)
		if (p->identities[i].header &&
			http_field_nth(&r->in.head, p->identities[i].header, 0))
			return true;
	return false;
}

const char *
request_identity_again(struct request *r)
{
	struct live *live = r->gate->shared->live;
	const struct apikeys *keys = live ? &live_enter(live, r->worker)->keys : NULL;
	const struct identity was = r->found.identity;
	const char *why = "out of memory";

	int err = identity_again(r->snap->policy, r->snap->keys, keys, &was, r->now_wall_ns,
		&r->arena, &r->found.identity, &why);
	if (live)
		live_leave(live, r->worker);
	if (err)
		return why;
	return key_in_scope(r) ? NULL : why_out_of_scope(r).p;
}

/* Returns true if a web page could have opened the WebSocket with its visitor's address or
 * client certificate, because browsers permit that without asking (no CORS check). A page needs
 * to know a key or token, so those are safe. */
static bool
is_sent_unasked(const struct request *r)
{
	const struct identity *id = &r->found.identity;

	return r->in.socket && (!id->verified || !strcmp(id->method, "client_certificate"));
}

/* Continues with a known caller. */
static enum step_result
identity_known(struct request *r)
{
	if (!r->gate)
		return STEP_NEXT;
	if (is_sent_unasked(r) && request_not_by_page(r) == STEP_DECIDED)
		return STEP_DECIDED;
	return request_hold_identity(r);
}

/* Probes are requests of `tollgate check --probe`, which asks what replies to a request on each
 * host. A probe runs through the steps up to this one, so that framing, hosts and routes are
 * checked like those of other requests, and is decided now: only its key counts. It has no
 * person, takes no limit and no budget, and its records have the type "probe".
 *
 * By default a probe does not reach a provider. The HAProxy lines that then reply exist on each
 * edge that can serve requests at all, even if an earlier version wrote them:
 *
 *   direct  HAProxy receives the decision "observed" with via=direct (engine/vars.c). The probe
 * takes the way of a permitted request, and the guard of the provider's backend, which lets
 * only "permit" pass, replies 503. relay   HAProxy's second pass asks for a backend that does
 * not exist (head.c). The stanza's line before the provider's backend replies 503.
 */
static enum step_result
decide_probe(struct request *r)
{
	struct span key;
	bool foreign;

	if (!r->gate || !r->gate->shared->has_probe_secret || r->in.socket ||
		r->in.body_state == BODY_STATE_PARTIAL ||
		identity_presented(&r->in.head, "authorization", &key, &foreign) || foreign)
		return STEP_NEXT;
	r->found.probe = probe_key_read(r->gate->shared->probe_secret, key, r->now_wall_ns,
		r->in.head.method, r->in.body_raw);
	if (!r->found.probe)
		return STEP_NEXT;
	/* a probe without a body is for a route without bodies, where a provider might return
	 * data */
	r->found.probe_stops =
		!r->snap->policy->probe_provider || r->in.body_state == BODY_STATE_NONE;
	r->found.identity = (struct identity){ .method = "probe", .verified = true };
	r->found.identified = true;
	if (request_hold_identity(r) == STEP_DECIDED)
		return STEP_DECIDED;
	r->in.raw = r->in.body_raw;
	hmac_sha256(r->gate->shared->prompt_key, r->in.raw, r->found.raw_hmac);
	request_decide(r, D_PERMIT, r->found.probe == PROBE_RELAY ? VIA_RELAY : VIA_DIRECT, "");
	return STEP_DECIDED;
}

enum step_result
step_identity(struct request *r)
{
	const char *why = "";
	bool hit = false;
	struct snapshot_local *mine = snapshot_mine(r->snap, r->worker);

	if (decide_probe(r) == STEP_DECIDED)
		return STEP_DECIDED;
	if (r->found.observed) { /* an observed request shows no credential of the gateway */
		identity_nobody(r->snap->policy, &r->found.identity);
		r->found.identified = true;
		return identity_known(r);
	}
	r->found.presented = r->found.route->login && presents_credential(r);
	if (!mine)
		return request_overload(r);
	struct credentials given = { .head = &r->in.head,
		.handshake = r->in.socket,
		.certificate = r->in.certificate,
		.certificate_refused = r->in.certificate_refused,
		.nonces = r->gate ? r->gate->shared->nonces : NULL };
	struct live *live = r->gate ? r->gate->shared->live : NULL;
	if (live)
		given.live = &live_enter(live, r->worker)->keys;
	int err = identity_verify(r->snap->policy, r->snap->keys, r->gate ? mine->cache : NULL,
		&given, r->now_wall_ns, &r->arena, &r->found.identity, &why, &hit);
	if (live)
		live_leave(live, r->worker);
	if (err == IDENTITY_MISSED || err == IDENTITY_KEYLESS || err == ERR_AUTH) {
		log_event(LOG_INFO, "credential.refused", LS("id", r->id), LS("why", why),
			LSP("key", given.refused_key));
		/* a key that leaked and was revoked may still be in use */
		r->found.identity =
			(struct identity){ .method = "none", .key_id = given.refused_key };
		if (err != ERR_AUTH && waits_for_keys(r, &given))
			return STEP_WAIT;
		if (err == IDENTITY_KEYLESS)
			return request_deny(r, 503, "identity_unavailable", "",
				SPAN_LIT("the keys of the credential's issuer are unavailable; "
					 "retry later"));
		return request_deny(r, 401, NULL, "",
			SPAN_LIT("the credential does not verify; renew it, or use one for "
				 "this gateway"));
	}
	if (err < 0)
		return request_overload(r);
	r->found.identified = true;
	if (request_keep_credential(r, given.verified) < 0)
		return request_overload(r);
	if (!key_in_scope(r))
		return request_deny(r, 403, "permission_denied", "", why_out_of_scope(r));
	return identity_known(r);
}
